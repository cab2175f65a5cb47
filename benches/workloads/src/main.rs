//! The gate: fails if an operation of lunation takes more instructions than `benches/limits.txt`
//! allows, five percent of tolerance included.
//!
//! `cargo run --release --manifest-path benches/workloads/Cargo.toml -- [--record] [FILTER..]`

use lunation_workloads::callgrind::{self, Counts, goal};
use lunation_workloads::contexts;
use lunation_workloads::table::{self, Row};
use std::path::Path;
use std::process::ExitCode;

const LIMITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../limits.txt");
const HEAD: &str = "\
# Instructions per operation that lunation may take (five percent more fail): the goal where it is
# met, else what it took when this was recorded. Counted by callgrind, written by
# `cargo run --release --manifest-path benches/workloads/Cargo.toml -- --record`.
# row | limit | goal
";
/// What a limit may be exceeded by.
const TOLERANCE: f64 = 1.05;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    contexts::prepare();
    if callgrind::run_once(&arguments) {
        return ExitCode::SUCCESS;
    }
    let before = arguments.len();
    arguments.retain(|argument| argument != "--record");
    let is_recording = arguments.len() < before;
    match gate(&arguments, is_recording) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn gate(filters: &[String], is_recording: bool) -> Result<(), String> {
    if !callgrind::is_installed() {
        return Err("valgrind is not installed: apt-get install valgrind".into());
    }
    // A record names all goals, and some of them are counted from other rows.
    let rows = counted_rows(if is_recording { &[] } else { filters })?;
    let counts = callgrind::count(&rows)?;
    let mut limits = read_limits()?;
    if is_recording {
        for row in rows.iter().filter(|row| is_wanted(row, filters)) {
            let count = counts[row.name];
            limits.insert(row.name, goal(row, &counts).map_or(count, |goal| goal.max(count)));
        }
        write_limits(&limits, &counts)?;
    }
    report(&rows, &counts, &limits)
}

fn is_wanted(row: &Row, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| row.name.contains(filter.as_str()))
}

/// The rows that are asked for.
fn counted_rows(filters: &[String]) -> Result<Vec<Row>, String> {
    let wanted: Vec<Row> = table::all().into_iter().filter(|row| is_wanted(row, filters)).collect();
    let rows = callgrind::with_bases(&wanted);
    if rows.is_empty() { Err(format!("no row matches {filters:?}")) } else { Ok(rows) }
}

fn read_limits() -> Result<Counts, String> {
    if !Path::new(LIMITS).exists() {
        return Ok(Counts::new());
    }
    let text = std::fs::read_to_string(LIMITS).map_err(|error| format!("{LIMITS}: {error}"))?;
    let names: Vec<&str> = table::all().iter().map(|row| row.name).collect();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parts = line.split('|').map(str::trim);
            let (name, limit) = (parts.next(), parts.next());
            let name = names.iter().find(|known| Some(**known) == name);
            let limit = limit.and_then(|limit| limit.parse().ok());
            let (Some(name), Some(limit)) = (name, limit) else {
                return Err(format!("{LIMITS}: no row and its limit: {line}"));
            };
            Ok((*name, limit))
        })
        .collect()
}

fn write_limits(limits: &Counts, counts: &Counts) -> Result<(), String> {
    let mut text = HEAD.to_owned();
    for row in table::all() {
        let Some(limit) = limits.get(row.name) else { continue };
        let goal = goal(&row, counts).map_or("-".to_owned(), |goal| goal.to_string());
        text += &format!("{} | {limit} | {goal}\n", row.name);
    }
    std::fs::write(LIMITS, text).map_err(|error| format!("{LIMITS}: {error}"))
}

fn report(rows: &[Row], counts: &Counts, limits: &Counts) -> Result<(), String> {
    println!("| instructions per operation | count | limit | goal | |");
    println!("|---|---:|---:|---:|---|");
    let mut failed = Vec::new();
    for row in rows {
        let (name, count) = (row.name, counts[row.name]);
        let limit = limits.get(name).copied();
        let goal = goal(row, counts);
        let is_within = limit.is_some_and(|limit| count <= limit * TOLERANCE);
        if !is_within {
            failed.push(name);
        }
        let verdict = match goal {
            _ if limit.is_none() => "NO LIMIT",
            _ if !is_within => "TOO MANY",
            Some(goal) if count > goal => "goal missed",
            _ => "",
        };
        let text = |number: Option<f64>| number.map_or("-".to_owned(), |n| n.to_string());
        println!("| {name} | {count} | {} | {} | {verdict} |", text(limit), text(goal));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "over the limit in {LIMITS}: {}\nIf that is wanted, run it with --record and say why.",
        failed.join("; ")
    ))
}

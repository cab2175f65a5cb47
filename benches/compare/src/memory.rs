//! What idle things take: the growth of the resident set without the pages of files, so that the
//! allocator's overhead and spare room that was written to are in it, and code that runs for the
//! first time is not. Each is measured in a process of its own.

use crate::columns::Column;
use crate::goals::Verdict;
use crate::measure::figure;
use crate::peers::*;
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::process::Command;
use std::time::Duration;

/// The argument by which the benchmark calls itself.
const HOLD: &str = "--hold";
/// Enough that a few pages more or less are nothing.
const COUNT: u64 = 200_000;
const LONG: Duration = Duration::from_secs(3600);

/// Returns bytes per thing.
type Hold = fn() -> f64;

/// What is held: (name, goal in bytes).
const THINGS: [(&str, f64); 2] = [("idle task", 128.0), ("pending sleep, beyond its task", 96.0)];

fn holders() -> Vec<(Column, [Hold; 2])> {
    vec![
        (Column::Lunation, [idle::<Lunation>, asleep::<Lunation>]),
        (Column::TokioSet, [idle::<TokioSet>, asleep::<TokioSet>]),
        (Column::TokioRuntime, [idle::<TokioRuntime>, asleep::<TokioRuntime>]),
        (Column::Smol, [idle::<Smol>, asleep::<Smol>]),
        (Column::Monoio, [idle::<Monoio>, asleep::<Monoio>]),
        (Column::Compio, [idle::<Compio>, || hold::<Compio, _>(|| compio::time::sleep(LONG))]),
        (Column::Runite, [idle::<Runite>, asleep::<Runite>]),
    ]
}

/// Tasks that have been polled once and wait for nothing; they have no state.
fn idle<P: Peer>() -> f64 {
    hold::<P, _>(pending::<()>)
}

/// Tasks that sleep.
fn asleep<P: Timers>() -> f64 {
    hold::<P, _>(|| P::sleep(LONG))
}

fn hold<P: Peer, F: Future + 'static>(make: impl Fn() -> F + 'static) -> f64
where
    F::Output: 'static,
{
    P::run_task(async move {
        P::detach(P::spawn(make()));
        let before = resident_bytes();
        for _ in 0..COUNT {
            P::detach(P::spawn(make()));
        }
        // Polled after all of them.
        P::join(P::spawn(async {})).await;
        resident_bytes().saturating_sub(before) as f64 / COUNT as f64
    })
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}

/// If the arguments ask for one measurement, prints it and returns true.
pub fn hold_once(arguments: &[String]) -> bool {
    let [hold, column, thing] = arguments else { return false };
    if hold != HOLD {
        return false;
    }
    let holders = holders();
    let holder = holders.iter().find(|(candidate, _)| candidate.name() == column);
    let thing = THINGS.iter().position(|(name, _)| name == thing);
    let (Some((_, holds)), Some(thing)) = (holder, thing) else { return false };
    println!("{}", holds[thing]());
    true
}

/// Median of three processes.
fn bytes(column: Column, thing: &str) -> Option<f64> {
    let once = || {
        let mut command = Command::new(std::env::current_exe().ok()?);
        let output = command.args([HOLD, column.name(), thing]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let samples: Option<Vec<f64>> = (0..3).map(|_| once()).collect();
    Some(figure(&samples?)?.median)
}

/// The table, and what became of the goals.
pub fn table() -> (String, Vec<(String, Verdict)>) {
    let columns: Vec<Column> = holders().iter().map(|(column, _)| *column).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    let mut text = format!("| bytes | {} | goal |\n", names.join(" | "));
    text += &format!("|---|{}---|\n", "---:|".repeat(columns.len()));
    let mut verdicts = Vec::new();
    let mut idle: BTreeMap<Column, f64> = BTreeMap::new();
    for (thing, goal) in THINGS {
        let mut cells = Vec::new();
        let mut verdict = String::from("-");
        for column in &columns {
            let all = bytes(*column, thing);
            let own = all.map(|all| all - idle.get(column).copied().unwrap_or(0.0));
            cells.push(own.map_or("-".to_owned(), |own| format!("{own:.0}")));
            idle.extend(all.map(|all| (*column, all)));
            if let Some(own) = own.filter(|_| *column == Column::Lunation) {
                let judged = Verdict::new(own.round(), goal, 0, "bytes");
                verdict.clone_from(&judged.text);
                verdicts.push((thing.to_owned(), judged));
            }
        }
        text += &format!("| {thing} | {} | {verdict} |\n", cells.join(" | "));
    }
    (text, verdicts)
}

//! The same work on lunation, tokio, smol and monoio, side by side. See `benches/README.md`.
//!
//! `cargo bench --manifest-path benches/compare/Cargo.toml -- [FILTER..] [--rounds N]
//! [--no-callgrind]`

mod contexts;
mod futures;
mod measure;
mod peer;
mod rows;
mod tasks;
mod timers;

use measure::Samples;
use rows::{COLUMNS, Row};

/// What the command line asks for.
struct Options {
    /// Only rows whose names contain one of these; all if there is none.
    filters: Vec<String>,
    rounds: usize,
    callgrind: bool,
}

const USAGE: &str = "usage: compare [FILTER..] [--rounds N] [--no-callgrind]";

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { filters: Vec::new(), rounds: 15, callgrind: true };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--no-callgrind" => options.callgrind = false,
                "--rounds" => {
                    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                    options.rounds = rounds.ok_or("--rounds needs a number")?;
                }
                other if other.starts_with('-') => return Err(format!("unknown: {other}")),
                filter => options.filters.push(filter.to_owned()),
            }
        }
        Ok(options)
    }

    fn wants(&self, row: &Row) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| row.name.contains(filter))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rows = rows::all();
    contexts::prepare();
    if let [once, name, ops] = arguments.as_slice()
        && once == measure::ONCE
    {
        let ops = ops.parse().expect("a number of operations");
        assert!(measure::once(&rows, name, ops), "no such row: {name}");
        return;
    }
    let options = match Options::parse(arguments.into_iter()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            std::process::exit(2);
        }
    };
    let callgrind = options.callgrind && measure::has_valgrind();
    print_head();
    for row in rows.iter().filter(|row| options.wants(row)) {
        let samples = measure::time(row, options.rounds);
        let instructions = if callgrind { measure::instructions(row) } else { None };
        print_row(row, &samples, instructions);
    }
}

fn print_head() {
    let columns = COLUMNS.join(" | ");
    println!("| ns per operation: median (least) | {columns} | tokio / lunation | ins | goal |");
    println!("|---|{}", "---:|".repeat(COLUMNS.len() + 3));
}

fn print_row(row: &Row, samples: &Samples, instructions: Option<f64>) {
    let figures =
        samples.each_ref().map(|samples| samples.as_deref().and_then(measure::median_and_minimum));
    let cells: Vec<String> = figures
        .iter()
        .map(|figure| match figure {
            Some((median, least)) => format!("{median:.1} ({least:.1})"),
            None => "-".to_owned(),
        })
        .collect();
    // Against the faster of tokio's two ways.
    let tokio = figures[1..=2].iter().flatten().map(|figure| figure.0).reduce(f64::min);
    let ratio = match (figures[0], tokio) {
        (Some((ours, _)), Some(tokio)) => format!("{:.1}x", tokio / ours),
        _ => "-".to_owned(),
    };
    let instructions = instructions.map_or("-".to_owned(), |count| format!("{count:.0}"));
    let goal = row.goal.map_or("-".to_owned(), |goal| format!("<= {goal}"));
    println!("| {} | {} | {ratio} | {instructions} | {goal} |", row.name, cells.join(" | "));
}

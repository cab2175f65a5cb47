//! The same work on lunation and its peers, side by side. See `benches/README.md`.
// Task locals nested 64 deep are a deep type.
#![recursion_limit = "512"]

mod columns;
mod goals;
mod scripts;

mod own_ways;
mod peers;

mod rows;

mod measure;
mod memory;

mod curves;
mod plot;

mod page;

mod net;

use goals::Results;
use lunation_workloads::callgrind::{self, Counts};
use lunation_workloads::contexts;
use measure::Effort;
use page::Page;
use rows::{Group, Row};
use scripts::Engine;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

const USAGE: &str = "\
usage: compare [FILTER..] [--quick] [--rounds N] [--no-callgrind] [--write]
  FILTER          only rows and curves whose names contain one of these
  --quick         a minute instead of ten
  --rounds N      rounds of each row, at most (15)
  --no-callgrind  no counts of instructions and system calls
  --write         into benches/RESULTS.md and benches/plots instead of to the terminal
$NODE, $BUN and $DENO name the JavaScript engines that take part.";

/// Where the page goes.
const BENCHES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What the command line asks for.
struct Options {
    filters: Vec<String>,
    effort: Effort,
    curve_rounds: usize,
    largest: u64,
    callgrind: bool,
    write: bool,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            filters: Vec::new(),
            effort: Effort { rounds: 15, budget: Duration::from_millis(2500) },
            curve_rounds: 3,
            largest: 1_000_000,
            callgrind: callgrind::is_installed(),
            write: false,
        };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--quick" => {
                    options.effort = Effort { rounds: 3, budget: Duration::ZERO };
                    options.curve_rounds = 1;
                    options.largest = 100_000;
                    options.callgrind = false;
                }
                "--no-callgrind" => options.callgrind = false,
                "--write" => options.write = true,
                "--rounds" => {
                    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                    options.effort.rounds = rounds.ok_or("--rounds needs a number")?;
                }
                other if other.starts_with('-') => return Err(format!("unknown: {other}")),
                filter => options.filters.push(filter.to_owned()),
            }
        }
        if options.write && !options.filters.is_empty() {
            return Err("--write with a filter would leave rows out of the page".into());
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if net::serve_once(&arguments)? {
        return Ok(());
    }
    contexts::prepare();
    if callgrind::run_once(&arguments) || memory::hold_once(&arguments) {
        return Ok(());
    }
    let options = Options::parse(arguments.into_iter()).map_err(|e| format!("{e}\n{USAGE}"))?;
    let engines = Engine::find_all()?;
    let mut page = Page::default();
    measure_groups(&options, &engines, &mut page)?;
    if options.wants("memory") {
        let (table, verdicts) = memory::table();
        page.section("Memory", &table, &verdicts);
    }
    measure_curves(&options, &engines, &mut page)?;
    net::measure(&options, &mut page)?;
    let text = page.finish(&engines, options.effort.rounds);
    if options.write {
        std::fs::write(Path::new(BENCHES).join("RESULTS.md"), text)?;
    } else {
        println!("{text}");
    }
    Ok(())
}

fn measure_groups(
    options: &Options,
    engines: &[Engine],
    page: &mut Page,
) -> Result<(), Box<dyn Error>> {
    let groups = rows::groups();
    let mut results = Results::new();
    for group in &groups {
        let rows: Vec<&Row> = group.rows.iter().filter(|r| options.wants(r.own.name)).collect();
        if rows.is_empty() {
            continue;
        }
        for row in &rows {
            eprintln!("{}: {}", group.title, row.own.name);
            results.insert(row.own.name, measure::time(row, options.effort, engines)?);
        }
        let counts = count(options, &rows)?;
        page.group(group, &rows, &results, &counts);
        if options.write {
            plot_group(group, &results)?;
        }
    }
    Ok(())
}

/// Counts lunation's instructions, and those of the rows that it is compared with.
fn count(options: &Options, rows: &[&Row]) -> Result<Counts, String> {
    if !options.callgrind {
        return Ok(Counts::new());
    }
    let wanted: Vec<_> = rows.iter().map(|row| row.own).collect();
    callgrind::count(&callgrind::with_bases(&wanted))
}

/// Draws the row that stands for the group.
fn plot_group(group: &Group, results: &Results) -> Result<(), Box<dyn Error>> {
    let Some((row, file)) = group.plot else { return Ok(()) };
    let bars: Vec<_> = results[row].iter().map(|(c, f)| (*c, f.median)).collect();
    plot::bars(&plots(&format!("{file}.svg"))?, row, &bars)
}

fn plots(file: &str) -> Result<std::path::PathBuf, Box<dyn Error>> {
    let folder = Path::new(BENCHES).join("plots");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(file))
}

/// Draws a curve if there is to be a page.
fn plot_curve(
    options: &Options,
    axes: &curves::Axes,
    lines: &[curves::Line],
) -> Result<(), Box<dyn Error>> {
    if !options.write {
        return Ok(());
    }
    plot::curves(&plots(&format!("{}.svg", axes.file))?, axes, lines)
}

fn measure_curves(
    options: &Options,
    engines: &[Engine],
    page: &mut Page,
) -> Result<(), Box<dyn Error>> {
    for curve in curves::all().iter().filter(|curve| options.wants(curve.axes.title)) {
        eprintln!("{}", curve.axes.title);
        let lines = curve.measure(options.curve_rounds, options.largest, engines)?;
        plot_curve(options, &curve.axes, &lines)?;
        page.curve(&curve.axes, &lines);
    }
    Ok(())
}

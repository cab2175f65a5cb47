//! Instruction counts.

use crate::Load;
use crate::table::{self, Count, Row};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

/// The argument by which a benchmark calls itself to be counted.
const ONCE: &str = "--once";
/// Operations of the shorter run: enough for what differs between first and later ones.
const OPS: u64 = 10_000;

/// Whether valgrind can be run.
pub fn is_installed() -> bool {
    can_run("valgrind")
}

/// Whether a tool is there.
pub fn can_run(tool: &str) -> bool {
    let mut version = Command::new(tool);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// If the arguments ask for a single run, by [`instructions`], does it and returns true.
///
/// # Panics
/// There must be a row of this name.
pub fn run_once(arguments: &[String]) -> bool {
    let [once, name, ops] = arguments else { return false };
    if once != ONCE {
        return false;
    }
    let row = table::find(name);
    let ops = ops.parse().expect("a number of operations");
    (row.work)(Load { ops, ..row.load });
    true
}

/// Instructions per operation by row, rounded.
pub type Counts = BTreeMap<&'static str, f64>;

/// `wanted` without the rows whose counts vary, and with those that the others are compared with.
pub fn with_bases(wanted: &[Row]) -> Vec<Row> {
    let bases: Vec<&str> = wanted.iter().filter_map(|row| row.count.base()).collect();
    let is_wanted = |row: &Row| wanted.iter().any(|wanted| wanted.name == row.name);
    let mut rows = table::all();
    rows.retain(|row| is_wanted(row) || bases.contains(&row.name));
    rows.retain(|row| !matches!(row.count, Count::Varies));
    rows
}

/// Counts all rows, one per core at a time: the load of the machine does not change counts.
pub fn count(rows: &[Row]) -> Result<Counts, String> {
    let next = Mutex::new(rows.iter());
    let counts = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let row = next.lock().expect("no worker panics").next();
            let Some(row) = row else { return };
            let count = instructions(row);
            counts.lock().expect("no worker panics").insert(row.name, count);
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| drop(scope.spawn(work)));
    });
    let counts = counts.into_inner().expect("no worker panics").into_iter();
    counts
        .map(|(name, count)| Ok((name, count.ok_or(format!("{name}: callgrind failed"))?.round())))
        .collect()
}

/// What a row's count should be at most.
pub fn goal(row: &Row, counts: &Counts) -> Option<f64> {
    match row.count {
        Count::AtMost(goal) => Some(goal as f64),
        Count::Over(base, more) => counts.get(base).map(|base| base + more as f64),
        Count::Repeats | Count::Varies => None,
    }
}

/// Instructions per operation: those of a run of 2N less those of a run of N, so that the start and
/// the end of process and runtime do not count. They include the loop and the future of the
/// benchmark. `None` if valgrind failed.
fn instructions(row: &Row) -> Option<f64> {
    let (short, long) = (collect(row.name, OPS)?, collect(row.name, 2 * OPS)?);
    Some((long as f64 - short as f64) / OPS as f64)
}

/// Instructions of a whole run in a process of its own.
fn collect(name: &str, ops: u64) -> Option<u64> {
    let file = format!("lunation-{}-{:?}.out", std::process::id(), std::thread::current().id());
    let file = std::env::temp_dir().join(file);
    let status = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe().ok()?)
        .args([ONCE, name, &ops.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    let total = if status.success() { total(&file) } else { None };
    // What is left behind in the temporary directory does no harm.
    let _ = std::fs::remove_file(&file);
    total
}

/// The instructions that a file of callgrind's tells of.
pub fn total(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

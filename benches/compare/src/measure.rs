//! Rounds, medians, and instruction counts by callgrind.

use crate::rows::{Row, Run};
use std::path::Path;
use std::process::{Command, Stdio};

/// The argument by which the benchmark calls itself to be counted.
pub const ONCE: &str = "--once";

/// Nanoseconds per operation in each round, for each column that has a workload.
pub type Samples = [Option<Vec<f64>>; 5];

/// Runs all columns of a row in turn, `rounds` times, after one round that is not counted.
pub fn time(row: &Row, rounds: usize) -> Samples {
    let mut samples = row.runs.map(|run| run.map(|_| Vec::with_capacity(rounds)));
    for round in 0..=rounds {
        for (run, samples) in row.runs.iter().zip(&mut samples) {
            let (Some(run), Some(samples)) = (run, samples) else { continue };
            let nanos = run(row.ops).as_nanos() as f64 / row.ops as f64;
            if round > 0 {
                samples.push(nanos);
            }
        }
    }
    samples
}

/// The middle of the samples, and the least.
pub fn median_and_minimum(samples: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((*sorted.get(sorted.len() / 2)?, *sorted.first()?))
}

/// Whether valgrind can be run.
pub fn has_valgrind() -> bool {
    let mut version = Command::new("valgrind");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Instructions per operation of lunation: those of a run of 2N less those of a run of N, so that
/// the start and the end of process and runtime do not count.
pub fn instructions(row: &Row) -> Option<f64> {
    let ops = (row.ops / 10).next_multiple_of(1000);
    let (short, long) = (collect(row.name, ops)?, collect(row.name, 2 * ops)?);
    Some((long as f64 - short as f64) / ops as f64)
}

/// Instructions of a whole run in a process of its own.
fn collect(name: &str, ops: u64) -> Option<u64> {
    let file = std::env::temp_dir().join(format!("lunation-compare-{}.out", std::process::id()));
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

fn total(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// Runs lunation's workload of a row once: what callgrind counts.
pub fn once(rows: &[Row], name: &str, ops: u64) -> bool {
    let run: Option<Run> = rows.iter().find(|row| row.name == name).and_then(|row| row.runs[0]);
    if let Some(run) = run {
        run(ops);
    }
    run.is_some()
}

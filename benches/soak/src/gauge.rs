//! What is looked at.

use lunation::Runtime;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The memory at one moment.
pub struct Sample {
    /// Seconds since the start.
    pub at: f64,
    /// Bytes of memory that the process has.
    pub resident: f64,
    /// Bytes that are in use of them.
    pub allocated: f64,
}

impl Sample {
    pub fn now(at: f64) -> io::Result<Sample> {
        Ok(Sample { at, resident: resident()?, allocated: allocated() })
    }
}

fn resident() -> io::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map(|kb| kb * 1024.0).ok_or_else(|| io::Error::other("/proc/self/status: no VmRSS"))
}

/// Bytes in use.
pub fn allocated() -> f64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
}

/// By how much a line through the samples rises between the first and the last.
pub fn growth(samples: &[&Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return 0.0 };
    let mean = |of: &dyn Fn(&Sample) -> f64| {
        samples.iter().map(|sample| of(sample)).sum::<f64>() / samples.len() as f64
    };
    let (middle, level) = (mean(&|sample| sample.at), mean(&of));
    let product = mean(&|sample| (sample.at - middle) * (of(sample) - level));
    let square = mean(&|sample| (sample.at - middle).powi(2));
    if square == 0.0 { 0.0 } else { product / square * (last.at - first.at) }
}

/// How many there are of everything that has an end, by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, usize>);

impl Counts {
    /// Of a runtime and the process.
    pub fn of(runtime: &Runtime) -> io::Result<Counts> {
        let mut counts = BTreeMap::new();
        let all = runtime.all_resources();
        for resource in &*all {
            *counts.entry(resource.kind.to_string()).or_default() += 1;
        }
        let metrics = runtime.metrics();
        let lengths = [
            ("live tasks", metrics.live_tasks),
            ("live timers", metrics.live_timers),
            ("live jobs", metrics.live_jobs),
            ("immediates", metrics.immediates_queued),
            ("guards that keep alive", all.keep_alive_guards()),
            ("misplaced guards", metrics.misplaced_guards as usize),
            ("descriptors", std::fs::read_dir("/proc/self/fd")?.count()),
        ];
        counts.extend(lengths.map(|(name, length)| (name.to_owned(), length)));
        Ok(Counts(counts))
    }

    /// What differs from `other`.
    pub fn beyond(&self, other: &Counts) -> Counts {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let differing = names.into_iter().filter_map(|name| {
            let [new, old] = [self, other].map(|counts| counts.0.get(name).copied().unwrap_or(0));
            (new != old).then(|| (format!("{name} (from {old})"), new))
        });
        Counts(differing.collect())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = self.0.iter().filter(|(name, count)| **count > 0 || name.contains("from"));
        let texts: Vec<String> = present.map(|(name, count)| format!("{name} {count}")).collect();
        f.write_str(&texts.join(", "))
    }
}

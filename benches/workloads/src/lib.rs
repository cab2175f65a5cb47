//! The work that the benchmarks measure: generic over the runtime where several can do it.
//!
//! `compare` runs it on lunation and its peers, the gate and criterion on lunation alone.
#![forbid(unsafe_code)]

pub mod futures;
pub mod peer;

pub mod callbacks;
pub mod contexts;
pub mod hooks;
pub mod remote;
pub mod tasks;
pub mod timers;

pub mod callgrind;
pub mod table;

use std::time::Duration;

/// How much a workload shall do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Operations: a multiple of `size`, and of a thousand.
    pub ops: u64,
    /// What the operations are done among: tasks, waiters, stores, levels or timers.
    pub size: u64,
}

/// Does the work and returns how long it took: in time, or in processor time if it must wait.
pub type Work = fn(Load) -> Duration;

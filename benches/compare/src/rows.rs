//! The table: which workload each runtime runs in which row.

use crate::peer::{Lunation, Monoio, Smol, TokioLocal};
use crate::{contexts, tasks, timers};
use std::time::Duration;

/// Runs operations and returns how long they took.
pub type Run = fn(u64) -> Duration;

/// The columns, in order.
pub const COLUMNS: [&str; 5] = ["lunation", "tokio local", "tokio spawn", "smol", "monoio"];

/// One row of the table.
pub struct Row {
    pub name: &'static str,
    /// Instructions per operation that lunation is meant to need at most.
    pub goal: Option<u64>,
    /// Operations per round: a multiple of 1000.
    pub ops: u64,
    /// One for each column.
    pub runs: [Option<Run>; 5],
}

/// Operations per round of a few nanoseconds each.
const FAST: u64 = 400_000;
/// Operations per round that include system calls or tokio's allocations.
const SLOW: u64 = 50_000;

const fn row(name: &'static str, goal: Option<u64>, ops: u64, runs: [Option<Run>; 5]) -> Row {
    Row { name, goal, ops, runs }
}

const fn ours(name: &'static str, goal: Option<u64>, ops: u64, run: Run) -> Row {
    row(name, goal, ops, [Some(run), None, None, None, None])
}

const fn and_tokio(
    name: &'static str,
    goal: Option<u64>,
    ops: u64,
    lunation: Run,
    tokio: Run,
) -> Row {
    row(name, goal, ops, [Some(lunation), Some(tokio), None, None, None])
}

/// All rows.
pub fn all() -> Vec<Row> {
    let mut rows = task_rows();
    rows.extend(turn_rows());
    rows.extend(context_rows());
    rows.extend(callback_rows());
    rows.extend(timer_rows());
    rows
}

fn task_rows() -> Vec<Row> {
    use tasks::*;
    vec![
        row(
            "yield, 1 task",
            Some(95),
            FAST,
            [
                Some(yields::<Lunation, 1>),
                Some(yields::<TokioLocal, 1>),
                Some(yields_tokio::<1>),
                Some(yields::<Smol, 1>),
                Some(yields::<Monoio, 1>),
            ],
        ),
        row(
            "yield, 1000 tasks",
            Some(95),
            FAST,
            [
                Some(yields::<Lunation, 1000>),
                Some(yields::<TokioLocal, 1000>),
                Some(yields_tokio::<1000>),
                Some(yields::<Smol, 1000>),
                Some(yields::<Monoio, 1000>),
            ],
        ),
        row(
            "ping-pong, per switch",
            Some(175),
            FAST,
            [
                Some(ping::<Lunation>),
                Some(ping::<TokioLocal>),
                None,
                Some(ping::<Smol>),
                Some(ping::<Monoio>),
            ],
        ),
        row(
            "spawn + join",
            Some(220),
            FAST,
            [
                Some(spawn_join::<Lunation>),
                Some(spawn_join::<TokioLocal>),
                Some(spawn_join_tokio),
                Some(spawn_join::<Smol>),
                Some(spawn_join::<Monoio>),
            ],
        ),
        row(
            "spawn detached",
            Some(195),
            FAST,
            [
                Some(spawn_detached::<Lunation>),
                Some(spawn_detached::<TokioLocal>),
                Some(spawn_detached_tokio),
                Some(spawn_detached::<Smol>),
                Some(spawn_detached::<Monoio>),
            ],
        ),
    ]
}

fn turn_rows() -> Vec<Row> {
    use tasks::*;
    vec![
        row(
            "yield_now (a turn of the loop)",
            None,
            SLOW,
            [Some(yield_now), None, Some(yield_now_tokio), Some(yield_now_smol), None],
        ),
        ours("immediate chain, per turn", None, SLOW, immediate_chain),
    ]
}

fn context_rows() -> Vec<Row> {
    use contexts::*;
    vec![
        and_tokio("yield under 1 guard", Some(95), FAST, guards::<1>, one_local),
        and_tokio("yield under 4 guards", Some(95), FAST, guards::<4>, locals_4),
        and_tokio("yield under 16 guards", Some(95), FAST, guards::<16>, locals_16),
        and_tokio("yield under 1 scope", Some(107), FAST, one_scope, one_local),
        and_tokio("yield under 4 scopes", Some(143), FAST, scopes_4, locals_4),
        and_tokio("yield under 16 scopes", Some(287), FAST, scopes_16, locals_16),
        and_tokio(
            "spawn detached, 1 store inherited",
            Some(201),
            FAST,
            spawn_inheriting,
            spawn_inheriting_tokio,
        ),
        and_tokio("get_store", Some(24), FAST, get_store, with_tokio),
        and_tokio("with", Some(24), FAST, with, with_tokio),
        ours("execution_async_id", Some(6), FAST, execution_id),
        and_tokio("run, store set before", Some(85), FAST, run_existing, run_tokio),
        and_tokio("run, 1 other store", Some(140), FAST, run_new, run_tokio),
        and_tokio("run, no other store", None, FAST, run_only, run_tokio),
    ]
}

fn callback_rows() -> Vec<Row> {
    use tasks::*;
    let tokio = Some(callback_tasks::<TokioLocal> as Run);
    let (smol, monoio) = (Some(callback_tasks::<Smol> as Run), None);
    vec![
        row("queue_microtask", Some(85), FAST, [Some(microtasks), tokio, None, smol, monoio]),
        row("next_tick", Some(85), FAST, [Some(ticks), tokio, None, smol, monoio]),
        row("set_immediate", None, FAST, [Some(immediates), tokio, None, smol, monoio]),
    ]
}

fn timer_rows() -> Vec<Row> {
    use timers::*;
    vec![
        row(
            "sleep polled + dropped, 1 duration",
            None,
            SLOW,
            [
                Some(sleeps_alike::<Lunation>),
                Some(sleeps_alike::<TokioLocal>),
                None,
                Some(sleeps_alike::<Smol>),
                Some(sleeps_alike::<Monoio>),
            ],
        ),
        row(
            "sleep polled + dropped, 1000 durations",
            None,
            SLOW,
            [
                Some(sleeps_apart::<Lunation>),
                Some(sleeps_apart::<TokioLocal>),
                None,
                Some(sleeps_apart::<Smol>),
                Some(sleeps_apart::<Monoio>),
            ],
        ),
        row(
            "re-arm 1 of 1000 sleeps",
            None,
            SLOW,
            [
                Some(rearm::<Lunation>),
                Some(rearm::<TokioLocal>),
                None,
                Some(rearm::<Smol>),
                Some(rearm::<Monoio>),
            ],
        ),
        and_tokio("refresh 1 of 1000 timeouts", None, SLOW, refresh, rearm::<TokioLocal>),
    ]
}

//! What is run on lunation, with how much, and how many instructions it may take.

use crate::peer::Lunation;
use crate::{Load, Work};
use crate::{callbacks, contexts, hooks, remote, tasks, timers};

/// A workload on lunation.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub load: Load,
    pub work: Work,
    pub count: Count,
}

/// What is known of the instructions per operation.
#[derive(Clone, Copy)]
pub enum Count {
    /// They differ from run to run: they depend on the clock or on another thread.
    Varies,
    /// They repeat, and no goal is set.
    Repeats,
    /// The goal.
    AtMost(u64),
    /// The goal is so many more than those of another row.
    Over(&'static str, u64),
}

impl Count {
    /// The row that the goal is counted from.
    pub fn base(self) -> Option<&'static str> {
        if let Count::Over(base, _) = self { Some(base) } else { None }
    }
}

/// Operations per round of a few nanoseconds each.
const FAST: u64 = 100_000;
/// Operations per round that include system calls or much of a peer's allocation.
const SLOW: u64 = 20_000;

const fn row(name: &'static str, ops: u64, size: u64, work: Work, count: Count) -> Row {
    Row { name, load: Load { ops, size }, work, count }
}

/// The row of this name.
///
/// # Panics
/// There must be one.
pub fn find(name: &str) -> Row {
    let row = all().into_iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("no row is named {name:?}"))
}

/// All rows.
pub fn all() -> Vec<Row> {
    [task_rows(), context_rows(), hook_rows(), callback_rows(), timer_rows()].concat()
}

fn task_rows() -> Vec<Row> {
    use Count::{AtMost, Varies};
    use tasks::*;
    vec![
        row("yield, 1 task", FAST, 1, yields::<Lunation>, AtMost(95)),
        row("yield, 1000 tasks", FAST, 1000, yields::<Lunation>, AtMost(95)),
        row("ping-pong, per switch", FAST, 2, ping::<Lunation>, AtMost(175)),
        row("spawn + join", FAST, 100, spawn_join::<Lunation>, AtMost(220)),
        row("spawn detached", FAST, 100, spawn_detached::<Lunation>, AtMost(195)),
        row("fan-in, 1000 waiters", FAST, 1000, fan_in::<Lunation>, Count::Repeats),
        row("remote wake, 1 task", 1_000_000, 1, remote::flood::<Lunation>, Varies),
        row("remote wake, 1000 tasks", 1_000_000, 1000, remote::flood::<Lunation>, Varies),
    ]
}

fn context_rows() -> Vec<Row> {
    use Count::{AtMost, Over, Repeats};
    use contexts::*;
    let (bare, unscoped) = ("yield under no guard", "yield under no scope");
    vec![
        row(bare, FAST, 0, guards, AtMost(95)),
        row("yield under 1 guard", FAST, 1, guards, Over(bare, 0)),
        row("yield under 4 guards", FAST, 4, guards, Over(bare, 0)),
        row("yield under 16 guards", FAST, 16, guards, Over(bare, 0)),
        row(unscoped, FAST, 0, scopes, Repeats),
        row("yield under 1 scope", FAST, 1, scopes, Over(unscoped, 12)),
        row("yield under 4 scopes", FAST, 4, scopes, Over(unscoped, 48)),
        row("yield under 16 scopes", FAST, 16, scopes, Over(unscoped, 192)),
        row("with, 1 store", FAST, 1, with, AtMost(24)),
        row("with, 64 stores", FAST, 64, with, AtMost(24)),
        row("get_store", FAST, 1, get_store, Repeats),
        row("execution_async_id", FAST, 1, execution_id, Repeats),
        row("run, set before, 1 store", FAST, 1, run_existing, AtMost(85)),
        row("run, set before, 64 stores", FAST, 64, run_existing, AtMost(85)),
        row("run, new, 1 other store", FAST, 1, run_new, AtMost(140)),
        row("run, new, 63 other stores", FAST, 63, run_new, Repeats),
        row("spawn detached, 1 store inherited", FAST, 100, spawn_inheriting, Repeats),
        row("enter, spawn a child that reads, join", FAST, 100, enter_and_spawn, Repeats),
    ]
}

fn hook_rows() -> Vec<Row> {
    use Count::Over;
    use hooks::*;
    let (bare, spawn) = ("yield, 1 task", "spawn detached");
    vec![
        row("yield, a hook disabled", FAST, 1, yields_disabled, Over(bare, 4)),
        row("yield, a hook enabled: 2 events", FAST, 1, yields_enabled, Over(bare, 50)),
        row("spawn, a hook enabled: 4 events", FAST, 100, spawns_enabled, Over(spawn, 100)),
    ]
}

fn callback_rows() -> Vec<Row> {
    use Count::Repeats;
    use callbacks::*;
    vec![
        row("queue_microtask", FAST, 1000, microtasks, Count::AtMost(85)),
        row("next_tick", FAST, 1000, ticks, Count::AtMost(85)),
        row("set_immediate", FAST, 1000, immediates, Repeats),
        row("immediate chain, per turn", SLOW, 1, immediate_chain, Repeats),
        row("yield_now (a turn of the loop)", SLOW, 1, yield_now, Repeats),
    ]
}

fn timer_rows() -> Vec<Row> {
    use Count::{Repeats, Varies};
    use timers::*;
    vec![
        row("sleep made, polled, dropped", SLOW, 1, sleeps::<Lunation>, Repeats),
        row("sleep made, 1000 durations", SLOW, 1000, sleeps::<Lunation>, Repeats),
        row("re-arm 1 of 10000 sleeps", SLOW, 10_000, rearm::<Lunation>, Repeats),
        row("refresh 1 of 10000 timeouts", SLOW, 10_000, refresh, Repeats),
        row("sleep 1 to 100 ms, all fire (cpu)", 100_000, 1, fire::<Lunation>, Varies),
    ]
}

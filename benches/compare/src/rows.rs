//! The table: which workload each runtime runs in which row, and the goals.

use crate::columns::Column;
use crate::goals::{Against, Goal};
use crate::own_ways::*;
use crate::peers::*;
use lunation_workloads::Work;
use lunation_workloads::callbacks::callback_tasks;
use lunation_workloads::remote::flood;
use lunation_workloads::table::{self, Row as Own};
use lunation_workloads::tasks::*;
use lunation_workloads::timers::{fire, rearm, sleeps};

/// One row of a table.
pub struct Row {
    /// Name, load and lunation's work.
    pub own: Own,
    pub peers: Vec<(Column, Work)>,
    /// The name of the work in `js/bench.mjs`.
    pub script: Option<&'static str>,
    pub goals: Vec<Goal>,
}

/// Rows that are one table.
pub struct Group {
    pub title: &'static str,
    pub rows: Vec<Row>,
    /// The row that is drawn, and the name of its plot.
    pub plot: Option<(&'static str, &'static str)>,
}

/// A row of lunation alone, which the rest is added to.
fn row(name: &str) -> Row {
    Row { own: table::find(name), peers: Vec::new(), script: None, goals: Vec::new() }
}

impl Row {
    fn peers(mut self, peers: impl IntoIterator<Item = (Column, Work)>) -> Row {
        self.peers.extend(peers);
        self
    }

    fn script(self, name: &'static str) -> Row {
        Row { script: Some(name), ..self }
    }

    fn goal(mut self, against: Against, at_most: f64) -> Row {
        self.goals.push(Goal { against, at_most });
        self
    }
}

/// A workload on tokio's two local runtimes.
macro_rules! tokios {
    ($work:ident) => {
        [
            (Column::TokioSet, $work::<TokioSet> as Work),
            (Column::TokioRuntime, $work::<TokioRuntime> as Work),
        ]
    };
}

/// A workload on the peers whose sleeps have a name.
macro_rules! timed {
    ($work:ident) => {
        tokios!($work).into_iter().chain([
            (Column::Smol, $work::<Smol> as Work),
            (Column::Monoio, $work::<Monoio> as Work),
            (Column::Runite, $work::<Runite> as Work),
        ])
    };
}

/// A workload on all peers.
macro_rules! all {
    ($work:ident) => {
        timed!($work).chain([
            (Column::Futures, $work::<Futures> as Work),
            (Column::Compio, $work::<Compio> as Work),
        ])
    };
}

/// All tables.
pub fn groups() -> Vec<Group> {
    let group = |title, rows, plot| Group { title, rows, plot };
    vec![
        group("Tasks", task_rows(), Some(("spawn + join", "spawn"))),
        group("Wakes from another thread", remote_rows(), None),
        group("Context", context_rows(), Some(("enter, spawn a child that reads, join", "enter"))),
        group("Hooks", hook_rows(), None),
        group("Callbacks and turns of the loop", callback_rows(), Some(("next_tick", "tick"))),
        group("Timers", timer_rows(), Some(("sleep made, polled, dropped", "sleep"))),
    ]
}

fn task_rows() -> Vec<Row> {
    use Against::{BestOfAll, BestRust, One, Tokio};
    let send = |work: Work| [(Column::TokioSpawn, work)];
    let yields = |name| {
        let row = row(name).peers(all!(yields)).peers(send(yields_tokio)).script("turns");
        row.goal(Tokio, 0.25).goal(BestOfAll, 0.45)
    };
    vec![
        yields("yield, 1 task"),
        yields("yield, 1000 tasks"),
        row("ping-pong, per switch").peers(all!(ping)).script("ping").goal(Tokio, 0.28),
        row("spawn + join")
            .peers(all!(spawn_join))
            .peers(send(spawn_join_tokio))
            .script("spawn_join")
            .goal(Tokio, 0.12)
            .goal(One(Column::Monoio), 0.6),
        row("spawn detached")
            .peers(all!(spawn_detached))
            .peers(send(spawn_detached_tokio))
            .script("spawn_detached")
            .goal(Tokio, 0.12),
        row("fan-in, 1000 waiters").peers(all!(fan_in)).script("fan_in").goal(BestRust, 0.35),
    ]
}

fn remote_rows() -> Vec<Row> {
    // monoio is woken by other threads only with its feature `sync`, which slows its other rows.
    let able = |column: Column| column != Column::Monoio;
    let flooded = |name| {
        let peers = all!(flood).filter(|(column, _)| able(*column));
        row(name).peers(peers).goal(Against::BestRust, 1.0)
    };
    vec![flooded("remote wake, 1 task"), flooded("remote wake, 1000 tasks")]
}

fn context_rows() -> Vec<Row> {
    use Against::{BestRust, Growth, One, Own};
    let (bare, unscoped) = ("yield under no guard", "yield under no scope");
    let tokio = |work: Work| [(Column::TokioSet, work)];
    let nested = |name| row(name).peers(tokio(locals)).script("turns_within");
    let scoped = |name| nested(name).goal(Growth(Column::TokioSet, unscoped), 0.2);
    let run = |name| row(name).peers(tokio(run_tokio)).goal(One(Column::Node), 0.05);
    vec![
        nested(bare),
        nested("yield under 1 guard"),
        nested("yield under 4 guards"),
        nested("yield under 16 guards"),
        nested(unscoped),
        scoped("yield under 1 scope"),
        scoped("yield under 4 scopes"),
        scoped("yield under 16 scopes"),
        row("with, 1 store").peers(tokio(with_tokio)).script("with"),
        row("with, 64 stores").peers(tokio(with_tokio)).script("with"),
        row("get_store").script("with"),
        row("execution_async_id").script("execution_id"),
        run("run, set before, 1 store").script("run_existing"),
        run("run, set before, 64 stores").script("run_existing"),
        run("run, new, 1 other store").script("run_new"),
        run("run, new, 63 other stores").script("run_new"),
        row("spawn detached, 1 store inherited").peers(tokio(spawn_inheriting_tokio)),
        row("enter, spawn a child that reads, join")
            .peers(all!(scope_and_spawn))
            .script("enter_and_spawn")
            .goal(BestRust, 0.8)
            .goal(Own("spawn + join"), 1.92),
    ]
}

fn hook_rows() -> Vec<Row> {
    vec![
        row("yield, a hook disabled"),
        row("yield, a hook enabled: 2 events").script("turns_hooked"),
        row("spawn, a hook enabled: 4 events"),
    ]
}

fn callback_rows() -> Vec<Row> {
    use Against::One;
    let tasks = |name| {
        let with_queue = [Column::Runite];
        let peers = all!(callback_tasks).filter(move |(column, _)| !with_queue.contains(column));
        row(name).peers(peers).peers([(Column::Runite, microtasks_runite as Work)])
    };
    let yields = [
        (Column::TokioSet, yield_now_tokio as Work),
        (Column::Smol, yield_now_smol),
        (Column::Runite, yield_now_runite),
    ];
    vec![
        tasks("queue_microtask").script("microtasks").goal(One(Column::Node), 0.5),
        tasks("next_tick").script("ticks").goal(One(Column::Node), 0.5),
        row("set_immediate").script("immediates"),
        row("immediate chain, per turn")
            .peers([(Column::Runite, macrotask_chain_runite as Work)])
            .script("immediate_chain")
            .goal(One(Column::Node), 0.35),
        row("yield_now (a turn of the loop)").peers(yields),
    ]
}

fn timer_rows() -> Vec<Row> {
    use Against::{BestRust, Tokio};
    let compio = |work: Work| [(Column::Compio, work)];
    let made = |name| {
        let row = row(name).peers(timed!(sleeps)).peers(compio(sleeps_compio)).script("sleeps");
        row.goal(Tokio, 0.55).goal(BestRust, 1.0)
    };
    let rearmed =
        |name| row(name).peers(timed!(rearm)).peers(compio(rearm_compio)).goal(BestRust, 1.0);
    vec![
        made("sleep made, polled, dropped"),
        made("sleep made, 1000 durations"),
        rearmed("re-arm 1 of 10000 sleeps"),
        rearmed("refresh 1 of 10000 timeouts").script("refresh"),
        row("sleep 1 to 100 ms, all fire (cpu)")
            .peers(timed!(fire))
            .peers(compio(fire_compio))
            .script("fire")
            .goal(Tokio, 0.4),
    ]
}

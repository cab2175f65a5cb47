//! Work that a peer does by ways of its own: tokio's `spawn` of `Send` tasks and its task locals,
//! runite's queues, compio's sleeps, and everybody's `yield_now`.

use crate::peers::{Compio, Peer, Runite, Smol, TokioSet, tokio_builder};
use lunation_workloads::callbacks::{callbacks, turns_by};
use lunation_workloads::contexts::{calls, spawn_reading, timed_turns};
use lunation_workloads::futures::turns;
use lunation_workloads::{Load, tasks::BATCH, timers};
use std::hint::black_box;
use std::time::{Duration, Instant};

// ---- tokio: tasks that are Send ----

fn on_tokio<T>(main: impl Future<Output = T>) -> T {
    tokio_builder().build().expect("a tokio runtime").block_on(main)
}

/// Yields of `Send` tasks.
pub fn yields_tokio(load: Load) -> Duration {
    on_tokio(async move {
        let each = load.ops / load.size;
        let crowd: Vec<_> = (0..load.size).map(|_| tokio::spawn(turns(each))).collect();
        let start = Instant::now();
        for task in crowd {
            task.await.expect("no panic");
        }
        start.elapsed()
    })
}

/// Spawns and joins `Send` tasks.
pub fn spawn_join_tokio(load: Load) -> Duration {
    on_tokio(async move {
        let mut tasks = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for _ in 0..load.ops / BATCH {
            tasks.extend((0..BATCH).map(|n| tokio::spawn(async move { black_box(n) })));
            for task in tasks.drain(..) {
                let _ = black_box(task.await);
            }
        }
        start.elapsed()
    })
}

/// Spawns and detaches `Send` tasks.
pub fn spawn_detached_tokio(load: Load) -> Duration {
    on_tokio(async move {
        let start = Instant::now();
        for _ in 0..load.ops / BATCH {
            for n in 1..BATCH {
                drop(tokio::spawn(async move { _ = black_box(n) }));
            }
            tokio::spawn(async move { _ = black_box(0) }).await.expect("no panic");
        }
        start.elapsed()
    })
}

// ---- tokio: task locals, which work under any executor ----

tokio::task_local! {
    static FIRST: u64;
    static SECOND: u64;
    static THIRD: u64;
    static FOURTH: u64;
}

fn in_four<F: Future>(inside: F) -> impl Future<Output = F::Output> {
    FIRST.scope(1, SECOND.scope(2, THIRD.scope(3, FOURTH.scope(4, inside))))
}

/// Yields inside of `size` task-local scopes: 0, 1, 4, 16 or 64.
pub fn locals(load: Load) -> Duration {
    let inside = timed_turns(load.ops);
    match load.size {
        0 => TokioSet::run_task(inside),
        1 => TokioSet::run_task(FIRST.scope(1, inside)),
        4 => TokioSet::run_task(in_four(inside)),
        16 => TokioSet::run_task(in_four(in_four(in_four(in_four(inside))))),
        64 => {
            let sixteen = in_four(in_four(in_four(in_four(inside))));
            let more = in_four(in_four(in_four(in_four(sixteen))));
            let more = in_four(in_four(in_four(in_four(more))));
            TokioSet::run_task(in_four(in_four(in_four(in_four(more)))))
        }
        size => panic!("no nesting of {size} task locals: there are 0, 1, 4, 16 and 64"),
    }
}

/// Nothing is inherited: every task is wrapped by hand.
pub fn spawn_inheriting_tokio(load: Load) -> Duration {
    let main = async move {
        let start = Instant::now();
        for _ in 0..load.ops / BATCH {
            for n in 1..BATCH {
                let task = FIRST.scope(FIRST.get(), async move { _ = black_box(n) });
                drop(tokio::task::spawn_local(task));
            }
            tokio::task::spawn_local(async {}).await.expect("no panic");
        }
        start.elapsed()
    };
    TokioSet::block_on(FIRST.scope(1, main))
}

/// A child in a task-local scope of its own reads it.
pub fn scope_and_spawn<P: Peer>(load: Load) -> Duration {
    spawn_reading::<P>(load.ops, |n| P::spawn(FIRST.scope(n, async { FIRST.with(|n| *n) })))
}

/// Reads a task local.
pub fn with_tokio(load: Load) -> Duration {
    let reads = async move {
        let start = Instant::now();
        for _ in 0..load.ops {
            black_box(FIRST.with(|value| *value));
        }
        start.elapsed()
    };
    TokioSet::run_task(FIRST.scope(1, reads))
}

/// `sync_scope`, which allocates no value.
pub fn run_tokio(load: Load) -> Duration {
    calls::<TokioSet>(load.ops, |n| _ = FIRST.sync_scope(n, || black_box(n)))
}

// ---- turns and queues ----

/// tokio's `yield_now`.
pub fn yield_now_tokio(load: Load) -> Duration {
    TokioSet::run_task(async move {
        let start = Instant::now();
        for _ in 0..load.ops {
            tokio::task::yield_now().await;
        }
        start.elapsed()
    })
}

/// smol's `yield_now`: it only wakes its task.
pub fn yield_now_smol(load: Load) -> Duration {
    turns_by::<Smol, _>(load.ops, smol::future::yield_now)
}

/// runite's `yield_now`: it only queues a microtask.
pub fn yield_now_runite(load: Load) -> Duration {
    turns_by::<Runite, _>(load.ops, runite::yield_now)
}

/// runite's `queue_microtask`.
pub fn microtasks_runite(load: Load) -> Duration {
    callbacks::<Runite, _>(
        load.ops,
        |sum, n| runite::queue_microtask(move || sum.set(sum.get() + n)),
        || Runite::join(Runite::spawn(async {})),
    )
}

/// runite's macrotasks, each queued by the one before: one per turn of its loop.
pub fn macrotask_chain_runite(load: Load) -> Duration {
    fn link(left: u64) {
        if left > 0 {
            runite::queue_macrotask(move || link(left - 1));
        }
    }
    let start = Instant::now();
    link(load.ops);
    runite::run();
    start.elapsed()
}

// ---- compio: its sleeps have no name ----

/// Sleeps of compio that are dropped.
pub fn sleeps_compio(load: Load) -> Duration {
    timers::sleeps_of::<Compio, _>(load, compio::time::sleep)
}

/// Sleeps of compio in the place of others: it cannot move one.
pub fn rearm_compio(load: Load) -> Duration {
    let replace = timers::replace(compio::time::sleep);
    timers::rearm_of::<Compio, _>(load, compio::time::sleep, replace)
}

/// Sleeps of compio that fire.
pub fn fire_compio(load: Load) -> Duration {
    timers::fire_of::<Compio, _>(load, compio::time::sleep)
}

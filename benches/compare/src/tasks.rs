//! Workloads of the scheduler. Each runs `ops` operations and returns how long they took.

use crate::futures::{Player, Table, turns};
use crate::peer::{Lunation, Peer, tokio_runtime};
use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Tasks spawned before the first of them is awaited.
const BATCH: u64 = 100;
/// Callbacks queued before the queue is drained.
const CALLBACKS: u64 = 1000;

/// Tasks that wake themselves and return Pending, in turn.
pub fn yields<P: Peer, const TASKS: u64>(ops: u64) -> Duration {
    P::block_on(async move {
        let crowd: Vec<_> = (0..TASKS).map(|_| P::spawn(turns(ops / TASKS))).collect();
        let start = Instant::now();
        for task in crowd {
            P::join(task).await;
        }
        start.elapsed()
    })
}

/// The same by tokio's `spawn`.
pub fn yields_tokio<const TASKS: u64>(ops: u64) -> Duration {
    tokio_runtime().block_on(async move {
        let crowd: Vec<_> = (0..TASKS).map(|_| tokio::spawn(turns(ops / TASKS))).collect();
        let start = Instant::now();
        for task in crowd {
            task.await.expect("no panic");
        }
        start.elapsed()
    })
}

/// Two tasks that wake each other: store the waker, wake the other one by value, one poll.
pub fn ping<P: Peer>(ops: u64) -> Duration {
    P::block_on(async move {
        let table = Table::new(ops);
        let start = Instant::now();
        let ping = P::spawn(Player { table: table.clone(), number: 0 });
        let pong = P::spawn(Player { table, number: 1 });
        P::join(ping).await;
        P::join(pong).await;
        start.elapsed()
    })
}

/// Spawns a hundred tasks, then awaits them.
pub fn spawn_join<P: Peer>(ops: u64) -> Duration {
    P::block_on(async move {
        let mut tasks = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for _ in 0..ops / BATCH {
            tasks.extend((0..BATCH).map(|n| P::spawn(async move { black_box(n) })));
            for task in tasks.drain(..) {
                black_box(task.await);
            }
        }
        start.elapsed()
    })
}

/// The same by tokio's `spawn`.
pub fn spawn_join_tokio(ops: u64) -> Duration {
    tokio_runtime().block_on(async move {
        let mut tasks = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for _ in 0..ops / BATCH {
            tasks.extend((0..BATCH).map(|n| tokio::spawn(async move { black_box(n) })));
            for task in tasks.drain(..) {
                let _ = black_box(task.await);
            }
        }
        start.elapsed()
    })
}

/// Spawns 99 tasks whose handles are dropped at once, and awaits a hundredth.
pub async fn detach_batches<P: Peer>(ops: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..ops / BATCH {
        for n in 1..BATCH {
            P::detach(P::spawn(async move { _ = black_box(n) }));
        }
        P::join(P::spawn(async move { _ = black_box(0) })).await;
    }
    start.elapsed()
}

/// [`detach_batches`] without context.
pub fn spawn_detached<P: Peer>(ops: u64) -> Duration {
    P::block_on(detach_batches::<P>(ops))
}

/// The same by tokio's `spawn`.
pub fn spawn_detached_tokio(ops: u64) -> Duration {
    tokio_runtime().block_on(async move {
        let start = Instant::now();
        for _ in 0..ops / BATCH {
            for n in 1..BATCH {
                drop(tokio::spawn(async move { _ = black_box(n) }));
            }
            tokio::spawn(async move { _ = black_box(0) }).await.expect("no panic");
        }
        start.elapsed()
    })
}

// ---- turns of the loop ----

/// One `yield_now`: the loop makes a whole turn and looks for I/O.
pub fn yield_now(ops: u64) -> Duration {
    Lunation::block_on(async move {
        let start = Instant::now();
        for _ in 0..ops {
            lunation::yield_now().await;
        }
        start.elapsed()
    })
}

/// tokio's `yield_now`.
pub fn yield_now_tokio(ops: u64) -> Duration {
    tokio_runtime().block_on(async move {
        let start = Instant::now();
        for _ in 0..ops {
            tokio::task::yield_now().await;
        }
        start.elapsed()
    })
}

/// smol's `yield_now`: it only wakes its task.
pub fn yield_now_smol(ops: u64) -> Duration {
    crate::peer::Smol::block_on(async move {
        let start = Instant::now();
        for _ in 0..ops {
            smol::future::yield_now().await;
        }
        start.elapsed()
    })
}

/// An immediate that sets the next one: one per turn of the loop.
pub fn immediate_chain(ops: u64) -> Duration {
    fn link(left: u64) {
        if left > 0 {
            lunation::set_immediate(move || link(left - 1));
        }
    }
    let runtime = lunation::Runtime::new();
    runtime.enter(|| link(ops));
    let start = Instant::now();
    runtime.run_to_idle();
    start.elapsed()
}

// ---- callbacks ----

/// Queues a thousand callbacks by `queue`, then waits for them.
fn callbacks<W: Future<Output = ()>>(
    ops: u64,
    queue: impl Fn(Rc<Cell<u64>>, u64),
    wait: impl Fn() -> W,
) -> Duration {
    Lunation::block_on(async move {
        let sum = Rc::new(Cell::new(0));
        let start = Instant::now();
        for _ in 0..ops / CALLBACKS {
            for n in 0..CALLBACKS {
                queue(Rc::clone(&sum), n);
            }
            wait().await;
        }
        black_box(sum.get());
        start.elapsed()
    })
}

/// `queue_microtask`.
pub fn microtasks(ops: u64) -> Duration {
    callbacks(
        ops,
        |sum, n| lunation::queue_microtask(move || sum.set(sum.get() + n)),
        lunation::microtask,
    )
}

/// `next_tick`.
pub fn ticks(ops: u64) -> Duration {
    callbacks(ops, |sum, n| lunation::next_tick(move || sum.set(sum.get() + n)), lunation::tick)
}

/// `set_immediate`, a thousand per turn.
pub fn immediates(ops: u64) -> Duration {
    callbacks(
        ops,
        |sum, n| drop(lunation::set_immediate(move || sum.set(sum.get() + n))),
        lunation::immediate,
    )
}

/// What stands for a callback elsewhere: a detached task.
pub fn callback_tasks<P: Peer>(ops: u64) -> Duration {
    P::block_on(async move {
        let sum = Rc::new(Cell::new(0));
        let start = Instant::now();
        for _ in 0..ops / CALLBACKS {
            for n in 1..CALLBACKS {
                let sum = Rc::clone(&sum);
                P::detach(P::spawn(async move { sum.set(sum.get() + n) }));
            }
            P::join(P::spawn(async {})).await;
        }
        black_box(sum.get());
        start.elapsed()
    })
}

//! Workloads of the callback queues and of the loop's turns.

use crate::Load;
use crate::peer::{Lunation, Peer};
use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Callbacks queued before the queue is drained.
pub const CALLBACKS: u64 = 1000;

/// Queues a thousand callbacks by `queue`, then waits for them.
pub fn callbacks<P: Peer, W: Future<Output = ()>>(
    ops: u64,
    queue: impl Fn(Rc<Cell<u64>>, u64),
    wait: impl Fn() -> W,
) -> Duration {
    P::block_on(async move {
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
pub fn microtasks(load: Load) -> Duration {
    callbacks::<Lunation, _>(
        load.ops,
        |sum, n| lunation::queue_microtask(move || sum.set(sum.get() + n)),
        lunation::microtask,
    )
}

/// `next_tick`.
pub fn ticks(load: Load) -> Duration {
    callbacks::<Lunation, _>(
        load.ops,
        |sum, n| lunation::next_tick(move || sum.set(sum.get() + n)),
        lunation::tick,
    )
}

/// `set_immediate`, a thousand per turn.
pub fn immediates(load: Load) -> Duration {
    callbacks::<Lunation, _>(
        load.ops,
        |sum, n| drop(lunation::set_immediate(move || sum.set(sum.get() + n))),
        lunation::immediate,
    )
}

/// What stands for a callback where there are none: a detached task.
pub fn callback_tasks<P: Peer>(load: Load) -> Duration {
    callbacks::<P, _>(
        load.ops,
        |sum, n| P::detach(P::spawn(async move { sum.set(sum.get() + n) })),
        || P::join(P::spawn(async {})),
    )
}

/// An immediate that sets the next one: one per turn of the loop.
pub fn immediate_chain(load: Load) -> Duration {
    fn link(left: u64) {
        if left > 0 {
            lunation::set_immediate(move || link(left - 1));
        }
    }
    let runtime = lunation::Runtime::new();
    runtime.enter(|| link(load.ops));
    let start = Instant::now();
    runtime.run_to_idle();
    start.elapsed()
}

/// One `yield_now`: the loop makes a whole turn and looks for I/O.
pub fn yield_now(load: Load) -> Duration {
    turns_by::<Lunation, _>(load.ops, lunation::yield_now)
}

/// Awaits what `turn` returns, `ops` times.
pub fn turns_by<P: Peer, W: Future<Output = ()>>(ops: u64, turn: impl Fn() -> W) -> Duration {
    P::block_on(async move {
        let start = Instant::now();
        for _ in 0..ops {
            turn().await;
        }
        start.elapsed()
    })
}

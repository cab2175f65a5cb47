//! Workloads of the scheduler. Each does `ops` operations and returns how long they took.

use crate::Load;
use crate::futures::{Broadcast, Player, Table, turns};
use crate::peer::Peer;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Tasks spawned before the first of them is awaited.
pub const BATCH: u64 = 100;

/// `size` tasks that wake themselves and return Pending, in turn.
pub fn yields<P: Peer>(load: Load) -> Duration {
    P::block_on(async move {
        let each = load.ops / load.size;
        let crowd: Vec<_> = (0..load.size).map(|_| P::spawn(turns(each))).collect();
        let start = Instant::now();
        for task in crowd {
            P::join(task).await;
        }
        start.elapsed()
    })
}

/// Two tasks that wake each other: store the waker, wake the other one by value, one poll.
pub fn ping<P: Peer>(load: Load) -> Duration {
    P::block_on(async move {
        let table = Table::new(load.ops);
        let start = Instant::now();
        let ping = P::spawn(Player { table: table.clone(), number: 0 });
        let pong = P::spawn(Player { table, number: 1 });
        P::join(ping).await;
        P::join(pong).await;
        start.elapsed()
    })
}

/// Spawns a hundred tasks, then awaits them.
pub fn spawn_join<P: Peer>(load: Load) -> Duration {
    P::block_on(async move {
        let mut tasks = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for _ in 0..load.ops / BATCH {
            tasks.extend((0..BATCH).map(|n| P::spawn(async move { black_box(n) })));
            for task in tasks.drain(..) {
                black_box(task.await);
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
pub fn spawn_detached<P: Peer>(load: Load) -> Duration {
    P::block_on(detach_batches::<P>(load.ops))
}

/// `size` tasks wait for one broadcast; the last one to wait lets the next be sent. An
/// operation is one waiter: store the waker, be woken, be polled.
pub fn fan_in<P: Peer>(load: Load) -> Duration {
    let (size, rounds) = (load.size as usize, load.ops / load.size);
    P::run_task(async move {
        let broadcast = Rc::new(Broadcast::new(size));
        let crowd: Vec<_> =
            (0..size).map(|_| P::spawn(waiter(broadcast.clone(), rounds))).collect();
        let start = Instant::now();
        for _ in 0..rounds {
            broadcast.send().await;
        }
        for task in crowd {
            P::join(task).await;
        }
        start.elapsed()
    })
}

async fn waiter(broadcast: Rc<Broadcast>, rounds: u64) {
    for _ in 0..rounds {
        broadcast.next().await;
    }
}

//! Workloads of the context: reading it, setting it, carrying it through polls and spawns.

use crate::Load;
use crate::futures::{again, turns};
use crate::peer::{Lunation, Peer};
use crate::tasks::{BATCH, detach_batches};
use lunation::{AsyncLocalStorage, StoreGuard};
use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// One more than a row ever sets.
const STORAGES: usize = 65;
static STORES: [AsyncLocalStorage<u64>; STORAGES] = [const { AsyncLocalStorage::new() }; STORAGES];

/// The storage that is read and set.
fn subject() -> &'static AsyncLocalStorage<u64> {
    &STORES[0]
}

/// Gives the storages their slots, in the same order in every process.
pub fn prepare() {
    STORES.iter().for_each(|storage| storage.run(0, || {}));
}

/// Stores that stay set while a workload runs, left in the reverse order.
struct Held(Vec<StoreGuard<'static, u64>>);

impl Held {
    fn enter(stores: impl Iterator<Item = &'static AsyncLocalStorage<u64>>) -> Held {
        Held(stores.map(|storage| storage.enter(1)).collect())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

/// Times `ops` calls of `f` inside of a task.
pub fn calls<P: Peer>(ops: u64, mut f: impl FnMut(u64) + 'static) -> Duration {
    P::run_task(async move {
        let start = Instant::now();
        for n in 0..ops {
            f(n);
        }
        start.elapsed()
    })
}

/// [`calls`] with `stores` set.
fn calls_among(
    stores: impl Iterator<Item = &'static AsyncLocalStorage<u64>> + 'static,
    ops: u64,
    f: impl Fn(u64) + 'static,
) -> Duration {
    Lunation::run_task(async move {
        let _held = Held::enter(stores);
        let start = Instant::now();
        for n in 0..ops {
            f(n);
        }
        start.elapsed()
    })
}

// ---- held across polls ----

/// Yields with `size` guards held, of four storages in turn.
pub fn guards(load: Load) -> Duration {
    Lunation::run_task(async move {
        let _held = Held::enter(STORES[..4].iter().cycle().take(load.size as usize));
        let start = Instant::now();
        for _ in 0..load.ops {
            again().await;
        }
        start.elapsed()
    })
}

/// Times `ops` yields.
pub async fn timed_turns(ops: u64) -> Duration {
    let start = Instant::now();
    turns(ops).await;
    start.elapsed()
}

fn in_four<F: Future>(inside: F) -> impl Future<Output = F::Output> {
    let [a, b, c, d, ..] = &STORES;
    a.scope(1, b.scope(2, c.scope(3, d.scope(4, inside))))
}

/// Yields inside of `size` scopes: 0, 1, 4, 16 or 64. The future inside is the same in all of them,
/// so that what they differ by is the scopes'.
pub fn scopes(load: Load) -> Duration {
    let inside = timed_turns(load.ops);
    match load.size {
        0 => Lunation::run_task(inside),
        1 => Lunation::run_task(subject().scope(1, inside)),
        4 => Lunation::run_task(in_four(inside)),
        16 => Lunation::run_task(in_four(in_four(in_four(in_four(inside))))),
        64 => {
            let sixteen = in_four(in_four(in_four(in_four(inside))));
            let more = in_four(in_four(in_four(in_four(sixteen))));
            let more = in_four(in_four(in_four(in_four(more))));
            Lunation::run_task(in_four(in_four(in_four(in_four(more)))))
        }
        size => panic!("no nesting of {size} scopes: there are 0, 1, 4, 16 and 64"),
    }
}

// ---- carried by a spawn ----

/// Detached tasks that inherit one store.
pub fn spawn_inheriting(load: Load) -> Duration {
    Lunation::block_on(async move {
        let _first = subject().enter(1);
        detach_batches::<Lunation>(load.ops).await
    })
}

/// Spawns a hundred tasks, then awaits them: each reads a value of its own.
pub fn spawn_reading<P: Peer>(ops: u64, spawn: impl Fn(u64) -> P::Handle<u64>) -> Duration {
    P::block_on(async move {
        let mut tasks = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for _ in 0..ops / BATCH {
            tasks.extend((0..BATCH).map(&spawn));
            for task in tasks.drain(..) {
                black_box(task.await);
            }
        }
        start.elapsed()
    })
}

/// The value is entered, the child inherits it.
pub fn enter_and_spawn(load: Load) -> Duration {
    spawn_reading::<Lunation>(load.ops, |n| {
        let read = async { subject().with(|value| value.map_or(0, |value| *value)) };
        subject().run(n, || lunation::spawn(read))
    })
}

// ---- read and set ----

/// `get_store` of one of `size` stores.
pub fn get_store(load: Load) -> Duration {
    calls_among(STORES.iter().take(load.size as usize), load.ops, |_| {
        black_box(subject().get_store().map_or(0, |store| *store));
    })
}

/// `with` of one of `size` stores.
pub fn with(load: Load) -> Duration {
    calls_among(STORES.iter().take(load.size as usize), load.ops, |_| {
        black_box(subject().with(|store| store.map_or(0, |value| *value)));
    })
}

/// The running task's id.
pub fn execution_id(load: Load) -> Duration {
    calls::<Lunation>(load.ops, |_| _ = black_box(lunation::execution_async_id().get()))
}

/// `run` of one of `size` stores that are set, in a frame nobody has captured.
pub fn run_existing(load: Load) -> Duration {
    calls_among(STORES.iter().take(load.size as usize), load.ops, |n| {
        black_box(subject().run(n, || black_box(n)));
    })
}

/// `run` of a store that is not set, where `size` others are.
pub fn run_new(load: Load) -> Duration {
    // The next free slot, so that the frame must grow.
    let new = &STORES[load.size as usize];
    calls_among(STORES.iter().take(load.size as usize), load.ops, |n| {
        black_box(new.run(n, || black_box(n)));
    })
}

//! Workloads of the context: reading it, setting it, carrying it through polls and spawns.

use crate::futures::{again, turns};
use crate::peer::{Lunation, Peer, TokioLocal};
use crate::tasks::detach_batches;
use lunation::{AsyncLocalStorage, StoreGuard};
use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

static FIRST: AsyncLocalStorage<u64> = AsyncLocalStorage::new();
static SECOND: AsyncLocalStorage<u64> = AsyncLocalStorage::new();
static THIRD: AsyncLocalStorage<u64> = AsyncLocalStorage::new();
static FOURTH: AsyncLocalStorage<u64> = AsyncLocalStorage::new();

tokio::task_local! {
    static TOKIO_FIRST: u64;
    static TOKIO_SECOND: u64;
    static TOKIO_THIRD: u64;
    static TOKIO_FOURTH: u64;
}

/// Gives the storages their slots, in the same order in every process.
pub fn prepare() {
    for storage in [&FIRST, &SECOND, &THIRD, &FOURTH] {
        storage.run(0, || {});
    }
}

async fn timed(ops: u64) -> Duration {
    let start = Instant::now();
    turns(ops).await;
    start.elapsed()
}

fn run_task<P: Peer>(task: impl Future<Output = Duration> + 'static) -> Duration {
    P::block_on(async move { P::join(P::spawn(task)).await })
}

// ---- held across polls ----

fn four_scopes<F: Future>(inside: F) -> impl Future<Output = F::Output> {
    FIRST.scope(1, SECOND.scope(2, THIRD.scope(3, FOURTH.scope(4, inside))))
}

fn four_locals<F: Future>(inside: F) -> impl Future<Output = F::Output> {
    let inner = TOKIO_THIRD.scope(3, TOKIO_FOURTH.scope(4, inside));
    TOKIO_FIRST.scope(1, TOKIO_SECOND.scope(2, inner))
}

/// Yields with `N` guards held.
pub fn guards<const N: usize>(ops: u64) -> Duration {
    run_task::<Lunation>(async move {
        let stores = [&FIRST, &SECOND, &THIRD, &FOURTH];
        let _guards: [StoreGuard<'_, u64>; N] =
            std::array::from_fn(|level| stores[level % stores.len()].enter(level as u64));
        let start = Instant::now();
        for _ in 0..ops {
            again().await;
        }
        start.elapsed()
    })
}

/// Yields inside of one `scope`.
pub fn one_scope(ops: u64) -> Duration {
    run_task::<Lunation>(FIRST.scope(1, timed(ops)))
}

/// Yields inside of four.
pub fn scopes_4(ops: u64) -> Duration {
    run_task::<Lunation>(four_scopes(timed(ops)))
}

/// Yields inside of sixteen.
pub fn scopes_16(ops: u64) -> Duration {
    run_task::<Lunation>(four_scopes(four_scopes(four_scopes(four_scopes(timed(ops))))))
}

/// tokio's only way: yields inside of one task-local scope.
pub fn one_local(ops: u64) -> Duration {
    run_task::<TokioLocal>(TOKIO_FIRST.scope(1, timed(ops)))
}

/// Yields inside of four.
pub fn locals_4(ops: u64) -> Duration {
    run_task::<TokioLocal>(four_locals(timed(ops)))
}

/// Yields inside of sixteen.
pub fn locals_16(ops: u64) -> Duration {
    run_task::<TokioLocal>(four_locals(four_locals(four_locals(four_locals(timed(ops))))))
}

// ---- carried by a spawn ----

/// Detached tasks that inherit one store.
pub fn spawn_inheriting(ops: u64) -> Duration {
    Lunation::block_on(async move {
        let _first = FIRST.enter(1);
        detach_batches::<Lunation>(ops).await
    })
}

/// tokio does not inherit: every task is wrapped by hand.
pub fn spawn_inheriting_tokio(ops: u64) -> Duration {
    const BATCH: u64 = 100;
    let main = async move {
        let start = Instant::now();
        for _ in 0..ops / BATCH {
            for n in 1..BATCH {
                let task = TOKIO_FIRST.scope(TOKIO_FIRST.get(), async move { _ = black_box(n) });
                drop(tokio::task::spawn_local(task));
            }
            tokio::task::spawn_local(async {}).await.expect("no panic");
        }
        start.elapsed()
    };
    TokioLocal::block_on(TOKIO_FIRST.scope(1, main))
}

// ---- read and set ----

/// Times `ops` calls of `f` inside of a task.
fn calls<P: Peer>(ops: u64, mut f: impl FnMut(u64) + 'static) -> Duration {
    run_task::<P>(async move {
        let start = Instant::now();
        for n in 0..ops {
            f(n);
        }
        start.elapsed()
    })
}

fn read(ops: u64, f: impl Fn() -> u64 + 'static) -> Duration {
    run_task::<Lunation>(async move {
        let _first = FIRST.enter(1);
        let start = Instant::now();
        for _ in 0..ops {
            black_box(f());
        }
        start.elapsed()
    })
}

/// `get_store` of one store that is set.
pub fn get_store(ops: u64) -> Duration {
    read(ops, || FIRST.get_store().map_or(0, |store| *store))
}

/// `with` of one store that is set.
pub fn with(ops: u64) -> Duration {
    read(ops, || FIRST.with(|store| store.map_or(0, |value| *value)))
}

/// tokio's `with`.
pub fn with_tokio(ops: u64) -> Duration {
    let reads = async move {
        let start = Instant::now();
        for _ in 0..ops {
            black_box(TOKIO_FIRST.with(|value| *value));
        }
        start.elapsed()
    };
    run_task::<TokioLocal>(TOKIO_FIRST.scope(1, reads))
}

/// The running task's id.
pub fn execution_id(ops: u64) -> Duration {
    read(ops, || lunation::execution_async_id().get())
}

/// `run` of a store that is set already, in a frame nobody has captured.
pub fn run_existing(ops: u64) -> Duration {
    run_task::<Lunation>(async move {
        let _first = FIRST.enter(1);
        let start = Instant::now();
        for n in 0..ops {
            FIRST.run(n, || black_box(n));
        }
        start.elapsed()
    })
}

/// `run` of a store that is not set, where one other store is.
pub fn run_new(ops: u64) -> Duration {
    run_task::<Lunation>(async move {
        let _first = FIRST.enter(1);
        let start = Instant::now();
        for n in 0..ops {
            SECOND.run(n, || black_box(n));
        }
        start.elapsed()
    })
}

/// `run` of the only store.
pub fn run_only(ops: u64) -> Duration {
    calls::<Lunation>(ops, |n| _ = FIRST.run(n, || black_box(n)))
}

/// tokio's `sync_scope`, which allocates no value.
pub fn run_tokio(ops: u64) -> Duration {
    calls::<TokioLocal>(ops, |n| _ = TOKIO_FIRST.sync_scope(n, || black_box(n)))
}

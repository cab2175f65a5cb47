//! The peers.

use futures_executor::{LocalPool, LocalSpawner};
use futures_util::future::RemoteHandle;
use futures_util::task::LocalSpawnExt;
pub use lunation_workloads::peer::{Lunation, Peer, Timers};
use lunation_workloads::timers;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

/// tokio's current-thread runtime, with time and I/O enabled as every server has them: with a
/// `LocalSet`, or as a `LocalRuntime`.
pub struct Tokio<const IS_SET: bool>;

/// tokio with a `LocalSet`.
pub type TokioSet = Tokio<true>;
/// tokio's `LocalRuntime`.
pub type TokioRuntime = Tokio<false>;

/// The builder of all of tokio's runtimes here.
pub fn tokio_builder() -> tokio::runtime::Builder {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    builder
}

impl<const IS_SET: bool> Peer for Tokio<IS_SET> {
    type Handle<T: 'static> = tokio::task::JoinHandle<T>;

    fn block_on<T>(main: impl Future<Output = T>) -> T {
        if IS_SET {
            let runtime = tokio_builder().build().expect("a tokio runtime");
            return tokio::task::LocalSet::new().block_on(&runtime, main);
        }
        let runtime = tokio_builder().build_local(Default::default());
        runtime.expect("a tokio runtime").block_on(main)
    }

    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T> {
        tokio::task::spawn_local(task)
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await.expect("the task does not panic")
    }
}

impl<const IS_SET: bool> Timers for Tokio<IS_SET> {
    type Sleep = tokio::time::Sleep;

    fn sleep(duration: Duration) -> Self::Sleep {
        tokio::time::sleep(duration)
    }

    fn rearm(sleep: Pin<&mut Self::Sleep>, duration: Duration, _: &mut Context<'_>) {
        sleep.reset(tokio::time::Instant::now() + duration);
    }
}

/// smol's `LocalExecutor` under its `block_on`.
pub struct Smol;

type Executor = smol::LocalExecutor<'static>;

thread_local! {
    /// smol has no current executor of its own.
    static EXECUTOR: Cell<Option<&'static Executor>> = const { Cell::new(None) };
    /// Nor has the pool of futures.
    static SPAWNER: RefCell<Option<LocalSpawner>> = const { RefCell::new(None) };
}

impl Peer for Smol {
    type Handle<T: 'static> = smol::Task<T>;

    fn block_on<T>(main: impl Future<Output = T>) -> T {
        let executor = Box::leak(Box::default());
        EXECUTOR.set(Some(executor));
        smol::block_on(executor.run(main))
    }

    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T> {
        EXECUTOR.get().expect("inside of block_on").spawn(task)
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await
    }

    fn detach<T: 'static>(handle: Self::Handle<T>) {
        handle.detach();
    }
}

impl Timers for Smol {
    type Sleep = smol::Timer;

    fn sleep(duration: Duration) -> Self::Sleep {
        smol::Timer::after(duration)
    }

    fn rearm(mut sleep: Pin<&mut Self::Sleep>, duration: Duration, _: &mut Context<'_>) {
        sleep.set_after(duration);
    }
}

/// The `LocalPool` of futures-executor.
pub struct Futures;

impl Peer for Futures {
    type Handle<T: 'static> = RemoteHandle<T>;

    fn block_on<T>(main: impl Future<Output = T>) -> T {
        let mut pool = LocalPool::new();
        SPAWNER.replace(Some(pool.spawner()));
        pool.run_until(main)
    }

    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T> {
        SPAWNER.with_borrow(|spawner| {
            let spawner = spawner.as_ref().expect("inside of block_on");
            spawner.spawn_local_with_handle(task).expect("the pool lives")
        })
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await
    }

    fn detach<T: 'static>(handle: Self::Handle<T>) {
        handle.forget();
    }
}

/// monoio on epoll: with io_uring its polls make system calls that the others do not make.
pub struct Monoio;

impl Peer for Monoio {
    type Handle<T: 'static> = monoio::task::JoinHandle<T>;

    fn block_on<T>(main: impl Future<Output = T>) -> T {
        let builder = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().enable_timer();
        builder.build().expect("a monoio runtime").block_on(main)
    }

    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T> {
        monoio::spawn(task)
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await
    }
}

impl Timers for Monoio {
    type Sleep = monoio::time::Sleep;

    fn sleep(duration: Duration) -> Self::Sleep {
        monoio::time::sleep(duration)
    }

    fn rearm(sleep: Pin<&mut Self::Sleep>, duration: Duration, _: &mut Context<'_>) {
        sleep.reset((Instant::now() + duration).into());
    }
}

/// compio. Its sleep is an async function, so that its type has no name.
pub struct Compio;

impl Peer for Compio {
    type Handle<T: 'static> = compio::runtime::JoinHandle<T>;

    fn block_on<T>(main: impl Future<Output = T>) -> T {
        compio::runtime::Runtime::new().expect("a compio runtime").block_on(main)
    }

    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T> {
        compio::runtime::spawn(task)
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await.expect("the task does not panic")
    }

    fn detach<T: 'static>(handle: Self::Handle<T>) {
        handle.detach();
    }
}

/// runite, the other loop with JavaScript's scheduling.
pub struct Runite;

impl Peer for Runite {
    type Handle<T: 'static> = runite::JoinHandle<T>;

    fn block_on<T>(main: impl Future<Output = T>) -> T {
        runite::block_on(main)
    }

    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T> {
        runite::spawn(task)
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await.expect("the task does not panic")
    }
}

impl Timers for Runite {
    type Sleep = runite::time::Sleep;

    fn sleep(duration: Duration) -> Self::Sleep {
        runite::time::sleep(duration)
    }

    fn rearm(sleep: Pin<&mut Self::Sleep>, duration: Duration, context: &mut Context<'_>) {
        timers::replace(runite::time::sleep)(sleep, duration, context);
    }
}

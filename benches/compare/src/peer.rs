//! What a runtime must offer to take part, and the four that do.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

/// A single-threaded runtime that can run `!Send` tasks. Only static calls: nothing of this trait
/// is left at run time.
pub trait Peer {
    /// What spawning returns; what awaiting it gives is wrapped differently in each runtime.
    type Handle<T: 'static>: Future;

    /// Makes a runtime and runs `main` in it.
    fn block_on<T>(main: impl Future<Output = T>) -> T;

    /// Starts a task.
    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T>;

    /// Waits for a task.
    fn join<T: 'static>(handle: Self::Handle<T>) -> impl Future<Output = T>;

    /// Lets a task run on its own.
    fn detach<T: 'static>(handle: Self::Handle<T>);
}

/// A runtime with timers.
pub trait Timers: Peer {
    /// The future of a sleep.
    type Sleep: Future;

    /// Makes a sleep.
    fn sleep(duration: Duration) -> Self::Sleep;

    /// Makes it end `duration` from now instead.
    fn reset(sleep: Pin<&mut Self::Sleep>, duration: Duration);

    /// Arms it.
    fn poll(sleep: Pin<&mut Self::Sleep>, context: &mut Context<'_>) {
        assert!(sleep.poll(context).is_pending(), "a long sleep has ended");
    }
}

/// This runtime.
pub struct Lunation;

impl Peer for Lunation {
    type Handle<T: 'static> = lunation::JoinHandle<T>;

    fn block_on<T>(main: impl Future<Output = T>) -> T {
        lunation::Runtime::new().block_on(main)
    }

    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T> {
        lunation::spawn(task)
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await.expect("the task does not panic")
    }

    fn detach<T: 'static>(handle: Self::Handle<T>) {
        drop(handle);
    }
}

impl Timers for Lunation {
    type Sleep = lunation::time::Sleep;

    fn sleep(duration: Duration) -> Self::Sleep {
        lunation::time::sleep(duration)
    }

    fn reset(sleep: Pin<&mut Self::Sleep>, duration: Duration) {
        sleep.reset(lunation::time::now() + duration);
    }
}

/// tokio's current-thread runtime with a `LocalSet`.
pub struct TokioLocal;

impl Peer for TokioLocal {
    type Handle<T: 'static> = tokio::task::JoinHandle<T>;

    fn block_on<T>(main: impl Future<Output = T>) -> T {
        tokio::task::LocalSet::new().block_on(&tokio_runtime(), main)
    }

    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T> {
        tokio::task::spawn_local(task)
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await.expect("the task does not panic")
    }

    fn detach<T: 'static>(handle: Self::Handle<T>) {
        drop(handle);
    }
}

impl Timers for TokioLocal {
    type Sleep = tokio::time::Sleep;

    fn sleep(duration: Duration) -> Self::Sleep {
        tokio::time::sleep(duration)
    }

    fn reset(sleep: Pin<&mut Self::Sleep>, duration: Duration) {
        sleep.reset(tokio::time::Instant::now() + duration);
    }
}

/// tokio's current-thread runtime, with time and I/O enabled as every server has them.
pub fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a tokio runtime")
}

/// smol's `LocalExecutor` under its `block_on`.
pub struct Smol;

type Executor = smol::LocalExecutor<'static>;

thread_local! {
    /// smol has no current executor of its own.
    static EXECUTOR: Cell<Option<&'static Executor>> = const { Cell::new(None) };
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

    fn reset(mut sleep: Pin<&mut Self::Sleep>, duration: Duration) {
        sleep.set_after(duration);
    }
}

/// monoio on epoll: io_uring is not everywhere, and would not be the same work.
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

    fn detach<T: 'static>(handle: Self::Handle<T>) {
        drop(handle);
    }
}

impl Timers for Monoio {
    type Sleep = monoio::time::Sleep;

    fn sleep(duration: Duration) -> Self::Sleep {
        monoio::time::sleep(duration)
    }

    fn reset(sleep: Pin<&mut Self::Sleep>, duration: Duration) {
        sleep.reset((Instant::now() + duration).into());
    }
}

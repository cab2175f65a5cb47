//! What a runtime must offer to take part, and lunation.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

/// A single-threaded runtime that can run `!Send` tasks. Only static calls: nothing of this trait
/// is left at run time.
pub trait Peer: 'static {
    /// What spawning returns; what awaiting it gives is wrapped differently in each runtime.
    type Handle<T: 'static>: Future;

    /// Makes a runtime and runs `main` in it.
    fn block_on<T>(main: impl Future<Output = T>) -> T;

    /// Starts a task.
    fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Self::Handle<T>;

    /// Waits for a task.
    fn join<T: 'static>(handle: Self::Handle<T>) -> impl Future<Output = T>;

    /// Lets a task run on its own.
    fn detach<T: 'static>(handle: Self::Handle<T>) {
        drop(handle);
    }

    /// Runs `task` as a task: main is polled by other rules in some runtimes.
    fn run_task<T: 'static>(task: impl Future<Output = T> + 'static) -> T {
        Self::block_on(async move { Self::join(Self::spawn(task)).await })
    }
}

/// A runtime with timers.
pub trait Timers: Peer {
    /// The future of a sleep.
    type Sleep: Future + 'static;

    /// Makes a sleep.
    fn sleep(duration: Duration) -> Self::Sleep;

    /// Makes it end `duration` from now instead.
    fn rearm(sleep: Pin<&mut Self::Sleep>, duration: Duration, context: &mut Context<'_>);
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
}

impl Timers for Lunation {
    type Sleep = lunation::time::Sleep;

    fn sleep(duration: Duration) -> Self::Sleep {
        lunation::time::sleep(duration)
    }

    fn rearm(sleep: Pin<&mut Self::Sleep>, duration: Duration, _: &mut Context<'_>) {
        sleep.reset(lunation::time::now() + duration);
    }
}

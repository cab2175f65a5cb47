//! Blocking work on the thread pool.

use crate::callback::completion::{Completion, Panic};
use crate::current;
use crate::job::Work;
use crate::pool;
use crate::task::JoinError;
use lunation_context::{AsyncId, ResourceKind};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

/// Runs `f` on a thread where it may block. Tokio: `task::spawn_blocking`.
///
/// The job is a `JOB` resource, created now: inside of `f` the ids are those of the job, and what
/// the storages built with `transferable()` hold now can be read; all others read as unset there.
/// Ids that `f` itself takes are those of the other thread. When it is done the loop enters the
/// resource in the poll phase and wakes whoever awaits the handle; until then it keeps
/// `run_to_idle` going, and a virtual clock stands.
///
/// Dropping the handle detaches the job. A panic of it goes to whoever awaits the handle, and to
/// [`Builder::on_unhandled`](crate::Builder::on_unhandled) when nobody can any more. The end of the
/// runtime cancels jobs that have not begun and waits for none.
///
/// The pool is that of the `blocking` crate, shared by all runtimes of the process: up to 500
/// threads, or as many as the environment variable `BLOCKING_MAX_THREADS` says.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use lunation_executor::{Runtime, spawn_blocking};
///
/// let sum = Runtime::new().block_on(async {
///     spawn_blocking(|| (1..=1000).sum::<u32>()).await.unwrap()
/// });
/// assert_eq!(sum, 500_500);
/// ```
#[track_caller]
pub fn spawn_blocking<T, F>(f: F) -> BlockingHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    submit(ResourceKind::Job, Location::caller(), f)
}

/// A blocking job as a resource of `kind`.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub(crate) fn submit<T, F>(
    kind: ResourceKind,
    site: &'static Location<'static>,
    f: F,
) -> BlockingHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let work = Arc::new(Work::default());
    let (completion, completer) = Completion::of_job(kind, site, Arc::clone(&work));
    let call = completion.remote();
    work.set(move || {
        let result = catch_unwind(AssertUnwindSafe(|| call.run(f)));
        completer.complete(result);
    });
    if current::current().core.is_closing() {
        // The runtime is being dropped: nothing begins any more.
        completion.withdraw();
    } else {
        pool::run(move || work.take().into_iter().for_each(|work| work()));
    }
    BlockingHandle { completion }
}

/// The right to await a blocking job. Tokio: `JoinHandle`.
///
/// Awaiting it gives `Ok(output)`, or the [`JoinError`] of a job that panicked or was cancelled
/// before it began. Dropping it detaches the job.
///
/// # Panics
/// Awaiting it panics after it has given its output.
///
/// # Cancel safety
/// Cancel safe: the output stays where it is until a poll returns it.
pub struct BlockingHandle<T: Send + 'static> {
    completion: Completion<Result<T, Panic>>,
}

impl<T: Send + 'static> BlockingHandle<T> {
    /// Cancels the job if it has not begun: `f` is dropped at once, in the job's resource, and the
    /// handle gives [`JoinError::Cancelled`]. A job that has begun runs to its end.
    pub fn abort(&self) {
        self.completion.withdraw();
    }

    /// Whether the loop knows of the job's end.
    pub fn is_finished(&self) -> bool {
        self.completion.is_done()
    }

    /// The job's id, `execution_async_id()` inside of it.
    pub fn async_id(&self) -> AsyncId {
        self.completion.async_id()
    }
}

impl<T: Send + 'static> Future for BlockingHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        pin!(&mut self.completion).poll(context).map(|result| match result {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(panic)) => Err(JoinError::Panicked(panic)),
            Err(_) => Err(JoinError::Cancelled),
        })
    }
}

impl<T: Send + 'static> Drop for BlockingHandle<T> {
    fn drop(&mut self) {
        self.completion.abandon();
    }
}

impl<T: Send + 'static> fmt::Debug for BlockingHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandle")
            .field("id", &self.async_id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

//! A blocking call of the operating system as a future.

use crate::blocking::{BlockingHandle, submit};
use crate::task::JoinError;
use lunation_context::ResourceKind;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{Location, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

type Call<T> = Box<dyn FnOnce() -> io::Result<T> + Send>;

enum State<T: Send + 'static> {
    /// Not polled yet: it has no resource and does nothing.
    New(ResourceKind, &'static Location<'static>, Call<T>),
    Running(BlockingHandle<io::Result<T>>),
    /// Known without asking the operating system.
    Known(io::Result<T>),
    Done,
}

/// A call of the operating system that may block, made on the thread pool: the future of the
/// functions of [`fs`](crate::fs) and of [`lookup_host`](crate::lookup_host). Node: a request such
/// as `FSREQCALLBACK`.
///
/// It begins with the first poll; that creates its one resource, in the context current then.
///
/// # Panics
/// Polling it panics outside of a runtime, and after it has given its result.
///
/// # Cancel safety
/// Dropped before it has begun on the pool, it is not done; later, it is done and the result lost.
#[must_use = "futures do nothing unless polled"]
pub struct Operation<T: Send + 'static> {
    state: State<T>,
}

impl<T: Send + 'static> Operation<T> {
    /// A call that will be a resource of `kind`, created at the user's `site`.
    pub(crate) fn new(
        kind: ResourceKind,
        site: &'static Location<'static>,
        call: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Operation<T> {
        Operation { state: State::New(kind, site, Box::new(call)) }
    }

    /// A result that is known already.
    pub(crate) fn known(result: io::Result<T>) -> Operation<T> {
        Operation { state: State::Known(result) }
    }
}

impl<T: Send + 'static> Future for Operation<T> {
    type Output = io::Result<T>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let mut job = match std::mem::replace(&mut self.state, State::Done) {
            State::New(kind, site, call) => submit(kind, site, call),
            State::Running(job) => job,
            State::Known(result) => return Poll::Ready(result),
            State::Done => panic!("an Operation was polled after it had given its result"),
        };
        match pin!(&mut job).poll(context) {
            Poll::Pending => {
                self.state = State::Running(job);
                Poll::Pending
            }
            Poll::Ready(Ok(result)) => Poll::Ready(result),
            Poll::Ready(Err(JoinError::Panicked(panic))) => resume_unwind(panic),
            Poll::Ready(Err(JoinError::Cancelled)) => {
                let text = "the runtime ended before this operation began";
                Poll::Ready(Err(io::Error::other(text)))
            }
        }
    }
}

// Nothing in it is ever pinned.
impl<T: Send + 'static> Unpin for Operation<T> {}

impl<T: Send + 'static> Drop for Operation<T> {
    fn drop(&mut self) {
        if let State::Running(job) = &self.state {
            job.abort();
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::New(..) => "new",
            State::Running(_) => "running",
            State::Known(_) => "known",
            State::Done => "done",
        };
        f.debug_struct("Operation").field("state", &state).finish()
    }
}

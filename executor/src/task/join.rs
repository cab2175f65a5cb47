//! Handles to a spawned task.

use crate::task::error::JoinError;
use crate::task::reference::{JoinRef, TaskRef};
use lunation_context::AsyncId;
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The right to await a task's output. Tokio: `JoinHandle`.
///
/// Awaiting it gives `Ok(output)`, or the [`JoinError`] of a task that panicked or was cancelled;
/// at once if the task has ended already. Dropping it detaches the task, which goes on. It is
/// `Send` if the output is, and can be dropped, aborted and asked anywhere; it must be awaited in
/// the runtime that runs the task. After the end of that runtime it yields
/// [`JoinError::Cancelled`].
///
/// # Panics
/// Awaiting it panics outside of its runtime, and after it has given its output.
///
/// # Cancel safety
/// Cancel safe: the output stays where it is until a poll returns it.
pub struct JoinHandle<T> {
    task: JoinRef<T>,
}

impl<T> JoinHandle<T> {
    #[inline]
    pub(crate) fn new(task: JoinRef<T>) -> JoinHandle<T> {
        JoinHandle { task }
    }

    /// The task's id. Node: `executionAsyncId()` inside of it.
    pub fn async_id(&self) -> AsyncId {
        self.task.task().id()
    }

    /// Cancels the task: its future is dropped in a microtask of its own, in the task's resource,
    /// never inside this call. A task that is running is dropped when its poll returns Pending; if
    /// it returns its output, the output wins. On another thread this sends a message.
    pub fn abort(&self) {
        self.task.task().abort();
    }

    /// A handle that can abort the task and nothing else.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle { task: self.task.task().clone() }
    }

    /// Whether the task has ended: completed, panicked or cancelled.
    pub fn is_finished(&self) -> bool {
        self.task.task().is_complete()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline(always)]
    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.task.poll(context.waker())
    }
}

// The output never lies in the handle, so there is nothing to pin.
impl<T> Unpin for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.async_id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// The right to abort a task. Tokio: `AbortHandle`. `Send` and `Sync`; keeps the task's memory,
/// never its future, output or context.
#[derive(Clone)]
pub struct AbortHandle {
    task: TaskRef,
}

impl AbortHandle {
    /// Cancels the task, as [`JoinHandle::abort`] does.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.task.is_complete()
    }

    /// The task's id.
    pub fn async_id(&self) -> AsyncId {
        self.task.id()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.async_id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// A [`JoinHandle`] that aborts its task when it is dropped. Tokio-util: `AbortOnDropHandle`.
///
/// # Cancel safety
/// As for [`JoinHandle`]; but dropping it unfinished cancels the task.
#[derive(Debug)]
pub struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    /// Takes over the handle.
    pub fn new(handle: JoinHandle<T>) -> AbortOnDrop<T> {
        AbortOnDrop(handle)
    }
}

impl<T> Deref for AbortOnDrop<T> {
    type Target = JoinHandle<T>;

    fn deref(&self) -> &JoinHandle<T> {
        &self.0
    }
}

impl<T> DerefMut for AbortOnDrop<T> {
    fn deref_mut(&mut self) -> &mut JoinHandle<T> {
        &mut self.0
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! A set of tasks that are joined in the order of their ends.

use crate::spawn::{Builder, spawn};
use crate::task::{AbortHandle, JoinError, JoinHandle};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::fmt;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

/// Tasks of one output type, joined as they end. Tokio: `JoinSet`.
///
/// Dropping the set aborts the tasks that are left.
///
/// ```
/// use lunation_executor::{JoinSet, Runtime};
///
/// let sum = Runtime::new().block_on(async {
///     let mut set = JoinSet::new();
///     for n in 1..=4 {
///         set.spawn(async move { n });
///     }
///     let mut sum = 0;
///     while let Some(n) = set.join_next().await {
///         sum += n.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 10);
/// ```
pub struct JoinSet<T> {
    tasks: FuturesUnordered<JoinHandle<T>>,
}

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> JoinSet<T> {
        JoinSet { tasks: FuturesUnordered::new() }
    }

    /// Number of tasks that were not joined yet.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether all tasks were joined.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Waits until a task ends, and takes it out of the set. None if the set is empty.
    ///
    /// # Panics
    /// Outside of the runtime of the tasks.
    ///
    /// # Cancel safety
    /// Cancel safe: no task is lost.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| self.poll_join_next(context)).await
    }

    /// As [`JoinSet::join_next`].
    pub fn poll_join_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, JoinError>>> {
        self.tasks.poll_next_unpin(context)
    }

    /// Waits for all tasks and returns their outputs in the order of their ends.
    ///
    /// # Panics
    /// With the panic of the first task that panicked; and if a task was aborted.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(output) = self.join_next().await {
            match output {
                Ok(output) => outputs.push(output),
                Err(JoinError::Panicked(payload)) => std::panic::resume_unwind(payload),
                Err(JoinError::Cancelled) => panic!("a task of the set was aborted"),
            }
        }
        outputs
    }

    /// Aborts all tasks; they stay in the set until they are joined.
    pub fn abort_all(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }

    /// Aborts all tasks and waits until they have ended.
    ///
    /// # Panics
    /// Outside of the runtime of the tasks.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Lets the tasks go on without the set.
    pub fn detach_all(&mut self) {
        let tasks = std::mem::take(&mut self.tasks);
        drop(tasks);
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task into the set; see [`spawn`].
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn(&mut self, future: impl Future<Output = T> + 'static) -> AbortHandle {
        self.insert(spawn(future))
    }

    /// Spawns a task made by a builder into the set.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn build(
        &mut self,
        builder: Builder,
        future: impl Future<Output = T> + 'static,
    ) -> AbortHandle {
        self.insert(builder.spawn(future))
    }

    fn insert(&mut self, task: JoinHandle<T>) -> AbortHandle {
        let abort = task.abort_handle();
        self.tasks.push(task);
        abort
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> JoinSet<T> {
        JoinSet::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

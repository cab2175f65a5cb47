//! Spawning tasks.

use crate::current;
use crate::task::JoinHandle;
use crate::task::cell;
use futures_task::{LocalFutureObj, LocalSpawn, SpawnError};
use lunation_context::{Activation, AsyncId, Frame, ResourceKind};
use std::future::Future;
use std::panic::Location;

/// Starts a task: a flow of its own, in the context captured now. Tokio: `spawn_local`.
///
/// Nothing of the future runs inside this call: its first poll is a microtask, at the end of the
/// queue. The future need not be `Send`. Dropping the handle detaches the task. A panic of the
/// task goes to whoever awaits the handle, and to
/// [`Builder::on_unhandled`](crate::Builder::on_unhandled) when nobody can any more.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use lunation_executor::{Runtime, spawn};
///
/// let sum = Runtime::new().block_on(async {
///     let two = spawn(async { 2 });
///     let three = spawn(async { 3 });
///     two.await.unwrap() + three.await.unwrap()
/// });
/// assert_eq!(sum, 5);
/// ```
#[track_caller]
pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    let site = Location::caller();
    current::with_core(|core| {
        // `Inherit::Map` runs here, before there is a cell.
        let frame = Frame::inherit();
        let activation = || Activation::prepare_with(ResourceKind::Task, site, None, frame);
        JoinHandle::new(cell::spawn(core, future, activation))
    })
}

/// Starts a task from the *empty* context, triggered by the running resource. For what outlives
/// the request that began it: a captured context would live as long as the task.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn spawn_detached<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    Builder::new().detached(true).spawn(future)
}

/// A task with a name, another trigger, or the empty context. Tokio: `task::Builder`.
///
/// ```
/// use lunation_executor::{Runtime, TaskBuilder};
///
/// Runtime::new().block_on(async {
///     let task = TaskBuilder::new().name("refresh cache").detached(true).spawn(async { 1 });
///     assert_eq!(task.await.unwrap(), 1);
/// });
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    name: Option<String>,
    trigger: Option<AsyncId>,
    frame: Option<Frame>,
}

/// The name that [`Builder::name`] gave a task, among the
/// [`extensions`](lunation_context::ResourceRef::extensions) of its resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskName(pub String);

impl Builder {
    /// A builder for a task like that of [`spawn`].
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Names the task in dumps; see [`TaskName`].
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// The resource that caused this task, instead of the running one.
    pub fn trigger(mut self, trigger: AsyncId) -> Builder {
        self.trigger = Some(trigger);
        self
    }

    /// Starts from the empty context, as [`spawn_detached`] does.
    pub fn detached(mut self, detached: bool) -> Builder {
        self.frame = detached.then(Frame::empty);
        self
    }

    /// Starts from `frame` as it is, instead of what the running resource passes on: for
    /// integrations that captured it earlier. The last of this and [`detached`](Self::detached)
    /// counts.
    pub fn frame(mut self, frame: Frame) -> Builder {
        self.frame = Some(frame);
        self
    }

    /// Starts the task.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F: Future + 'static>(self, future: F) -> JoinHandle<F::Output> {
        let site = Location::caller();
        current::with_core(|core| {
            let frame = self.frame.unwrap_or_else(Frame::inherit);
            let kind = ResourceKind::Task;
            let activation = Activation::prepare_with(kind, site, self.trigger, frame);
            if let Some(name) = self.name {
                activation.resource().extensions().insert(TaskName(name));
            }
            JoinHandle::new(cell::spawn(core, future, || activation))
        })
    }
}

/// Spawns into the runtime that the thread is inside of, for libraries that ask for a
/// [`futures_task::LocalSpawn`].
///
/// Outside of a runtime spawning is an error, not a panic.
///
/// ```
/// use futures_task::LocalSpawn;
/// use lunation_executor::{LocalSpawner, Runtime};
///
/// assert!(LocalSpawner.status_local().is_err());
/// Runtime::new().block_on(async {
///     LocalSpawner.spawn_local_obj(Box::pin(async {}).into()).unwrap();
/// });
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSpawner;

impl LocalSpawn for LocalSpawner {
    #[track_caller]
    fn spawn_local_obj(&self, future: LocalFutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.status_local()?;
        drop(spawn(future));
        Ok(())
    }

    fn status_local(&self) -> Result<(), SpawnError> {
        current::try_current().map(drop).ok_or_else(SpawnError::shutdown)
    }
}

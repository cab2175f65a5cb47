//! What tasks, timers and child processes tell: built-in
//! [diagnostics channels](lunation_context::diagnostics_channel).
//!
//! Publishing costs one load and one branch as long as nobody has subscribed; nothing is published
//! around polls. For those, and for all kinds of resources, there are [`AsyncHooks`]. Subscribers
//! run in the context of the event.
//!
//! [`AsyncHooks`]: lunation_context::AsyncHooks
//!
//! ```
//! use lunation_executor::channels::{TASK_COMPLETE, TASK_PANIC, TASK_SPAWN};
//! use lunation_executor::{Runtime, spawn};
//! use std::{cell::RefCell, rc::Rc};
//!
//! let log = Rc::new(RefCell::new(Vec::new()));
//! let [spawned, done, panicked] = [(); 3].map(|()| log.clone());
//! let _subscriptions = [
//!     TASK_SPAWN.subscribe(move |task, _| spawned.borrow_mut().push(format!("+{}", task.id()))),
//!     TASK_COMPLETE.subscribe(move |task, _| done.borrow_mut().push(format!("-{}", task.id()))),
//!     TASK_PANIC.subscribe(move |task, _| panicked.borrow_mut().push(task.message.clone())),
//! ];
//! Runtime::new().block_on(async {
//!     spawn(async {}).await.unwrap();
//!     spawn(async { panic!("a bug") }).await.unwrap_err();
//! });
//! assert_eq!(*log.borrow(), ["+2", "-2", "+3", "a bug"]);
//! ```

use crate::unhandled::panic_message;
use lunation_context::diagnostics_channel::{Channel, TracingChannel, tracing_channel};
use lunation_context::{Activation, Resource, ResourceKind, ResourceRef};
use std::any::Any;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// A task was spawned; it will be polled later. In the context of who spawns.
pub static TASK_SPAWN: Channel<ResourceRef> = Channel::new("task.spawn");

/// A task has given its output, and its future is dropped. In the task.
pub static TASK_COMPLETE: Channel<ResourceRef> = Channel::new("task.complete");

/// A task has panicked, or its destructor has; its future is still there in the first case. In the
/// task.
pub static TASK_PANIC: Channel<TaskPanic> = Channel::new("task.panic");

/// A task was aborted, or its runtime ends; its future is dropped next. In the task.
pub static TASK_ABORT: Channel<ResourceRef> = Channel::new("task.abort");

/// A timeout or an interval was made. In the context of who makes it.
pub static TIMER_START: Channel<TimerStart> = Channel::new("timer.start");

/// A timeout or an interval is about to call its callback. In the context that it has captured.
pub static TIMER_FIRE: Channel<ResourceRef> = Channel::new("timer.fire");

/// A timeout or an interval was cleared before it had fired, or while it was firing. In the context
/// of who clears it.
pub static TIMER_CLEAR: Channel<ResourceRef> = Channel::new("timer.clear");

/// A program is started; the result is the number of its process. Node:
/// `tracing:child_process.spawn`, and `child_process`, which is its end without an error.
pub static CHILD_PROCESS_SPAWN: TracingChannel<ProcessSpawn, u32, io::Error> =
    tracing_channel!("child_process.spawn");

/// The message of [`TASK_PANIC`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TaskPanic {
    /// The task.
    pub resource: ResourceRef,
    /// The text it panicked with.
    pub message: String,
}

impl std::ops::Deref for TaskPanic {
    type Target = ResourceRef;

    fn deref(&self) -> &ResourceRef {
        &self.resource
    }
}

/// The message of [`TIMER_START`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TimerStart {
    /// The timeout or interval.
    pub resource: ResourceRef,
    /// After which time it fires, in whole milliseconds.
    pub delay: Duration,
    /// Whether it is an interval.
    pub repeats: bool,
}

/// The message of [`CHILD_PROCESS_SPAWN`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ProcessSpawn {
    /// The program, as it was given.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Tells of a task. Main is none.
#[inline(always)]
pub(crate) fn tell_task(channel: &Channel<ResourceRef>, task: &Activation) {
    if channel.has_subscribers() {
        publish_task(channel, task);
    }
}

#[cold]
#[inline(never)]
fn publish_task(channel: &Channel<ResourceRef>, task: &Activation) {
    if task.kind() == ResourceKind::Task {
        channel.publish(&task.resource());
    }
}

/// Tells of a panic of a task.
pub(crate) fn tell_panic(task: &Activation, payload: &(dyn Any + Send)) {
    if TASK_PANIC.has_subscribers() && task.kind() == ResourceKind::Task {
        let message = panic_message(payload).to_owned();
        TASK_PANIC.publish(&TaskPanic { resource: task.resource(), message });
    }
}

/// Tells of a timer.
#[inline(always)]
pub(crate) fn tell_timer(channel: &Channel<ResourceRef>, timer: impl FnOnce() -> Rc<Resource>) {
    if channel.has_subscribers() {
        channel.publish(&timer().resource());
    }
}

/// Tells of a new timer.
#[inline(always)]
pub(crate) fn tell_start(timer: impl FnOnce() -> Rc<Resource>, ms: u64, repeats: bool) {
    if TIMER_START.has_subscribers() {
        let (resource, delay) = (timer().resource(), Duration::from_millis(ms));
        TIMER_START.publish(&TimerStart { resource, delay, repeats });
    }
}

/// Starts a program, traced.
#[cfg(unix)]
pub(crate) fn trace_spawn(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    if !CHILD_PROCESS_SPAWN.has_subscribers() {
        return command.spawn();
    }
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let program = text(command.get_program());
    let arguments = command.get_args().map(text).collect();
    let mut started = None;
    CHILD_PROCESS_SPAWN.trace_sync(ProcessSpawn { program, arguments }, || {
        let child = started.insert(command.spawn()?);
        Ok(child.id())
    })?;
    Ok(started.expect("it was started"))
}

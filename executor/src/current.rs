//! The loop this thread is inside of, and what user code says to it.

use crate::event_loop::EventLoop;
use crate::task::queue::{self, Core};
use lunation_context::{
    FailureHandler, Warning, WarningHandler, execution_async_resource, set_failure_handler,
    set_warning_handler,
};
use std::any::Any;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;

thread_local! {
    /// Without destructor: what every look at it would have to check. `Entered` empties it.
    static LOOP: RefCell<ManuallyDrop<Option<Rc<EventLoop>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Keeps a loop entered; drops in reverse order.
pub(crate) struct Entered<'a> {
    outer: Option<Rc<EventLoop>>,
    outer_handlers: (Option<FailureHandler>, Option<WarningHandler>),
    _core: queue::Entered<'a>,
    _reactor: lunation_reactor::EnterGuard,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let outer = self.outer.take();
        let inner = replace(outer);
        let (failures, warnings) = self.outer_handlers;
        set_failure_handler(failures);
        set_warning_handler(warnings);
        drop(inner);
    }
}

/// Makes `event_loop` the one that this thread's free functions talk to.
pub(crate) fn enter(event_loop: &Rc<EventLoop>) -> Entered<'_> {
    Entered {
        _core: queue::enter(&event_loop.core),
        _reactor: event_loop.reactor.enter(),
        outer: replace(Some(Rc::clone(event_loop))),
        outer_handlers: (
            set_failure_handler(Some(fail_here)),
            set_warning_handler(Some(warn_here)),
        ),
    }
}

/// Subscribers of diagnostics channels fail as a plain callback of the running resource does.
fn fail_here(payload: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
    let Some(event_loop) = try_current() else { return Some(payload) };
    event_loop.core.fail(&execution_async_resource(), payload);
    None
}

/// A panic of the handler is a failure of the resource that warned.
fn warn_here(warning: &Warning) -> bool {
    let Some(event_loop) = try_current() else { return false };
    let core = &event_loop.core;
    let fail = |payload| core.fail(&execution_async_resource(), payload);
    core.failures.handlers().is_some_and(|handlers| handlers.warn(warning, fail))
}

fn replace(event_loop: Option<Rc<EventLoop>>) -> Option<Rc<EventLoop>> {
    ManuallyDrop::into_inner(LOOP.replace(ManuallyDrop::new(event_loop)))
}

/// The loop this thread is inside of.
pub(crate) fn try_current() -> Option<Rc<EventLoop>> {
    LOOP.with_borrow(|current| Option::clone(current))
}

const OUTSIDE: &str = "called outside of a lunation runtime: call it inside `Runtime::block_on`, \
                       `Runtime::enter`, a task or a callback";

/// The loop this thread is inside of.
///
/// # Panics
/// Outside of one.
#[track_caller]
pub(crate) fn current() -> Rc<EventLoop> {
    try_current().expect(OUTSIDE)
}

/// Calls `f` with the loop this thread is inside of, without counting a reference. `f` must not run
/// user code: that may enter another loop.
#[inline(always)]
pub(crate) fn try_with<R>(f: impl FnOnce(&EventLoop) -> R) -> Option<R> {
    LOOP.with_borrow(|current| current.as_deref().map(f))
}

/// As [`try_with`].
///
/// # Panics
/// Outside of a loop.
#[track_caller]
pub(crate) fn with<R>(f: impl FnOnce(&EventLoop) -> R) -> R {
    try_with(f).expect(OUTSIDE)
}

/// Calls `f` with the core this thread is inside of: the fast way to the queues.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
#[inline]
pub(crate) fn with_core<R>(f: impl FnOnce(&Core) -> R) -> R {
    match queue::with_core(f) {
        Some(result) => result,
        None => panic!("{OUTSIDE}"),
    }
}

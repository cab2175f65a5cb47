//! Capture callbacks: handlers of failures that come and go while the loop runs.

use crate::current;
use crate::handlers::{Capture, Handlers};
use crate::unhandled::Unhandled;
use std::fmt;
use std::rc::{Rc, Weak};

/// Asks `callback` about every panic of a callback before the handler of
/// [`Builder::on_unhandled`](crate::Builder::on_unhandled) is asked: if it answers true, it has
/// handled the failure and nobody else is asked. Node:
/// `process.addUncaughtExceptionCaptureCallback`.
///
/// The callback that was added last is asked first. It runs inside the failed resource; a panic of
/// its own leaves the loop. Failures of tasks reach it too, unless a handler of
/// [`Builder::on_unhandled_rejection`](crate::Builder::on_unhandled_rejection) takes them: see
/// [`UnhandledRejections`](crate::UnhandledRejections).
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use lunation_executor::{Runtime, add_uncaught_exception_capture_callback, set_immediate};
/// use std::{cell::Cell, rc::Rc};
///
/// let runtime = Runtime::new();
/// let failures = Rc::new(Cell::new(0));
/// let count = failures.clone();
/// let _capture = runtime.enter(|| {
///     set_immediate(|| panic!("a bug"));
///     add_uncaught_exception_capture_callback(move |failure| {
///         assert_eq!(failure.message(), "a bug");
///         count.set(count.get() + 1);
///         true
///     })
/// });
/// runtime.run_to_idle();
/// assert_eq!(failures.get(), 1);
/// ```
#[track_caller]
pub fn add_uncaught_exception_capture_callback(
    callback: impl Fn(&Unhandled) -> bool + 'static,
) -> CaptureCallback {
    let capture: Capture = Rc::new(callback);
    // At the end of the runtime there is nobody left to ask it.
    let handlers = current::current().core.failures.handlers();
    if let Some(handlers) = &handlers {
        handlers.add_capture(capture.clone());
    }
    let handlers = handlers.as_ref().map_or_else(Weak::new, Rc::downgrade);
    CaptureCallback { capture: Some(capture), handlers }
}

/// A callback added by [`add_uncaught_exception_capture_callback`]: dropping this removes it.
#[must_use = "dropping it removes the callback; detach() keeps it"]
pub struct CaptureCallback {
    capture: Option<Capture>,
    handlers: Weak<Handlers>,
}

impl CaptureCallback {
    /// Keeps the callback for as long as the runtime lives.
    pub fn detach(mut self) {
        self.capture = None;
    }
}

impl Drop for CaptureCallback {
    fn drop(&mut self) {
        if let (Some(capture), Some(handlers)) = (&self.capture, self.handlers.upgrade()) {
            // What it has captured is dropped when nothing is borrowed.
            let removed = handlers.remove_capture(capture);
            drop(removed);
        }
    }
}

impl fmt::Debug for CaptureCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureCallback").finish_non_exhaustive()
    }
}

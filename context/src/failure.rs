//! Failures of code that this crate calls for nobody in particular: where they go.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::current::{execution_async_id, execution_async_resource};
use crate::hooks::message_of;
use crate::warning::{Warning, emit_warning};

/// Takes what a subscriber or a transform of a diagnostics channel, or a waker that waited for I/O,
/// has panicked with; it is called at once, in the context of the failure. What it returns was not
/// taken.
///
/// It must not panic.
pub type FailureHandler = fn(Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>>;

thread_local! {
    static FAILURE_HANDLER: Cell<Option<FailureHandler>> = const { Cell::new(None) };
}

/// Sets who takes this thread's failures, and returns who did before. For runtimes: they hand
/// failures to their own handler of unhandled panics.
///
/// What nobody takes is a [`Warning`].
pub fn set_failure_handler(handler: Option<FailureHandler>) -> Option<FailureHandler> {
    FAILURE_HANDLER.replace(handler)
}

/// Calls `f`; a panic of it ends here and goes to the [`FailureHandler`]. `None` if it has
/// panicked. For runtimes: so they call what is nobody's in particular.
pub fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) => {
            fail(payload);
            None
        }
    }
}

#[cold]
fn fail(payload: Box<dyn Any + Send>) {
    let payload = match FAILURE_HANDLER.get() {
        Some(handler) => handler(payload),
        None => Some(payload),
    };
    if let Some(payload) = payload {
        let (id, kind) = (execution_async_id(), execution_async_resource().kind());
        let message = message_of(&*payload);
        let text = format!("{kind} {id} panicked: {message}");
        emit_warning(&Warning::new("UnhandledPanic", text));
    }
}

//! `Trace`: what a tracing channel tells.

use std::any::Any;
use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::hooks::message_of;

/// The message of a [`TracingChannel`](super::TracingChannel): what is done, and how it ended as
/// far as that is known. All events of one operation get the same one.
#[derive(Debug)]
pub struct Trace<C, T, E> {
    context: C,
    outcome: OnceCell<Result<T, E>>,
    panic: OnceCell<String>,
}

impl<C, T, E> Trace<C, T, E> {
    pub(super) fn new(context: C) -> Self {
        Trace { context, outcome: OnceCell::new(), panic: OnceCell::new() }
    }

    /// What the operation is about.
    pub fn context(&self) -> &C {
        &self.context
    }

    /// What the operation has returned with `Ok`.
    pub fn result(&self) -> Option<&T> {
        self.outcome.get()?.as_ref().ok()
    }

    /// What the operation has returned with `Err`.
    pub fn error(&self) -> Option<&E> {
        self.outcome.get()?.as_ref().err()
    }

    /// What the operation has panicked with, if that is a text: then it has neither result nor
    /// error.
    pub fn panic_message(&self) -> Option<&str> {
        self.panic.get().map(String::as_str)
    }

    /// Notes how the operation has ended, the first time only; is that an error?
    pub(super) fn settle(&self, outcome: Result<T, E>) -> bool {
        self.outcome.get_or_init(|| outcome).is_err()
    }

    /// Notes a panic.
    pub(super) fn note_panic(&self, payload: &(dyn Any + Send)) {
        self.panic.get_or_init(|| message_of(payload).to_owned());
    }

    /// Calls `f`; tells of a panic before it goes on.
    pub(super) fn watch<R>(&self, f: impl FnOnce() -> R, tell: impl FnOnce()) -> R {
        catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
            self.note_panic(&*payload);
            tell();
            resume_unwind(payload)
        })
    }

    pub(super) fn outcome(&self) -> Option<&Result<T, E>> {
        self.outcome.get()
    }

    pub(super) fn into_outcome(self) -> Option<Result<T, E>> {
        self.outcome.into_inner()
    }
}

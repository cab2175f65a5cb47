//! What the loop knows of a timeout, an immediate, a close callback or a completion.

use lunation_context::Resource;
use std::any::Any;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

/// A callback with its resource. It finds its loop by itself; the loop only says when.
pub(crate) trait Job {
    /// Runs the callback inside its resource. Panics are handled inside.
    fn run(self: Rc<Self>);

    /// Drops the callback unrun, inside its resource: the runtime ends.
    fn discard(self: Rc<Self>);

    /// Shows its resource, whether it keeps the loop alive, and which task awaits it; nothing if
    /// it will not run any more. `show` must not run user code.
    fn describe(&self, show: &mut dyn FnMut(&Resource, bool, Option<Waiter>));
}

/// A task that waits: the data pointer of its waker.
pub(crate) type Waiter = *const ();

/// A callback that can be called several times.
pub(crate) trait Call {
    fn call(&mut self);

    /// Which task waits for the next call, as far as is known.
    fn waiter(&self) -> Option<Waiter> {
        None
    }
}

impl<F: FnMut()> Call for F {
    fn call(&mut self) {
        self();
    }
}

/// Something that another thread finishes.
pub(crate) trait Completable {
    /// The value, or None if the completer was dropped.
    fn complete(self: Rc<Self>, value: Option<Box<dyn Any + Send>>);

    /// The runtime ends.
    fn discard(self: Rc<Self>);

    /// Its resource, and which task awaits it.
    fn describe(&self) -> (&Resource, Option<Waiter>);
}

/// Work on its way to the thread pool. Whoever takes it out first decides what becomes of it.
#[derive(Default)]
pub(crate) struct Work(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Work {
    pub(crate) fn set(&self, work: impl FnOnce() + Send + 'static) {
        let work: Box<dyn FnOnce() + Send> = Box::new(work);
        let old = self.replace(Some(work));
        drop(old);
    }

    /// The work, unless it has begun or was taken back.
    pub(crate) fn take(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.replace(None)
    }

    /// No user code runs under the lock.
    fn replace(&self, work: Option<Box<dyn FnOnce() + Send>>) -> Option<Box<dyn FnOnce() + Send>> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), work)
    }
}

/// What a timer does when it is due.
pub(crate) enum Timer {
    /// Wakes a `Sleep`; None until it is polled.
    Wake(Option<Waker>),
    /// Runs a callback.
    Call(Rc<dyn Job>),
}

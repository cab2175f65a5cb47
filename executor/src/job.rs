//! What the loop knows of a timeout, an immediate, a close callback or a completion.

use std::any::Any;
use std::rc::Rc;
use std::task::Waker;

/// A callback with its resource. It finds its loop by itself; the loop only says when.
pub(crate) trait Job {
    /// Runs the callback inside its resource. Panics are handled inside.
    fn run(self: Rc<Self>);

    /// Drops the callback unrun, inside its resource: the runtime ends.
    fn discard(self: Rc<Self>);
}

/// Something that another thread finishes.
pub(crate) trait Completable {
    /// The value, or None if the completer was dropped.
    fn complete(self: Rc<Self>, value: Option<Box<dyn Any + Send>>);

    /// The runtime ends.
    fn discard(self: Rc<Self>);
}

/// What a timer does when it is due.
pub(crate) enum Timer {
    /// Wakes a `Sleep`; None until it is polled.
    Wake(Option<Waker>),
    /// Runs a callback.
    Call(Rc<dyn Job>),
}

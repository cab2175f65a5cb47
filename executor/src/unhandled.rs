//! Failures nobody waits for: what the handler of `Builder::on_unhandled` gets and answers.

use lunation_context::{Activation, AsyncId, Resource, ResourceKind, ResourceRef};
use std::any::Any;
use std::fmt;
use std::panic::Location;

/// What happens after the handler of [`Builder::on_unhandled`](crate::Builder::on_unhandled).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnhandledPanic {
    /// The loop goes on.
    Continue,
    /// The panic resumes out of `block_on`, `run_to_idle` or `turn`.
    Propagate,
}

/// How a failure came to be unhandled. Node: the `origin` argument of `uncaughtException`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A callback, a destructor or a subscriber of a diagnostics channel panicked.
    UncaughtException,
    /// A task or a blocking job panicked, and its output can be read by nobody any more.
    UnhandledRejection,
}

impl Origin {
    /// Node's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::UncaughtException => "uncaughtException",
            Origin::UnhandledRejection => "unhandledRejection",
        }
    }
}

/// Who hears of a failed task that nobody can join: see
/// [`Builder::unhandled_rejections`](crate::Builder::unhandled_rejections). Node: the modes of
/// `--unhandled-rejections`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnhandledRejections {
    /// The handler of `on_unhandled_rejection`; without one, as a panic of a callback: capture
    /// callbacks, then `on_unhandled`.
    #[default]
    Throw,
    /// As a panic of a callback; if the loop goes on, `on_unhandled_rejection` as well.
    Strict,
    /// A [`Warning`](lunation_context::Warning), and the handler of `on_unhandled_rejection`.
    Warn,
    /// The handler of `on_unhandled_rejection` alone, or nobody.
    None,
}

/// A panic of a callback, of a task whose output nobody can read any more, or of a subscriber of
/// a diagnostics channel: that one belongs to the resource that publishes.
///
/// Node: the argument of `uncaughtException` and `unhandledRejection`.
pub struct Unhandled {
    id: AsyncId,
    trigger_id: AsyncId,
    kind: ResourceKind,
    location: &'static Location<'static>,
    origin: Origin,
    payload: Box<dyn Any + Send>,
}

/// What can fail: something with the identity of an async resource.
pub(crate) trait Failing {
    /// The failure of this resource.
    fn failed(&self, origin: Origin, payload: Box<dyn Any + Send>) -> Unhandled;
}

impl Failing for Activation {
    fn failed(&self, origin: Origin, payload: Box<dyn Any + Send>) -> Unhandled {
        let (id, trigger_id, kind, location) =
            (self.id(), self.trigger_id(), self.kind(), self.site());
        Unhandled { id, trigger_id, kind, location, origin, payload }
    }
}

impl Failing for Resource {
    fn failed(&self, origin: Origin, payload: Box<dyn Any + Send>) -> Unhandled {
        let (id, trigger_id, kind, location) =
            (self.id(), self.trigger_id(), self.kind(), self.site());
        Unhandled { id, trigger_id, kind, location, origin, payload }
    }
}

impl Failing for ResourceRef {
    fn failed(&self, origin: Origin, payload: Box<dyn Any + Send>) -> Unhandled {
        let (id, trigger_id, kind, location) =
            (self.id(), self.trigger_id(), self.kind(), self.location());
        Unhandled { id, trigger_id, kind, location, origin, payload }
    }
}

impl Unhandled {
    /// The resource that failed.
    pub fn id(&self) -> AsyncId {
        self.id
    }

    /// The resource that caused the failed one.
    pub fn trigger_id(&self) -> AsyncId {
        self.trigger_id
    }

    /// What failed: a task, a timeout, an immediate, ...
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// Where the failed resource was created.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// How it came to be unhandled.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What was panicked with.
    pub fn payload(&self) -> &(dyn Any + Send) {
        &*self.payload
    }

    /// The payload as text, if `panic!` was called with one.
    pub fn message(&self) -> &str {
        panic_message(&*self.payload)
    }

    pub(crate) fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
    }
}

/// The text of a panic's payload, if `panic!` was called with one: for reports.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a value that is not a string"
    }
}

impl fmt::Debug for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unhandled")
            .field("id", &self.id)
            .field("trigger_id", &self.trigger_id)
            .field("kind", &self.kind)
            .field("location", &self.location)
            .field("origin", &self.origin)
            .field("message", &self.message())
            .finish()
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unhandled panic in {} {} (triggered by {}, created at {}): {}",
            self.kind.as_str(),
            self.id,
            self.trigger_id,
            self.location,
            self.message()
        )
    }
}

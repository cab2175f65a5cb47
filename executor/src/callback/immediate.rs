//! Immediates: callbacks of the check phase.

use crate::current;
use crate::event_loop::EventLoop;
use crate::job::Job;
use lunation_context::{AsyncId, Resource, ResourceKind};
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};

/// Calls `callback` in the next check phase: after I/O, before close callbacks and timers. Node:
/// `setImmediate`.
///
/// What an immediate adds runs in the next turn of the loop. Dropping the handle does not clear
/// the immediate.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn set_immediate(callback: impl FnOnce() + 'static) -> Immediate {
    let site = Location::caller();
    let event_loop = current::current();
    let immediate = Rc::new(Inner {
        event_loop: Rc::downgrade(&event_loop),
        resource: Resource::create(ResourceKind::Immediate, site),
        callback: Cell::new(Some(Box::new(callback))),
        refed: Cell::new(true),
    });
    event_loop.immediates.push(immediate.clone());
    Immediate(immediate)
}

/// Clears an immediate that has not run. Node: `clearImmediate`.
pub fn clear_immediate(immediate: &Immediate) {
    immediate.clear();
}

struct Inner {
    /// The loop it belongs to, which need not be the one that this thread is inside of.
    event_loop: Weak<EventLoop>,
    resource: Resource,
    /// None once it has run or was cleared.
    callback: Cell<Option<Box<dyn FnOnce()>>>,
    refed: Cell<bool>,
}

/// A handle to an immediate. Node: `Immediate`.
#[derive(Clone)]
pub struct Immediate(Rc<Inner>);

impl Inner {
    fn is_pending(&self) -> bool {
        let callback = self.callback.take();
        let pending = callback.is_some();
        self.callback.set(callback);
        pending
    }

    /// Takes the callback of a pending immediate, which then is not pending any more.
    fn take(&self, event_loop: &EventLoop) -> Option<Box<dyn FnOnce()>> {
        let callback = self.callback.take()?;
        let refed = if self.refed.get() { -1 } else { 0 };
        event_loop.immediates.count(-1, refed);
        Some(callback)
    }
}

impl Immediate {
    /// Clears it: it will not run, its closure and context are dropped now. Nothing if it has run.
    pub fn clear(&self) {
        if let Some(event_loop) = self.0.event_loop.upgrade()
            && let Some(callback) = self.0.take(&event_loop)
        {
            self.0.resource.destroy();
            self.0.resource.enter(|| event_loop.core.guard(&self.0.resource, || drop(callback)));
            self.0.resource.release();
        }
    }

    /// Whether it is pending and keeps the loop alive.
    pub fn has_ref(&self) -> bool {
        self.0.is_pending() && self.0.refed.get()
    }

    /// Lets it keep the loop alive again. Node: `immediate.ref()`.
    pub fn ref_(&self) -> &Immediate {
        self.set_ref(true);
        self
    }

    /// Lets `run_to_idle` end without it.
    pub fn unref(&self) -> &Immediate {
        self.set_ref(false);
        self
    }

    fn set_ref(&self, refed: bool) {
        let changed = self.0.refed.replace(refed) != refed && self.0.is_pending();
        if let Some(event_loop) = self.0.event_loop.upgrade().filter(|_| changed) {
            event_loop.immediates.count(0, if refed { 1 } else { -1 });
        }
    }

    /// The id of its resource.
    pub fn async_id(&self) -> AsyncId {
        self.0.resource.id()
    }
}

impl fmt::Debug for Immediate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Immediate").field("id", &self.async_id()).finish()
    }
}

impl Job for Inner {
    fn run(self: Rc<Self>) {
        let Some(event_loop) = self.event_loop.upgrade() else { return };
        if let Some(callback) = self.take(&event_loop) {
            self.resource.call_once(|| event_loop.core.guard(&self.resource, callback));
            self.resource.destroy();
        }
    }

    fn discard(self: Rc<Self>) {
        Immediate(self).clear();
    }

    fn describe(&self, show: &mut dyn FnMut(&Resource, bool)) {
        if self.is_pending() {
            show(&self.resource, self.refed.get());
        }
    }
}

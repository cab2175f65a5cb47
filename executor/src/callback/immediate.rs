//! Immediates: callbacks of the check phase.

use crate::current;
use crate::event_loop::EventLoop;
use crate::job::{Job, Waiter};
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
    start_immediate(Cell::new(Some(callback)))
}

/// The same, of a callback that may know who waits for it.
#[track_caller]
pub(crate) fn start_immediate(callback: impl Closure + 'static) -> Immediate {
    let site = Location::caller();
    let event_loop = current::current();
    let immediate = Rc::new(Inner {
        event_loop: Rc::downgrade(&event_loop),
        resource: Resource::prepare(ResourceKind::Immediate, site),
        pending: Cell::new(true),
        refed: Cell::new(true),
        callback,
    });
    immediate.resource.announce();
    event_loop.immediates.push(immediate.clone());
    Immediate(immediate)
}

/// Clears an immediate that has not run. Node: `clearImmediate`.
pub fn clear_immediate(immediate: &Immediate) {
    immediate.clear();
}

/// `C` is a [`Closure`], in the same allocation.
struct Inner<C: ?Sized> {
    /// The loop it belongs to, which need not be the one that this thread is inside of.
    event_loop: Weak<EventLoop>,
    resource: Resource,
    /// It has not run and was not cleared.
    pending: Cell<bool>,
    refed: Cell<bool>,
    callback: C,
}

/// A callback that is called or dropped once.
pub(crate) trait Closure {
    fn call(&self);
    fn forget(&self);

    /// Which task waits for the call, as far as is known.
    fn waiter(&self) -> Option<Waiter> {
        None
    }
}

impl<F: FnOnce()> Closure for Cell<Option<F>> {
    #[inline]
    fn call(&self) {
        if let Some(callback) = self.take() {
            callback();
        }
    }

    fn forget(&self) {
        drop(self.take());
    }
}

/// A handle to an immediate. Node: `Immediate`.
#[derive(Clone)]
pub struct Immediate(Rc<Inner<dyn Closure>>);

impl<C: Closure + ?Sized> Inner<C> {
    /// Ends its waiting. False if it was not pending.
    fn settle(&self, event_loop: &EventLoop) -> bool {
        let pending = self.pending.replace(false);
        if pending {
            event_loop.immediates.count(-1, if self.refed.get() { -1 } else { 0 });
        }
        pending
    }

    fn clear(&self) {
        if let Some(event_loop) = self.event_loop.upgrade()
            && self.settle(&event_loop)
        {
            self.resource.destroy();
            let drop_it = || self.callback.forget();
            self.resource.enter(|| event_loop.core.guard(&self.resource, drop_it));
            self.resource.release();
        }
    }
}

impl Immediate {
    /// Clears it: it will not run, its closure and context are dropped now. Nothing if it has run.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Whether it is pending and keeps the loop alive.
    pub fn has_ref(&self) -> bool {
        self.0.pending.get() && self.0.refed.get()
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
        let changed = self.0.refed.replace(refed) != refed && self.0.pending.get();
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

impl<C: Closure> Job for Inner<C> {
    fn run(self: Rc<Self>) {
        let Some(event_loop) = self.event_loop.upgrade() else { return };
        if self.settle(&event_loop) {
            let call = || self.callback.call();
            self.resource.call_once(|| event_loop.core.guard(&self.resource, call));
            self.resource.destroy();
        }
    }

    fn discard(self: Rc<Self>) {
        self.clear();
    }

    fn describe(&self, show: &mut dyn FnMut(&Resource, bool, Option<Waiter>)) {
        if self.pending.get() {
            show(&self.resource, self.refed.get(), self.callback.waiter());
        }
    }
}

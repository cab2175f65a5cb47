//! Callbacks of the close phase.

use crate::current;
use crate::event_loop::EventLoop;
use crate::job::{Job, Waiter};
use lunation_context::{Resource, ResourceKind};
use std::cell::Cell;
use std::panic::Location;
use std::rc::{Rc, Weak};

/// Calls `callback` in the close phase of this turn, or of the next if that phase runs already:
/// after the immediates, before the timers; of several, the last issued first. Node: the `close`
/// callback of a handle.
///
/// It is a resource of `kind`, which captures the context now.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn queue_close(kind: ResourceKind, callback: impl FnOnce() + 'static) {
    let site = Location::caller();
    let event_loop = current::current();
    let closer = Rc::new(Closer {
        event_loop: Rc::downgrade(&event_loop),
        resource: Resource::create(kind, site),
        callback: Cell::new(Some(Box::new(callback))),
    });
    event_loop.closers.borrow_mut().push(closer);
}

struct Closer {
    event_loop: Weak<EventLoop>,
    resource: Resource,
    callback: Cell<Option<Box<dyn FnOnce()>>>,
}

impl Job for Closer {
    fn run(self: Rc<Self>) {
        let Some(event_loop) = self.event_loop.upgrade() else { return };
        if let Some(callback) = self.callback.take() {
            self.resource.call_once(|| event_loop.core.guard(&self.resource, callback));
            self.resource.destroy();
        }
    }

    fn discard(self: Rc<Self>) {
        let Some(event_loop) = self.event_loop.upgrade() else { return };
        if let Some(callback) = self.callback.take() {
            self.resource.enter(|| event_loop.core.guard(&self.resource, || drop(callback)));
            self.resource.destroy();
        }
    }

    fn describe(&self, show: &mut dyn FnMut(&Resource, bool, Option<Waiter>)) {
        show(&self.resource, true, None);
    }
}

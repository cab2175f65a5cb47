//! The queue of the check phase: callbacks, and the waits of `immediate()` and `yield_now()`.

use crate::job::Job;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

/// One entry of the queue.
pub(crate) enum Entry {
    Call(Rc<dyn Job>),
    /// A place in the table of waits.
    Wait(usize),
}

/// An entry for those who look from outside.
pub(crate) enum Shown<'a> {
    Call(&'a dyn Job),
    /// What waits is woken by this.
    Wait(&'a Waker),
}

/// A future that waits for its turn. Its place is freed by whoever comes last: the phase, or the
/// future that was told.
enum Wait {
    Waiting(Waker),
    /// The phase has come; the future has not looked yet.
    Fired,
    /// The future was dropped; the entry is still in the queue.
    Cancelled,
}

/// The immediates of one loop.
#[derive(Default)]
pub(crate) struct Immediates {
    queue: RefCell<VecDeque<Entry>>,
    waits: RefCell<Slab<Wait>>,
    /// Entries that were not cleared: while there is one, the loop does not block.
    pending: Cell<usize>,
    /// Those of them that keep the loop alive.
    refed: Cell<usize>,
}

impl Immediates {
    pub(crate) fn pending(&self) -> usize {
        self.pending.get()
    }

    pub(crate) fn refed(&self) -> usize {
        self.refed.get()
    }

    /// Entries in the queue, cleared ones included: the size of a batch.
    pub(crate) fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    pub(crate) fn push(&self, job: Rc<dyn Job>) {
        self.count(1, 1);
        self.queue.borrow_mut().push_back(Entry::Call(job));
    }

    pub(crate) fn pop(&self) -> Option<Entry> {
        self.queue.borrow_mut().pop_front()
    }

    /// Something begins or ceases to be pending, or to keep the loop alive.
    pub(crate) fn count(&self, pending: isize, refed: isize) {
        self.pending.set(self.pending.get().wrapping_add_signed(pending));
        self.refed.set(self.refed.get().wrapping_add_signed(refed));
    }

    /// Shows the entries, oldest first. `show` must not run user code.
    pub(crate) fn for_each(&self, mut show: impl FnMut(Shown<'_>)) {
        let waits = self.waits.borrow();
        for entry in self.queue.borrow().iter() {
            match entry {
                Entry::Call(job) => show(Shown::Call(&**job)),
                Entry::Wait(place) => {
                    if let Wait::Waiting(waker) = &waits[*place] {
                        show(Shown::Wait(waker));
                    }
                }
            }
        }
    }

    // ---- waits ----

    /// A future begins to wait; the place is its key.
    pub(crate) fn wait(&self, waker: &Waker) -> usize {
        let waker = waker.clone();
        let place = self.waits.borrow_mut().insert(Wait::Waiting(waker));
        self.count(1, 1);
        self.queue.borrow_mut().push_back(Entry::Wait(place));
        place
    }

    /// A waiting future was polled again. True when its turn has come; its place is free then.
    pub(crate) fn poll_wait(&self, place: usize, waker: &Waker) -> bool {
        if matches!(self.waits.borrow()[place], Wait::Fired) {
            self.waits.borrow_mut().remove(place);
            return true;
        }
        // Outside of any borrow: a foreign waker may do anything when it is cloned or dropped.
        let waker = waker.clone();
        let old = std::mem::replace(&mut self.waits.borrow_mut()[place], Wait::Waiting(waker));
        drop(old);
        false
    }

    /// A future was dropped before it saw its turn.
    pub(crate) fn cancel_wait(&self, place: usize) {
        let mut waits = self.waits.borrow_mut();
        let old = std::mem::replace(&mut waits[place], Wait::Cancelled);
        if matches!(old, Wait::Fired) {
            waits.remove(place);
        } else {
            self.count(-1, -1);
        }
        drop(waits);
        drop(old);
    }

    /// The turn of a wait has come: its waker, unless it was cancelled.
    pub(crate) fn fire_wait(&self, place: usize) -> Option<Waker> {
        let mut waits = self.waits.borrow_mut();
        let old = std::mem::replace(&mut waits[place], Wait::Fired);
        match old {
            Wait::Waiting(waker) => {
                self.count(-1, -1);
                Some(waker)
            }
            _ => {
                waits.remove(place);
                None
            }
        }
    }
}

//! The queue of the check phase: callbacks, and the waits of `immediate()` and `yield_now()`.

use crate::job::Job;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::task::Waker;

/// One entry of the queue.
pub(crate) enum Entry {
    Call(Rc<dyn Job>),
    /// A future that waits for its turn is woken by this.
    Wait(Waker),
    /// Of a future that was dropped.
    Cancelled,
}

/// The immediates of one loop.
#[derive(Default)]
pub(crate) struct Immediates {
    queue: RefCell<VecDeque<Entry>>,
    /// The number of the first entry in the queue: how many were taken out.
    first: Cell<u64>,
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
        let entry = self.queue.borrow_mut().pop_front()?;
        self.first.set(self.first.get() + 1);
        if let Entry::Wait(_) = entry {
            self.count(-1, -1);
        }
        Some(entry)
    }

    /// Something begins or ceases to be pending, or to keep the loop alive.
    pub(crate) fn count(&self, pending: isize, refed: isize) {
        self.pending.set(self.pending.get().wrapping_add_signed(pending));
        self.refed.set(self.refed.get().wrapping_add_signed(refed));
    }

    /// Shows the entries, oldest first. `show` must not run user code.
    pub(crate) fn for_each(&self, show: impl FnMut(&Entry)) {
        self.queue.borrow().iter().for_each(show);
    }

    // ---- waits ----

    /// A future begins to wait. Returns the number of its entry.
    pub(crate) fn wait(&self, waker: &Waker) -> u64 {
        let waker = waker.clone();
        self.count(1, 1);
        let mut queue = self.queue.borrow_mut();
        queue.push_back(Entry::Wait(waker));
        self.first.get() + queue.len() as u64 - 1
    }

    /// A waiting future was polled again. True when its turn has come.
    pub(crate) fn poll_wait(&self, number: u64, waker: &Waker) -> bool {
        // A foreign waker may do anything when it is cloned or dropped: outside of any borrow.
        self.has_fired(number) || self.replace(number, Entry::Wait(waker.clone())).is_none()
    }

    /// A future was dropped that may not have seen its turn.
    pub(crate) fn cancel_wait(&self, number: u64) {
        let old = self.replace(number, Entry::Cancelled);
        if old.is_some() {
            self.count(-1, -1);
        }
        drop(old);
    }

    fn has_fired(&self, number: u64) -> bool {
        number < self.first.get()
    }

    /// Puts another entry into the place of one that has not fired, and returns that.
    fn replace(&self, number: u64, entry: Entry) -> Option<Entry> {
        let index = number.checked_sub(self.first.get())?;
        Some(mem::replace(self.queue.borrow_mut().get_mut(index as usize)?, entry))
    }
}

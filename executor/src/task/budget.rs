//! How many jobs the drains of one turn may still run, and whether the loop is to stop.

use crate::limits::DRAIN_BUDGET;
use std::cell::Cell;

/// The drain budget of a loop. Stopping is a spent budget too, so that a drain has one test.
#[derive(Debug)]
pub(crate) struct Budget {
    /// What a turn begins with as `left`.
    per_turn: Cell<i64>,
    /// How many may run after the next one; negative if not even that may.
    left: Cell<i64>,
    stopped: Cell<bool>,
    hits: Cell<u64>,
}

impl Budget {
    pub(crate) fn new() -> Budget {
        let budget = i64::from(DRAIN_BUDGET) - 1;
        Budget {
            per_turn: Cell::new(budget),
            left: Cell::new(budget),
            stopped: Cell::new(false),
            hits: Cell::new(0),
        }
    }

    /// Sets the budget of each turn; None for no bound, as in Node.
    pub(crate) fn set_per_turn(&self, jobs: Option<u32>) {
        self.per_turn.set(jobs.map_or(i64::MAX, i64::from) - 1);
    }

    /// Whether another job may run now.
    #[inline]
    pub(crate) fn allows(&self) -> bool {
        self.left.get() >= 0
    }

    /// One job was run. Whether another one may run now.
    #[inline]
    pub(crate) fn spend(&self) -> bool {
        self.left.set(self.left.get() - 1);
        self.allows()
    }

    /// A new turn begins.
    pub(crate) fn refill(&self) {
        if !self.stopped.get() {
            self.note_hit();
            self.left.set(self.per_turn.get());
        }
    }

    /// Counts the turn if it has used up its jobs: not with the last job, or each would pay.
    fn note_hit(&self) {
        self.hits.set(self.hits());
    }

    /// Makes the drain and the phase that run now return as soon as possible: main is ready, or
    /// a panic is to leave the loop.
    pub(crate) fn stop(&self) {
        self.note_hit();
        self.stopped.set(true);
        self.left.set(-1);
    }

    /// Whether [`Budget::stop`] was called since [`Budget::start`].
    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// The loop begins to run: undoes [`Budget::stop`].
    pub(crate) fn start(&self) {
        self.note_hit();
        self.stopped.set(false);
        self.left.set(self.per_turn.get());
    }

    /// Turns whose drains have used up their jobs.
    pub(crate) fn hits(&self) -> u64 {
        let is_used_up = !self.is_stopped() && !self.allows();
        self.hits.get() + u64::from(is_used_up)
    }
}

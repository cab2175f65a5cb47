//! The I/O budget: how many operations one poll of a task may complete.
//!
//! A task whose sockets are always ready would never return to the loop. After
//! [`OPERATIONS_PER_POLL`] operations in one poll the next one returns `Pending` although it is
//! ready; the task goes on after the next poll phase
//! ([`Reactor::wake_yielded`](crate::Reactor::wake_yielded)), never by a microtask. tokio's
//! equivalent is its cooperative budget, also 128.

use std::cell::Cell;

/// Socket operations one poll of a task may do before it has to give way.
pub const OPERATIONS_PER_POLL: u32 = 128;

thread_local! {
    /// The number of the task poll that runs; only its changing matters.
    static POLLS: Cell<u64> = const { Cell::new(0) };
}

/// Begins a new task poll: the budget is full again. The executor calls it once per poll.
#[inline]
pub fn next_poll() {
    POLLS.set(POLLS.get().wrapping_add(1));
}

/// What one reactor counts: operations since the poll began, and how often they were too many.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    poll: Cell<u64>,
    spent: Cell<u32>,
    hits: Cell<u64>,
}

impl Meter {
    /// Takes one operation out of the budget of the poll that runs; `false` when none is left.
    pub(crate) fn spend(&self) -> bool {
        let poll = POLLS.get();
        if self.poll.replace(poll) != poll {
            self.spent.set(0);
        }
        if self.spent.get() < OPERATIONS_PER_POLL {
            self.spent.set(self.spent.get() + 1);
            return true;
        }
        self.hits.set(self.hits.get() + 1);
        false
    }

    /// Fills the budget: outside of tasks nobody counts polls, so the loop's wait does it too.
    pub(crate) fn refill(&self) {
        self.spent.set(0);
    }

    /// How often an operation was put off.
    pub(crate) fn hits(&self) -> u64 {
        self.hits.get()
    }
}

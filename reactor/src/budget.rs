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
    /// Operations that the task poll that runs may still do.
    static LEFT: Cell<u32> = const { Cell::new(OPERATIONS_PER_POLL) };
}

/// Begins a new task poll: the budget is full again. The executor calls it once per poll. Outside
/// of tasks nobody counts polls, so the loop's wait does it too.
#[inline]
pub fn next_poll() {
    LEFT.set(OPERATIONS_PER_POLL);
}

/// Takes one operation out of the budget of the poll that runs; `false` when none is left.
#[inline]
pub(crate) fn spend() -> bool {
    let left = LEFT.get();
    LEFT.set(left.wrapping_sub(1));
    left != 0 || overspent()
}

/// Out of line, so that spending is one instruction that counts and one that branches.
#[cold]
#[inline(never)]
fn overspent() -> bool {
    LEFT.set(0);
    false
}

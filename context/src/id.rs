//! Ids of async resources, and the thread's counters they come from.

use std::cell::Cell;
use std::fmt;

/// The id of an async resource: Node's `asyncId`.
///
/// Every thread counts its own ids, one more per resource, and never uses one again.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct AsyncId(u64);

impl AsyncId {
    /// 0: the event loop itself. No user code but destroy hooks runs under it.
    pub const LOOP: AsyncId = AsyncId(0);
    /// 1: the root, in which the main future and everything outside a runtime run.
    pub const ROOT: AsyncId = AsyncId(1);

    /// The number.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AsyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The counters of a thread.
struct Ids {
    next_id: Cell<u64>,
    next_number: Cell<u64>,
}

thread_local! {
    static IDS: Ids = const {
        Ids { next_id: Cell::new(AsyncId::ROOT.0 + 1), next_number: Cell::new(1) }
    };
}

/// Takes the next resource id of this thread.
#[inline]
pub(crate) fn next_async_id() -> AsyncId {
    IDS.with(|ids| AsyncId(ids.next_id.replace(ids.next_id.get() + 1)))
}

/// The id that this thread has given last. What is born later has a greater one.
#[inline]
pub fn newest_async_id() -> AsyncId {
    IDS.with(|ids| AsyncId(ids.next_id.get() - 1))
}

/// Takes the next number for a flow or an entry of this thread; never 0.
#[inline]
pub(crate) fn next_number() -> u64 {
    IDS.with(|ids| ids.next_number.replace(ids.next_number.get() + 1))
}

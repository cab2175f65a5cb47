//! Every tuning number of the executor, with its reason.

/// Jobs (ticks, microtasks, task polls) that all drains of one turn may run together.
///
/// Node has no such bound: a task that wakes itself for ever would starve timers and I/O. 65,536
/// jobs are a fraction of a millisecond of empty polls, and no ordinary turn gets there.
pub const DRAIN_BUDGET: u32 = 65_536;

/// Bytes that one read or write of a file moves at most: it bounds the copy that the thread pool
/// works on. As much as tokio's.
pub(crate) const FILE_BUFFER_BYTES: usize = 2 << 20;

/// Cells of one size class that the pool keeps for reuse; what exceeds it goes back to malloc.
/// None in a loom model, which is to see every cell that is freed.
pub(crate) const POOL_CELLS_PER_CLASS: i32 = if cfg!(loom) { 0 } else { 4096 };

/// Granularity of the pool's size classes, in bytes, with what malloc adds to a block.
pub(crate) const POOL_CLASS_BYTES: usize = 32;

/// Bytes that malloc adds to a block: glibc's and most others' header.
pub(crate) const MALLOC_OVERHEAD: usize = 8;

/// Number of size classes; larger cells are not pooled.
pub(crate) const POOL_CLASSES: usize = 64;

/// Lists of timers, one per duration, from which on empty ones do not stand by for the next timer
/// of their duration. As many different timeouts can be in use by turns without a list being made;
/// 100 KiB. Few in the unit tests, which are to see them purged.
pub(crate) const KEPT_TIMER_LISTS: usize = if cfg!(test) { 3 } else { 1024 };

/// Timers for which there is place at first, and more than a quarter each time.
pub(crate) const TIMER_RESERVE: usize = 64;

/// Cache lines that are fetched of a task before it is woken: its header and the future's head.
pub(crate) const PREFETCHED_LINES: usize = 3;

/// References to one task that may exist before the process is aborted: forgotten wakers must not
/// be able to overflow a count of 30 bits.
pub(crate) const MAX_REFERENCES: u32 = 1 << 29;

/// How often a loop that would sleep looks for more of what other threads send, if they have just
/// sent something. With the next number two to four microseconds: less than a sleep and the call
/// that ends it cost.
pub(crate) const LISTENING_LOOKS: u32 = 2;

/// Spins before each of those looks: what is sent meanwhile comes together, and the sender keeps
/// its cache lines.
pub(crate) const LISTENING_SPINS: u32 = 64;

/// Turns that may pass before the clock is read only to note the times of ages. A loop that does
/// nothing but immediates would spend a tenth of its turns on that.
pub(crate) const AGE_TURNS: u64 = 64;

/// Notes of times are merged when that costs less than this part of an age. Merged again and again
/// an age can lose four times as much.
pub(crate) const AGE_PRECISION: u64 = 16;

//! Tasks: cells, references, wakers and the queues they stand in.
//!
//! A cell is one allocation: header, future, later the output. It is reached from its *owner
//! thread*, which runs the loop, and through wakers, join and abort handles from any other. The
//! design is biased towards the owner: its wakes and polls execute no atomic read-modify-write.
//! The comments of the code cite these rules by number.
//!
//! 1. **Owner test.** A thread is the owner of a cell while it is inside the cell's loop, that is
//!    while `CORE == header.owner`. The identity is the address of the `Core`, which is not reused
//!    while one of its cells exists (rule 6). Outside of `block_on`, or inside another runtime, the
//!    same thread counts as foreign: slower, still sound.
//! 2. **References are fungible.** A cell is alive while `local + foreign count > 0` or NOTIFIED is
//!    set. Each waker, handle and message is one reference, and none remembers in which of the two
//!    it was counted. Only that of a `Wake` message is apart: it is NOTIFIED itself.
//! 3. **Owner's side.** Clone: `local += 1` if `local > 0` and it fits, else a foreign one. Drop:
//!    `local -= 1` above one. At one: without foreign references and NOTIFIED this was the last;
//!    otherwise `local = 0` and MERGED is set for ever, and whoever leaves neither foreign
//!    references nor NOTIFIED behind frees. At zero: a foreign drop.
//! 4. **Foreign side.** Clone and drop change the foreign count. A drop that finds it at zero holds
//!    a reference counted in `local`, which is not its to change: the reference travels to the
//!    owner in a `Drop` message. One after which nothing but MERGED is left sends `Free`. A wake
//!    sets NOTIFIED and, if that was not set, sends `Wake`; else it still is a read-modify-write,
//!    so that its writes are seen by the poll to come. The receiver of `Wake` clears NOTIFIED
//!    before it does anything else, that of another message gives its reference back by rule 3. A
//!    foreign thread touches nothing of a cell but `life`, `owner`, its id, the link of rule 10 and
//!    the layout in its table.
//! 5. **Scheduler's reference.** One reference belongs to the loop from spawn to completion. Queue
//!    entries hold none: SCHEDULED says that the cell stands in the queue. A task that completes
//!    while SCHEDULED leaves that reference to the entry, which gives it back when popped.
//! 6. **The end of a runtime.** On the owner: all futures, outputs and queued closures are dropped,
//!    each in its resource; the loop is left; `local` of every remaining cell is merged into the
//!    foreign count, what its activation owns is dropped, and the cell takes one `Arc` count of the
//!    `Core`; the inbox is closed and emptied. From then on every reference is in `shared`, and any
//!    thread may give back the last one: it frees memory and nothing else, so no user code runs
//!    there. A sender that finds the inbox closed disposes of its message itself.
//! 7. **The waker of a poll** borrows the scheduler's reference: no count changes.
//! 8. **State.** `Life`'s state is written by the owner alone, with plain stores, and read
//!    anywhere.
//!    RUNNING (set by `begin` and `begin_cancel`, which only succeed while the future is there and
//!    nobody runs it) makes the future ours; between it and `complete` the stage is nobody else's.
//!    COMPLETE with OUTPUT means that the outcome (PANICKED, CANCELLED or neither) was not taken
//!    yet, and lies in the stage; `take_outcome` succeeds once.
//! 9. **Queue links.** A cell stands in at most one queue: tasks by SCHEDULED, callbacks because
//!    they are pushed once, when they are made.
//! 10. **The inbox** is a stack, and NOTIFIED the right to stand in it: `inbox_link` belongs to the
//!     thread that has set NOTIFIED, from its push on to the owner, until that clears NOTIFIED. A
//!     sender that passes its only reference with the message pins the core while it sends: once
//!     the message is pushed, the cell and its hold on the core may be gone.

pub(crate) mod budget;
pub(crate) mod life;
#[cfg(all(loom, test))]
mod tests;

pub(crate) mod pool;

mod error;

pub(crate) mod failures;
pub(crate) mod header;

pub(crate) mod inbox;

pub(crate) mod cells;

pub(crate) mod queue;

pub(crate) mod waker;

pub(crate) mod callback;
pub(crate) mod reference;

pub(crate) mod cell;

pub(crate) mod join;

pub use error::JoinError;
pub use join::{AbortHandle, AbortOnDrop, JoinHandle};

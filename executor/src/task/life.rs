//! The life of a task cell: its reference counts (biased to the owner) and its state bits.
//!
//! Safe code only: it decides, its callers in `cell` and `waker` act. The rules it implements are
//! the numbered ones of [`task`](super).

use crate::limits::MAX_REFERENCES;
use crate::sync::{AtomicU8, AtomicU32, Cell, Ordering};

/// In `shared`: a `Wake` message of this task is under way, and this is its reference (rule 4).
const NOTIFIED: u32 = 1;
/// In `shared`: `local` is zero for ever, `shared` alone counts (rules 3 and 6).
const MERGED: u32 = 2;
/// In `shared`: one reference.
const ONE: u32 = 4;

const SCHEDULED: u8 = 1;
const RUNNING: u8 = 1 << 1;
const COMPLETE: u8 = 1 << 2;
const ABORTED: u8 = 1 << 3;
/// The outcome was not taken yet.
const OUTPUT: u8 = 1 << 5;
const PANICKED: u8 = 1 << 6;
const CANCELLED: u8 = 1 << 7;

/// Counts and state of one task, in one word: it is part of every idle task.
#[derive(Debug)]
pub(crate) struct Life {
    shared: AtomicU32,
    /// What exceeds its 16 bits is counted in `shared`: references are fungible (rule 2).
    local: Cell<u16>,
    state: AtomicU8,
    /// Whether a `JoinHandle` exists. Not in `state`, so that a poll begins by storing a constant:
    /// a task that wakes itself would else wait for one value to go through memory three times.
    handle: Cell<bool>,
}

/// What a task has ended with, and so what lies in its stage: bits of its state as they are, so
/// that asking for the usual one is one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome(u8);

impl Outcome {
    /// Its output.
    pub(crate) const OUTPUT: Outcome = Outcome(0);
    /// The payload of its panic.
    pub(crate) const PANIC: Outcome = Outcome(PANICKED);
    /// Nothing.
    pub(crate) const CANCELLED: Outcome = Outcome(CANCELLED);

    /// The outcome that waits to be taken.
    #[inline]
    fn of(bits: u8) -> Option<Outcome> {
        (bits & OUTPUT != 0).then_some(Outcome(bits & (PANICKED | CANCELLED)))
    }
}

/// What a dropped reference means to the owner thread.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Others remain.
    Alive,
    /// It was the last one: free the cell.
    Last,
    /// Not dropped yet: there are foreign references, so [`Life::drop_local_remote`] must decide.
    Undecided,
}

/// What a dropped reference means to a foreign thread.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RemoteDropped {
    /// Others remain.
    Alive,
    /// It was the last one: send `Free`.
    SendFree,
    /// The reference is counted in `local`, which is not ours to change: send `Drop`, which
    /// carries it.
    SendDrop,
}

/// What the owner does with a task it has taken from the microtask queue.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Poll the future.
    Poll,
    /// Drop the future: the task was aborted.
    Cancel,
    /// The task completed while it was queued: the entry holds the scheduler's reference.
    Release,
}

/// What the owner does with a wake.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Append the task to the microtask queue.
    Enqueue,
    /// It is queued already, or has completed.
    Nothing,
}

impl Life {
    /// A new task, not yet queued, with `references` counted on the owner's side.
    #[inline]
    pub(crate) fn new(references: u16, handle: bool) -> Life {
        Life {
            shared: AtomicU32::new(0),
            local: Cell::new(references),
            state: AtomicU8::new(0),
            handle: Cell::new(handle),
        }
    }

    // ---- references, owner's side (rule 3) ----

    /// Adds a reference.
    #[inline]
    pub(crate) fn clone_local(&self) {
        if !self.try_count_local() {
            self.clone_remote();
        }
    }

    /// Adds a reference if it can be counted in `local`.
    #[inline]
    pub(crate) fn try_count_local(&self) -> bool {
        let local = self.local.get();
        let fits = local != 0 && local != u16::MAX;
        if fits {
            self.local.set(local + 1);
        }
        fits
    }

    /// Gives back a reference unless it might be the last one.
    #[inline]
    pub(crate) fn try_discount_local(&self) -> bool {
        let local = self.local.get();
        if local > 1 {
            self.local.set(local - 1);
        }
        local > 1
    }

    /// Adds a reference unless none is left: then a `Free` message is under way.
    pub(crate) fn try_clone_local(&self) -> bool {
        if self.local.get() > 0 {
            self.clone_local();
            return true;
        }
        self.try_clone_remote()
    }

    #[cold]
    #[inline(never)]
    fn try_clone_remote(&self) -> bool {
        let more = |shared| (shared / ONE > 0).then_some(shared + ONE);
        self.shared.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives back a reference.
    #[inline]
    pub(crate) fn drop_local(&self) -> Dropped {
        if self.try_discount_local() {
            return Dropped::Alive;
        }
        // No foreign reference, so this was the only one: nobody is left to race with.
        if self.local.get() == 1 && self.shared.load(Ordering::Acquire) == 0 {
            return Dropped::Last;
        }
        Dropped::Undecided
    }

    /// Gives back a reference that [`Life::drop_local`] was undecided about. True if it was the
    /// last one.
    #[cold]
    #[inline(never)]
    pub(crate) fn drop_local_remote(&self) -> bool {
        if self.local.replace(0) == 1 {
            self.shared.fetch_or(MERGED, Ordering::AcqRel) == 0
        } else {
            self.shared.fetch_sub(ONE, Ordering::AcqRel) == ONE | MERGED
        }
    }

    /// Rule 6: moves the owner's count into `shared`, once, when the runtime ends.
    #[cold]
    #[inline(never)]
    pub(crate) fn merge_at_close_remote(&self) {
        let local = self.local.replace(0);
        if self.shared.load(Ordering::Relaxed) & MERGED == 0 {
            self.shared.fetch_add(u32::from(local) * ONE + MERGED, Ordering::AcqRel);
        }
    }

    /// Gives back the reference of a `Wake` message that has arrived; wakes from now on need a new
    /// one. True if it was the last reference.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_notification_remote(&self) -> bool {
        // The bit is set: to subtract it takes one instruction.
        self.shared.fetch_sub(NOTIFIED, Ordering::AcqRel) == NOTIFIED | MERGED
    }

    // ---- references, any thread (rule 4) ----

    /// Adds a reference.
    #[cold]
    #[inline(never)]
    pub(crate) fn clone_remote(&self) {
        let before = self.shared.fetch_add(ONE, Ordering::Relaxed);
        if before / ONE >= MAX_REFERENCES {
            std::process::abort();
        }
    }

    /// Gives back a reference.
    #[cold]
    #[inline(never)]
    pub(crate) fn drop_remote(&self) -> RemoteDropped {
        let mut shared = self.shared.load(Ordering::Relaxed);
        loop {
            if shared / ONE == 0 {
                return RemoteDropped::SendDrop;
            }
            let next = shared - ONE;
            match self.shared.compare_exchange_weak(
                shared,
                next,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) if next == MERGED => return RemoteDropped::SendFree,
                Ok(_) => return RemoteDropped::Alive,
                Err(now) => shared = now,
            }
        }
    }

    /// True if a `Wake` message must be sent, with the reference that NOTIFIED now is.
    ///
    /// Already notified: still a read-modify-write, so that what this thread wrote before the wake
    /// is visible to the poll that the earlier message causes.
    #[inline]
    pub(crate) fn notify_remote(&self) -> bool {
        self.shared.fetch_or(NOTIFIED, Ordering::AcqRel) & NOTIFIED == 0
    }

    // ---- state: written by the owner alone with plain stores (rule 8) ----

    #[inline]
    fn bits(&self) -> u8 {
        self.state.load(Ordering::Relaxed)
    }

    #[inline]
    fn store(&self, bits: u8) {
        self.state.store(bits, Ordering::Relaxed);
    }

    /// The first entry of a new task in the queue, of which nobody knows yet.
    #[inline]
    pub(crate) fn schedule_first(&self) {
        debug_assert_eq!(self.bits(), 0, "a new task");
        self.store(SCHEDULED);
    }

    /// A wake on the owner thread.
    #[inline]
    pub(crate) fn schedule(&self) -> Schedule {
        let bits = self.bits();
        if bits & (SCHEDULED | COMPLETE) != 0 {
            return Schedule::Nothing;
        }
        self.store(bits | SCHEDULED);
        Schedule::Enqueue
    }

    /// The task was taken from the queue.
    #[inline]
    pub(crate) fn begin(&self) -> Begin {
        let bits = self.bits();
        if bits & (COMPLETE | ABORTED) == 0 {
            self.store(RUNNING);
            return Begin::Poll;
        }
        if bits & COMPLETE != 0 {
            self.store(bits & !SCHEDULED);
            return Begin::Release;
        }
        self.store((bits & !SCHEDULED) | RUNNING);
        Begin::Cancel
    }

    /// The poll returned Pending. True if the task was aborted meanwhile and must be cancelled; it
    /// then still counts as running.
    #[inline]
    pub(crate) fn pause(&self) -> bool {
        let bits = self.bits();
        if bits & ABORTED != 0 {
            return true;
        }
        self.store(bits & !RUNNING);
        false
    }

    /// Marks the task for cancellation. `Enqueue` if it must be queued for that.
    pub(crate) fn abort(&self) -> Schedule {
        let bits = self.bits();
        if bits & (COMPLETE | ABORTED) != 0 {
            return Schedule::Nothing;
        }
        if bits & (SCHEDULED | RUNNING) != 0 {
            self.store(bits | ABORTED);
            return Schedule::Nothing;
        }
        self.store(bits | ABORTED | SCHEDULED);
        Schedule::Enqueue
    }

    /// The future is gone, and the stage holds this outcome if there is a handle.
    #[inline]
    pub(crate) fn complete(&self, outcome: Outcome) {
        let output = u8::from(self.handle.get()) * OUTPUT;
        let bits = (self.bits() & SCHEDULED) | COMPLETE | output | outcome.0;
        self.state.store(bits, Ordering::Release);
    }

    /// Whether an entry stands in the queue. If the task has ended, the entry has the scheduler's
    /// reference.
    #[inline]
    pub(crate) fn is_scheduled(&self) -> bool {
        self.bits() & SCHEDULED != 0
    }

    /// What the task has ended with, if that was not taken yet.
    #[inline]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        Outcome::of(self.bits())
    }

    /// Whether the task has ended. On any thread.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.state.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Claims the right to drop the future outside of a poll. False if it is running or gone.
    pub(crate) fn begin_cancel(&self) -> bool {
        let bits = self.bits();
        if bits & (COMPLETE | RUNNING) != 0 {
            return false;
        }
        self.store(bits | RUNNING | ABORTED);
        true
    }

    /// Whether a `JoinHandle` exists.
    #[inline]
    pub(crate) fn has_handle(&self) -> bool {
        self.handle.get()
    }

    /// Whether nothing is left of the task but its cell: it has ended, and no outcome waits.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.bits() & (COMPLETE | OUTPUT) == COMPLETE
    }

    /// The `JoinHandle` is gone: claims the outcome, as [`Life::take_outcome`] does.
    #[inline]
    pub(crate) fn detach(&self) -> Option<Outcome> {
        self.handle.set(false);
        self.take_outcome()
    }

    /// [`Life::take_outcome`] if that is an output.
    #[inline]
    pub(crate) fn take_output(&self) -> bool {
        let bits = self.bits();
        let has_output = bits & (OUTPUT | PANICKED | CANCELLED) == OUTPUT;
        if has_output {
            self.store(bits & !OUTPUT);
        }
        has_output
    }

    /// Claims the outcome for the one caller that may read or drop it.
    #[inline]
    pub(crate) fn take_outcome(&self) -> Option<Outcome> {
        let bits = self.bits();
        let outcome = Outcome::of(bits)?;
        self.store(bits & !OUTPUT);
        Some(outcome)
    }
}

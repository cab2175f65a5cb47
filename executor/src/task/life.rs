//! The life of a task cell: its reference counts (biased to the owner) and its state bits.
//!
//! Safe code only: it decides, its callers in `cell` and `waker` act. The rules it implements are
//! the numbered ones of [`task`](super).

use crate::limits::MAX_REFERENCES;
use crate::sync::{AtomicU32, AtomicUsize, Cell, Ordering};

/// In `shared`: a `Wake` message of this task is under way (rule 4).
const NOTIFIED: usize = 1;
/// In `shared`: `local` is zero for ever, `shared` alone counts (rules 3 and 6).
const MERGED: usize = 2;
/// In `shared`: one reference.
const ONE: usize = 4;

const SCHEDULED: u32 = 1;
const RUNNING: u32 = 1 << 1;
const COMPLETE: u32 = 1 << 2;
const ABORTED: u32 = 1 << 3;
const HANDLE: u32 = 1 << 4;
const OUTPUT: u32 = 1 << 5;

/// Counts and state of one task.
#[derive(Debug)]
pub(crate) struct Life {
    shared: AtomicUsize,
    local: Cell<u32>,
    state: AtomicU32,
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
    pub(crate) fn new(references: u32, handle: bool) -> Life {
        Life {
            shared: AtomicUsize::new(0),
            local: Cell::new(references),
            state: AtomicU32::new(if handle { HANDLE } else { 0 }),
        }
    }

    // ---- references, owner's side (rule 3) ----

    /// Adds a reference.
    #[inline]
    pub(crate) fn clone_local(&self) {
        let local = self.local.get();
        if local == 0 {
            self.clone_remote();
        } else {
            if local >= MAX_REFERENCES {
                std::process::abort();
            }
            self.local.set(local + 1);
        }
    }

    /// Adds a reference unless none is left: then a `Free` message is under way.
    pub(crate) fn try_clone_local(&self) -> bool {
        if self.local.get() > 0 {
            self.clone_local();
            return true;
        }
        let more = |shared| (shared / ONE > 0).then_some(shared + ONE);
        self.shared.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives back a reference.
    #[inline]
    pub(crate) fn drop_local(&self) -> Dropped {
        let local = self.local.get();
        if local > 1 {
            self.local.set(local - 1);
            return Dropped::Alive;
        }
        // No foreign reference, so this was the only one: nobody is left to race with.
        if local == 1 && self.shared.load(Ordering::Acquire) / ONE == 0 {
            self.local.set(0);
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
            self.shared.fetch_or(MERGED, Ordering::AcqRel) / ONE == 0
        } else {
            self.shared.fetch_sub(ONE, Ordering::AcqRel) / ONE == 1
        }
    }

    /// Rule 6: moves the owner's count into `shared`, once, when the runtime ends.
    #[cold]
    #[inline(never)]
    pub(crate) fn merge_at_close_remote(&self) {
        let local = self.local.replace(0);
        if self.shared.load(Ordering::Relaxed) & MERGED == 0 {
            self.shared.fetch_add(local as usize * ONE + MERGED, Ordering::AcqRel);
        }
    }

    /// Rule 4: a `Wake` message has arrived; wakes from now on need a new one.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_notification_remote(&self) {
        self.shared.fetch_and(!NOTIFIED, Ordering::AcqRel);
    }

    // ---- references, any thread (rule 4) ----

    /// Adds a reference.
    #[cold]
    #[inline(never)]
    pub(crate) fn clone_remote(&self) {
        let before = self.shared.fetch_add(ONE, Ordering::Relaxed);
        if before / ONE >= MAX_REFERENCES as usize {
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
                Ok(_) if next / ONE == 0 && next & MERGED != 0 => return RemoteDropped::SendFree,
                Ok(_) => return RemoteDropped::Alive,
                Err(now) => shared = now,
            }
        }
    }

    /// True if a `Wake` message, which then carries a new reference, must be sent.
    #[cold]
    #[inline(never)]
    pub(crate) fn notify_remote(&self) -> bool {
        let mut shared = self.shared.load(Ordering::Relaxed);
        loop {
            // Already notified: still a read-modify-write, so that what this thread wrote before
            // the wake is visible to the poll that the earlier message causes.
            let next = if shared & NOTIFIED != 0 { shared } else { (shared | NOTIFIED) + ONE };
            match self.shared.compare_exchange_weak(
                shared,
                next,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return next != shared,
                Err(now) => shared = now,
            }
        }
    }

    // ---- state: written by the owner alone with plain stores (rule 8) ----

    #[inline]
    fn bits(&self) -> u32 {
        self.state.load(Ordering::Relaxed)
    }

    #[inline]
    fn store(&self, bits: u32) {
        self.state.store(bits, Ordering::Relaxed);
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
            self.store((bits & !SCHEDULED) | RUNNING);
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

    /// The future is gone; `output` says whether a result lies in the cell. True if the entry in
    /// the queue takes over the scheduler's reference.
    pub(crate) fn complete(&self, output: bool) -> bool {
        let bits = self.bits();
        let output = if output { OUTPUT } else { 0 };
        self.state.store((bits & !RUNNING) | COMPLETE | output, Ordering::Release);
        bits & SCHEDULED != 0
    }

    /// Whether the task has ended. On any thread.
    pub(crate) fn is_complete(&self) -> bool {
        self.state.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Whether the task stands in the queue, or stood there when it ended.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.bits() & SCHEDULED != 0
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
    pub(crate) fn has_handle(&self) -> bool {
        self.bits() & HANDLE != 0
    }

    /// The `JoinHandle` is gone. True if that claims the output, as [`Life::take_output`] does.
    #[inline]
    pub(crate) fn detach(&self) -> bool {
        let bits = self.bits();
        self.store(bits & !(HANDLE | OUTPUT));
        bits & OUTPUT != 0
    }

    /// Claims the output. True for the one caller that may read or drop it.
    pub(crate) fn take_output(&self) -> bool {
        let bits = self.bits();
        self.store(bits & !OUTPUT);
        bits & OUTPUT != 0
    }
}

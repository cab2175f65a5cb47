//! The queue by which other threads reach a loop: unbounded, never blocking, closed at its end.
//!
//! A `SegQueue` in production; under `cfg(loom)` a Treiber stack, which gives weaker guarantees
//! (no order, release/acquire only) and so checks the protocol harder.

use crate::sync::{AtomicBool, Ordering, fence};

/// What the sender of a message must do next.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Nothing: the loop is awake, or somebody has called it already.
    Quiet,
    /// The loop sleeps: wake it.
    WakeOwner,
    /// The loop has ended: take everything out of the inbox and dispose of it here.
    Closed,
}

/// Messages from any thread to one loop.
#[derive(Debug)]
pub(crate) struct Inbox<M> {
    queue: Queue<M>,
    sleeping: AtomicBool,
    closed: AtomicBool,
}

impl<M> Inbox<M> {
    pub(crate) fn new() -> Inbox<M> {
        Inbox {
            queue: Queue::new(),
            sleeping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Adds a message.
    ///
    /// The fence pairs with those in [`Inbox::prepare_sleep`] and [`Inbox::close`]: either the
    /// owner sees the message when it looks once more, or this thread sees the flag.
    pub(crate) fn push(&self, message: M) -> Pushed {
        self.queue.push(message);
        fence(Ordering::SeqCst);
        if self.closed.load(Ordering::Relaxed) {
            // Acquires what the owner did before it closed: the merged counts.
            fence(Ordering::Acquire);
            Pushed::Closed
        } else if self.sleeping.load(Ordering::Relaxed)
            && self.sleeping.swap(false, Ordering::Relaxed)
        {
            Pushed::WakeOwner
        } else {
            Pushed::Quiet
        }
    }

    /// Takes the oldest message.
    pub(crate) fn pop(&self) -> Option<M> {
        self.queue.pop()
    }

    /// Number of messages waiting.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no message waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Announces that the owner is going to block. False if a message is there: do not.
    pub(crate) fn prepare_sleep(&self) -> bool {
        // A read-modify-write, as a sender's own: so the flag's last value is never in doubt.
        self.sleeping.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.queue.is_empty() {
            return true;
        }
        self.woke_up();
        false
    }

    /// The owner is awake again.
    pub(crate) fn woke_up(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// No message will be taken by the owner any more. The caller looks once more afterwards.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Whether the loop has ended. On any thread.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

#[cfg(not(loom))]
type Queue<M> = crossbeam_queue::SegQueue<M>;
#[cfg(loom)]
use super::loom::TreiberStack as Queue;

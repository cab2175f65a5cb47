//! The queue by which other threads reach a loop: unbounded, never blocking, closed at its end.
//!
//! A stack to which a sender adds by one compare-and-swap. Its head also says whether the loop
//! sleeps or has ended, so that the same instruction tells the sender what to do next. The owner
//! takes everything at once: an address that comes back in the head meanwhile misleads nobody.
//!
//! A wake allocates nothing: the task's own header has room for its link (rule 10 of
//! [`task`](super)). Other messages are boxed.
#![allow(unsafe_code, reason = "an intrusive stack; see the unsafe fence in ARCHITECTURE.md")]

use crate::sync::{AtomicPtr, Cell, Ordering, fence};
use crate::task::header::{InboxLink, TaskHeader};
use std::any::Any;
use std::ptr::{self, NonNull};

/// What a message about a task asks for. Each carries one reference; `Free` the right to free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Wake,
    Drop,
    Free,
    /// The `JoinHandle` was dropped elsewhere.
    Detach,
    Abort,
}

/// A message about a task.
#[derive(Debug)]
pub(crate) struct TaskMessage {
    pub(crate) verb: Verb,
    pub(crate) task: NonNull<TaskHeader>,
}

// SAFETY: the reference that travels with the message keeps the cell alive, and a receiver on
// another thread than the owner's uses nothing of it but `life` and `owner` (rule 4).
unsafe impl Send for TaskMessage {}

/// What other threads send to a loop.
pub(crate) enum Message {
    Task(TaskMessage),
    /// `Handle::post`.
    Post(Box<dyn FnOnce() + Send>),
    /// A `Completer` has finished: the key of its completion, and the value unless it was dropped.
    Done(u64, Option<Box<dyn Any + Send>>),
    /// Nothing but a reason to look again.
    Nudge,
}

/// What the sender of a message must do next.
#[must_use]
pub(crate) enum Pushed {
    /// Nothing: the loop is awake, or somebody has called it already.
    Quiet,
    /// The loop sleeps: wake it.
    WakeOwner,
    /// The loop has ended: dispose of the message here.
    Closed(Message),
}

/// Messages from any thread to one loop.
#[derive(Debug)]
pub(crate) struct Inbox {
    head: Line<AtomicPtr<()>>,
    /// What the owner has taken and not handled yet, oldest first. For the owner alone.
    taken: Cell<*mut ()>,
}

/// Lines of the cache of its own: two, as they are fetched in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

/// No entry: a head or link with nothing below. The owner is awake.
const EMPTY: *mut () = ptr::null_mut();
/// A head: no entry, and the owner sleeps until somebody calls it.
const SLEEPING: *mut () = ptr::without_provenance_mut(2);
/// A head: no entry any more.
const CLOSED: *mut () = ptr::without_provenance_mut(4);

/// In an entry's address: it is a letter's. Without, it is a task's, of which a `Wake` is under
/// way.
const LETTER: usize = 1;

/// A message of any other kind.
struct Letter {
    link: InboxLink,
    message: Message,
}

fn is_entry(head: *mut ()) -> bool {
    head.addr() > CLOSED.addr()
}

fn into_entry(message: Message) -> *mut () {
    match message {
        Message::Task(TaskMessage { verb: Verb::Wake, task }) => task.as_ptr().cast(),
        message => {
            let letter = Box::new(Letter { link: Cell::new(EMPTY), message });
            Box::into_raw(letter).wrapping_byte_add(LETTER).cast()
        }
    }
}

fn as_task(entry: *mut ()) -> Option<NonNull<TaskHeader>> {
    if entry.addr() & LETTER == 0 { NonNull::new(entry.cast()) } else { None }
}

/// # Safety
/// It came from [`into_entry`] and has not become a message before.
unsafe fn into_message(entry: *mut ()) -> Message {
    if let Some(task) = as_task(entry) {
        return Message::Task(TaskMessage { verb: Verb::Wake, task });
    }
    // SAFETY: it is the box of `into_entry`, by the contract.
    unsafe { Box::from_raw(entry.wrapping_byte_sub(LETTER).cast::<Letter>()) }.message
}

/// # Safety
/// It came from [`into_entry`] and has not become a message again; the link is the caller's now:
/// that is the sender up to the push, then the owner (rule 10).
unsafe fn link<'a>(entry: *mut ()) -> &'a InboxLink {
    if let Some(task) = as_task(entry) {
        // SAFETY: the message's reference keeps the cell alive.
        return unsafe { TaskHeader::inbox_link(task) };
    }
    // SAFETY: the box of `into_entry`, which is there until it becomes a message.
    unsafe { &(*entry.wrapping_byte_sub(LETTER).cast::<Letter>()).link }
}

impl Inbox {
    /// That of a loop which does not run yet: it sleeps.
    pub(crate) fn new() -> Inbox {
        Inbox { head: Line(AtomicPtr::new(SLEEPING)), taken: Cell::new(EMPTY) }
    }

    /// Adds a message, on any thread. Without a reference of its own to the core a sender uses
    /// nothing of it after this.
    pub(crate) fn push(&self, message: Message) -> Pushed {
        let head = &self.head.0;
        let entry = into_entry(message);
        // Loom is not told to look: of two accesses in a row by one thread it remembers the second,
        // and would not see that another thread's can come between.
        let mut found = if cfg!(loom) { EMPTY } else { head.load(Ordering::Relaxed) };
        while found != CLOSED {
            let below = if found == SLEEPING { EMPTY } else { found };
            // SAFETY: made above, and not pushed yet.
            unsafe { link(entry) }.set(below);
            match head.compare_exchange_weak(found, entry, Ordering::Release, Ordering::Relaxed) {
                Ok(_) if found == SLEEPING => return Pushed::WakeOwner,
                Ok(_) => return Pushed::Quiet,
                Err(now) => found = now,
            }
        }
        // After what the owner did before it closed: the merged counts.
        fence(Ordering::Acquire);
        // SAFETY: made above, and not pushed.
        Pushed::Closed(unsafe { into_message(entry) })
    }

    /// Whether the loop has ended. On any thread.
    pub(crate) fn is_closed(&self) -> bool {
        self.head.0.load(Ordering::Acquire) == CLOSED
    }

    // ---- the owner's side ----

    /// Whether no message waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken.get().is_null() && !self.has_arrived()
    }

    fn has_arrived(&self) -> bool {
        is_entry(self.head.0.load(Ordering::Relaxed))
    }

    /// Takes what there is at this moment, for [`next`](Inbox::next). Only what was taken earlier
    /// and not handled, if there is any.
    pub(crate) fn take(&self) {
        if self.taken.get().is_null() && self.has_arrived() {
            self.take_remote();
        }
    }

    #[cold]
    #[inline(never)]
    fn take_remote(&self) {
        self.keep(self.head.0.swap(EMPTY, Ordering::Acquire));
    }

    /// Keeps a stack in the order in which it was built.
    fn keep(&self, newest: *mut ()) {
        let mut entry = newest;
        while is_entry(entry) {
            // SAFETY: taken from the head, where senders put entries; so it is ours now.
            let below = unsafe { link(entry) }.replace(self.taken.get());
            self.taken.set(entry);
            entry = below;
        }
    }

    /// The oldest message that was taken.
    pub(crate) fn next(&self) -> Option<Message> {
        let entry = self.taken.get();
        if entry.is_null() {
            return None;
        }
        // SAFETY: `keep` has put it there.
        self.taken.set(unsafe { link(entry) }.get());
        // SAFETY: as above; it is in no list any more.
        Some(unsafe { into_message(entry) })
    }

    /// The oldest message of all.
    pub(crate) fn pop(&self) -> Option<Message> {
        self.take();
        self.next()
    }

    /// Announces that the owner is going to block, or that the loop does not run any more. False if
    /// a message is there: do not block.
    pub(crate) fn prepare_sleep(&self) -> bool {
        self.taken.get().is_null() && self.replace(EMPTY, SLEEPING)
    }

    /// The owner is awake again. Somebody may have seen to that.
    pub(crate) fn woke_up(&self) {
        self.replace(SLEEPING, EMPTY);
    }

    #[cold]
    #[inline(never)]
    fn replace(&self, old: *mut (), new: *mut ()) -> bool {
        self.head.0.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Accepts no message any more, and takes those that are there.
    pub(crate) fn close(&self) {
        self.keep(self.head.0.swap(CLOSED, Ordering::AcqRel));
    }
}

//! The registry of live runtimes: where a handle dropped on a foreign thread leaves its slot.
//!
//! Handles (sockets, sleeps) are `Send`, their slots are not. A handle that dies away from its
//! runtime therefore looks the runtime up by number here and queues what must be freed; the
//! runtime's next [`wait`](crate::Reactor::wait) frees it. A number is never reused, so once a
//! runtime has gone such drops find nothing and do nothing.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_queue::SegQueue;
use mio::event::Source;
use mio::{Poll, Registry, Token, Waker};

/// The token of the notifier; no source can have it (see `source::Key`).
pub(crate) const NOTIFIER: Token = Token(usize::MAX);

static NEXT_RUNTIME_ID: AtomicU64 = AtomicU64::new(1);

/// Cold: locked when a runtime starts or ends, and when a handle dies on a foreign thread.
static INBOXES: Mutex<BTreeMap<u64, Arc<Inbox>>> = Mutex::new(BTreeMap::new());

/// Something that a handle dropped on a foreign thread gives back to its runtime.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Released {
    /// The slot of an I/O source: its token.
    Source(usize),
    /// A timer's key, in the numbering of the executor
    /// (see [`Reactor::take_released_timers`](crate::Reactor::take_released_timers)).
    Timer(u64),
}

/// Gives `item` back to the runtime `runtime_id` and wakes its loop. Callable from every thread.
///
/// Does nothing when that runtime has gone: its slots went with it.
pub fn release(runtime_id: u64, item: Released) {
    with_inbox_remote(runtime_id, |inbox| inbox.push(item));
}

/// Takes a foreign `source` out of the selector of its runtime and gives its slot back.
///
/// Closing a descriptor ends its registration too, but only with its last duplicate, and a
/// [`Registration`](crate::Registration) need not own what it registers.
pub(crate) fn release_source(runtime_id: u64, token: usize, source: &mut dyn Source) {
    with_inbox_remote(runtime_id, |inbox| {
        // An error means that it is not registered any more, which is what is asked for.
        let _ = inbox.registry.deregister(source);
        inbox.push(Released::Source(token));
    });
}

/// The part of a reactor that other threads can reach.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The runtime's number.
    pub(crate) id: u64,
    /// A second handle to the selector: registering needs no borrow of the reactor's `Poll`.
    pub(crate) registry: Registry,
    waker: Waker,
    /// The waker was used since the owner last looked at the selector. Set after the fact: while
    /// it is not set, the selector has nothing of the waker's, or will be told again.
    notified: AtomicBool,
    queue: SegQueue<Released>,
}

impl Inbox {
    /// Makes the inbox of a new runtime around `poll` and enters it into the registry.
    pub(crate) fn open(poll: &Poll) -> io::Result<Arc<Inbox>> {
        let inbox = Arc::new(Inbox {
            // Relaxed: the number only has to be unique.
            id: NEXT_RUNTIME_ID.fetch_add(1, Ordering::Relaxed),
            registry: poll.registry().try_clone()?,
            waker: Waker::new(poll.registry(), NOTIFIER)?,
            notified: AtomicBool::new(false),
            queue: SegQueue::new(),
        });
        inboxes().insert(inbox.id, inbox.clone());
        Ok(inbox)
    }

    /// Takes the runtime out of the registry.
    pub(crate) fn close(&self) {
        let removed = inboxes().remove(&self.id);
        drop(removed);
    }

    /// Makes the wait of the loop return, the current one or the next.
    pub(crate) fn notify(&self) {
        // Can fail only when the selector is gone, and then nobody waits.
        let _ = self.waker.wake();
        self.notified.store(true, Ordering::Release);
    }

    /// Whether the selector may have an event of the notifier's. The caller looks at it then.
    pub(crate) fn take_notified(&self) -> bool {
        self.notified.load(Ordering::Relaxed) && self.take_notified_remote()
    }

    #[cold]
    #[inline(never)]
    fn take_notified_remote(&self) -> bool {
        self.notified.swap(false, Ordering::Acquire)
    }

    /// Whether nothing was given back. Whoever gives something back notifies: what is missed here
    /// is seen after the next wait.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What was given back, oldest first.
    pub(crate) fn pop(&self) -> Option<Released> {
        // The loop asks twice a turn, nearly always in vain: looking needs no fence, popping does.
        if self.queue.is_empty() { None } else { self.queue.pop() }
    }

    fn push(&self, item: Released) {
        self.queue.push(item);
        self.notify();
    }
}

/// Out of line: locked instructions are kept out of what the owner runs.
#[cold]
#[inline(never)]
fn with_inbox_remote(runtime_id: u64, f: impl FnOnce(&Inbox)) {
    let inbox = inboxes().get(&runtime_id).cloned();
    if let Some(inbox) = inbox {
        f(&inbox);
    }
}

fn inboxes() -> MutexGuard<'static, BTreeMap<u64, Arc<Inbox>>> {
    // No code that can panic runs under the lock; were it poisoned, the map would still be whole.
    INBOXES.lock().unwrap_or_else(PoisonError::into_inner)
}

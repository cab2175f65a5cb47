//! The wakers that wait for one direction of one source.
//!
//! Nearly always there is at most one, so the first has a place of its own and the others, for
//! example several tasks that accept from one listener, share a list. Every future of this crate
//! has a ticket and takes its waker back when it is dropped, so the list is no longer than the
//! futures alive; the `poll_*` functions share one ticket, where the last caller wins, as in tokio.
//!
//! Wakers of the runtime's own tasks stay in the first place after they were woken, resting: a
//! task that waits again, as a connection does for its next message, then only puts its ticket
//! beside them. For that, the place is seen from the handle as well as from the slot: a [`Place`].
//!
//! Nothing here calls into a waker while a caller's borrow can be held: what is replaced or taken
//! is returned. The exception is the wake of one of the runtime's own, which runs no user code.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{RawWakerVTable, Waker};

use lunation_context::contain;

/// Who waits: the number of the wait, which tells the order of waits, and beside it whether it is
/// one of the `poll_*` functions; or nobody.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(u64);

impl Ticket {
    pub(crate) const NOBODY: Ticket = Ticket(0);
    /// The `poll_*` functions, before they wait.
    pub(crate) const SHARED: Ticket = Ticket(1);

    /// Whether it is nobody's.
    #[inline]
    pub(crate) fn is_nobody(self) -> bool {
        self == Ticket::NOBODY
    }

    /// Begins a wait: gives it a number unless it has one.
    #[inline]
    pub(crate) fn begin(&mut self) -> Ticket {
        if self.number() == 0 {
            WAITS.set(WAITS.get() + 1);
            self.0 |= WAITS.get() << 1;
        }
        *self
    }

    fn number(self) -> u64 {
        self.0 >> 1
    }

    /// Whether this one and that one, who is somebody, are the same to those who wake.
    #[inline]
    fn is(self, other: Ticket) -> bool {
        self == other || self.0 & other.0 & Ticket::SHARED.0 != 0
    }
}

thread_local! {
    /// The number of the last wait.
    static WAITS: Cell<u64> = const { Cell::new(0) };
}

/// How many waits have begun on this thread.
#[inline]
pub(crate) fn waits_begun() -> u64 {
    WAITS.get()
}

/// Who waits in the first place, and with which waker. Used by the source's thread alone, by plain
/// loads and stores.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Place {
    ticket: AtomicU64,
    /// Data and table of the waker that lies there, as numbers, to be compared; it may rest.
    data: AtomicUsize,
    table: AtomicUsize,
}

impl Place {
    /// Whether `ticket` waits from now on because a waker that wakes what `waker` would is there:
    /// its own, or one that rests.
    #[inline]
    pub(crate) fn hold(&self, ticket: &mut Ticket, waker: &Waker) -> bool {
        let (data, table) = numbers(waker);
        if self.data.load(Relaxed) != data || self.table.load(Relaxed) != table {
            return false;
        }
        if self.is_free() {
            self.ticket.store(ticket.begin().0, Relaxed);
            return true;
        }
        self.ticket().is(*ticket)
    }

    fn ticket(&self) -> Ticket {
        Ticket(self.ticket.load(Relaxed))
    }

    /// Whether nobody waits here.
    #[inline]
    pub(crate) fn is_free(&self) -> bool {
        self.ticket().is_nobody()
    }

    /// Lets `ticket` wait with `waker`, which lies in the slot from now on. Another waker for the
    /// same wait leaves it its number.
    fn put(&self, ticket: Ticket, waker: &Waker) {
        let (data, table) = numbers(waker);
        self.data.store(data, Relaxed);
        self.table.store(table, Relaxed);
        if self.is_free() {
            self.ticket.store(ticket.0, Relaxed);
        }
    }

    /// Nobody waits any more; the waker rests.
    fn rest(&self) {
        self.ticket.store(Ticket::NOBODY.0, Relaxed);
    }

    /// No waker is here.
    pub(crate) fn clear(&self) {
        self.rest();
        // No waker has a table at 0.
        self.table.store(0, Relaxed);
    }
}

fn numbers(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}

/// One who waits beside the first.
#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    waker: Waker,
}

/// The waiting wakers of one direction.
// In this order: the first is what an event looks at.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Its ticket is in the place.
    first: Option<Waker>,
    rest: Vec<Waiter>,
}

impl Waiters {
    /// Whether nobody waits.
    pub(crate) fn is_empty(&self, place: &Place) -> bool {
        place.is_free() && self.rest.is_empty()
    }

    /// Whether `ticket` waits already, beside the first, with a waker that wakes what `waker`
    /// would.
    pub(crate) fn hold(&self, ticket: Ticket, waker: &Waker) -> bool {
        self.rest.iter().any(|it| it.ticket.is(ticket) && it.waker.will_wake(waker))
    }

    /// Lets `ticket` wait with `waker` and returns the waker it had before, or one that rested.
    pub(crate) fn store(&mut self, place: &Place, ticket: Ticket, waker: Waker) -> Option<Waker> {
        if let Some(old) = self.rest.iter_mut().find(|it| it.ticket.is(ticket)) {
            return Some(std::mem::replace(&mut old.waker, waker));
        }
        if place.is_free() || place.ticket().is(ticket) {
            place.put(ticket, &waker);
            self.first.replace(waker)
        } else {
            self.rest.push(Waiter { ticket, waker });
            None
        }
    }

    /// Ends the wait of `ticket` and returns its waker.
    pub(crate) fn forget(&mut self, place: &Place, ticket: Ticket) -> Option<Waker> {
        if place.ticket() == ticket {
            place.clear();
            return self.first.take();
        }
        let at = self.rest.iter().position(|it| it.ticket == ticket)?;
        Some(self.rest.remove(at).waker)
    }

    /// All who wait: the numbers of their waits, and their wakers.
    pub(crate) fn iter(&self, place: &Place) -> impl Iterator<Item = (u64, &Waker)> {
        let first = self.first.as_ref().filter(|_| !place.is_free());
        let first = first.map(|waker| (place.ticket(), waker));
        let rest = self.rest.iter().map(|it| (it.ticket, &it.waker));
        first.into_iter().chain(rest).map(|(ticket, waker)| (ticket.number(), waker))
    }

    /// Whether waking all who wait is [waking in place](Self::wake_in_place): at most one waits,
    /// and no waker is there but such as have the table `own`.
    pub(crate) fn is_plain(&self, own: Option<&'static RawWakerVTable>) -> bool {
        let is_own = |waker: &Waker| own.is_some_and(|own| ptr::eq(waker.vtable(), own));
        self.rest.is_empty() && self.first.as_ref().is_none_or(is_own)
    }

    /// Wakes who waits in the first place, with a waker that runs no user code. It stays, to rest.
    #[inline]
    pub(crate) fn wake_in_place(&self, place: &Place) {
        place.rest();
        if let Some(waker) = &self.first {
            waker.wake_by_ref();
        }
    }

    /// Takes out all who wait.
    pub(crate) fn take(&mut self, place: &Place) -> Waking {
        let waits = !place.is_free();
        let first = if waits { self.first.take() } else { None };
        if waits {
            place.clear();
        }
        Waking { first, rest: std::mem::take(&mut self.rest) }
    }
}

/// Those who are to be woken.
#[derive(Debug, Default)]
pub(crate) struct Waking {
    first: Option<Waker>,
    rest: Vec<Waiter>,
}

impl Waking {
    /// Whether it is nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_empty()
    }

    /// Wakes them, all of them: a panic of one is a failure of the resource that is current. User
    /// code may run: hold no borrow.
    pub(crate) fn wake(self) {
        for waker in self.first.into_iter().chain(self.rest.into_iter().map(|it| it.waker)) {
            contain(|| waker.wake());
        }
    }
}

//! The wakers that wait for one direction of one source.
//!
//! Nearly always there is at most one, so the first has a place of its own and the others, for
//! example several tasks that accept from one listener, share a list. Every future of this crate
//! has a ticket and takes its waker back when it is dropped, so the list is no longer than the
//! futures alive; the `poll_*` functions share ticket 0, where the last caller wins, as in tokio.
//!
//! Nothing here calls into a waker while a caller's borrow can be held: what is replaced or taken
//! is returned.

use std::task::Waker;

/// Who waits: 0 for the `poll_*` functions, else one future.
pub(crate) type Ticket = u64;

/// The ticket of the `poll_*` functions.
pub(crate) const SHARED: Ticket = 0;

/// One who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    ticket: Ticket,
    /// The number of this wait among all of the reactor: tells when it began.
    pub(crate) number: u64,
    pub(crate) waker: Waker,
}

/// The waiting wakers of one direction.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    first: Option<Waiter>,
    rest: Vec<Waiter>,
}

impl Waiters {
    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_empty()
    }

    /// Whether `ticket` waits already with a waker that wakes what `waker` would.
    pub(crate) fn holds(&self, ticket: Ticket, waker: &Waker) -> bool {
        self.iter().any(|it| it.ticket == ticket && it.waker.will_wake(waker))
    }

    /// All who wait.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.first.iter().chain(&self.rest)
    }

    /// Lets `ticket` wait with `waker` and returns the waker it had before, whose wait goes on.
    pub(crate) fn store(&mut self, ticket: Ticket, number: u64, waker: Waker) -> Option<Waker> {
        let mut held = self.first.iter_mut().chain(&mut self.rest);
        if let Some(old) = held.find(|it| it.ticket == ticket) {
            return Some(std::mem::replace(&mut old.waker, waker));
        }
        drop(held);
        let waiter = Waiter { ticket, number, waker };
        match &self.first {
            None => self.first = Some(waiter),
            Some(_) => self.rest.push(waiter),
        }
        None
    }

    /// Ends the wait of `ticket` and returns its waker.
    pub(crate) fn forget(&mut self, ticket: Ticket) -> Option<Waker> {
        let waiter = match &self.first {
            Some(first) if first.ticket == ticket => self.first.take()?,
            _ => {
                let at = self.rest.iter().position(|it| it.ticket == ticket)?;
                self.rest.remove(at)
            }
        };
        Some(waiter.waker)
    }

    /// Wakes all. User code may run: hold no borrow.
    pub(crate) fn wake(self) {
        for waiter in self.first.into_iter().chain(self.rest) {
            waiter.waker.wake();
        }
    }
}

//! The system's selector, and the events it gave that nobody has taken yet.
//!
//! They are taken where the system has put them. Taking one may run user code, which may panic, or
//! come here again and then find nothing to do.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use mio::{Events, Poll};

use crate::readiness::Ready;
use crate::release::NOTIFIER;
use crate::source::Key;

/// Events taken from the system per look. Between 256 and 1024 no difference was measurable.
const EVENTS_PER_LOOK: usize = 1024;

/// See the [module](self).
pub(crate) struct Selector {
    poll: RefCell<Poll>,
    /// What the last look has brought. Borrowed while it is taken.
    events: RefCell<Events>,
    /// How much of it was taken.
    taken: Cell<usize>,
}

impl Selector {
    pub(crate) fn new(poll: Poll) -> Selector {
        Selector {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS_PER_LOOK)),
            taken: Cell::new(0),
        }
    }

    /// Whether no event is left. Not while they are taken.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.events.try_borrow().is_ok_and(|events| events.is_empty() || self.is_over(&events))
    }

    /// Whether all of `events` were taken that are of sources.
    #[inline(never)]
    fn is_over(&self, events: &Events) -> bool {
        events.iter().skip(self.taken.get()).all(|event| event.token() == NOTIFIER)
    }

    /// Asks the system for events, at most `timeout` long. A signal counts as none. Only for when
    /// no event is left.
    pub(crate) fn look(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.taken.set(0);
        match self.poll.borrow_mut().poll(&mut self.events.borrow_mut(), timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Gives `take` one event after the other until it says `false`: then the others are left, as
    /// they are when it panics. Does nothing inside of `take`.
    #[inline]
    pub(crate) fn take_each(&self, mut take: impl FnMut(Key, Ready) -> bool) {
        let Ok(mut events) = self.events.try_borrow_mut() else { return };
        let mut left = events.iter();
        if self.taken.get() > 0 {
            left.nth(self.taken.get() - 1);
        }
        for event in left {
            self.taken.set(self.taken.get() + 1);
            if !take(Key(event.token().0), Ready::of(event)) {
                return;
            }
        }
        events.clear();
        self.taken.set(0);
    }

    /// Forgets all events.
    pub(crate) fn clear(&self) {
        if let Ok(mut events) = self.events.try_borrow_mut() {
            events.clear();
        }
    }
}

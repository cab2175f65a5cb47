//! The system's selector, and the events it gave that nobody has taken yet.
//!
//! They are taken where the system has put them. Taking one may run user code, which may look for
//! more, or unwind: no borrow is held meanwhile, and no event gets lost.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::mem;
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
    /// What the last look has brought. Without capacity while a [`Batch`] has it.
    events: RefCell<Events>,
    /// What comes before them.
    earlier: RefCell<VecDeque<(Key, Ready)>>,
}

impl Selector {
    pub(crate) fn new(poll: Poll) -> Selector {
        Selector {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS_PER_LOOK)),
            earlier: RefCell::default(),
        }
    }

    /// Whether no event is left.
    pub(crate) fn is_empty(&self) -> bool {
        let is_notification = |event: &mio::event::Event| event.token() == NOTIFIER;
        self.earlier.borrow().is_empty() && self.events.borrow().iter().all(is_notification)
    }

    /// Adds an event that the system knows nothing of.
    pub(crate) fn push(&self, key: Key, event: Ready) {
        self.earlier.borrow_mut().push_back((key, event));
    }

    /// Forgets all events.
    pub(crate) fn clear(&self) {
        self.earlier.take();
        self.events.borrow_mut().clear();
    }

    /// Asks the system for events, at most `timeout` long. A signal counts as none.
    pub(crate) fn look(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = self.events.borrow_mut();
        self.keep(&mut events, 0);
        if events.capacity() == 0 {
            *events = Events::with_capacity(EVENTS_PER_LOOK);
        }
        match self.poll.borrow_mut().poll(&mut events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Takes the oldest of the events that come before those of the last look.
    #[inline]
    pub(crate) fn pop_earlier(&self) -> Option<(Key, Ready)> {
        self.earlier.borrow_mut().pop_front()
    }

    /// Gives `take` one event of the last look after the other until it says `false`.
    #[inline]
    pub(crate) fn take_each(&self, mut take: impl FnMut(Key, Ready) -> bool) {
        let events = self.events.replace(Events::with_capacity(0));
        let mut batch = Batch { selector: self, events, taken: 0 };
        for event in &batch.events {
            batch.taken += 1;
            if !take(Key(event.token().0), Ready::of(event)) {
                return;
            }
        }
        batch.events.clear();
    }

    /// Puts aside all events but the first `taken`.
    fn keep(&self, events: &mut Events, taken: usize) {
        if events.is_empty() {
            return;
        }
        let left = events.iter().skip(taken).filter(|event| event.token() != NOTIFIER);
        let left = left.map(|event| (Key(event.token().0), Ready::of(event)));
        self.earlier.borrow_mut().extend(left);
        events.clear();
    }
}

/// Events on their way out. What is left of them when this is dropped, also by unwinding, comes
/// first the next time.
struct Batch<'a> {
    selector: &'a Selector,
    events: Events,
    taken: usize,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.selector.keep(&mut self.events, self.taken);
        let mut newer = self.selector.events.borrow_mut();
        // What somebody has looked for meanwhile.
        self.selector.keep(&mut newer, 0);
        mem::swap(&mut *newer, &mut self.events);
    }
}

//! Failures nobody waits for, on their way to the handler.

use crate::handlers::Handlers;
use crate::unhandled::{Failing, Origin, Unhandled};
use lunation_context::Activation;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// The failures of one loop.
#[derive(Default)]
pub(crate) struct Failures {
    /// Tasks that failed; each with an activation of its own for the handler to run in.
    later: RefCell<VecDeque<(Unhandled, Activation)>>,
    /// How many they are: every drain asks.
    count: Cell<usize>,
    handlers: RefCell<Option<Rc<Handlers>>>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

impl Failures {
    /// Sets or removes the handlers. The old ones are returned for the caller to drop.
    pub(crate) fn set_handlers(&self, handlers: Option<Rc<Handlers>>) -> Option<Rc<Handlers>> {
        self.handlers.replace(handlers)
    }

    /// Who hears of failures and warnings; nobody at the end of the runtime.
    pub(crate) fn handlers(&self) -> Option<Rc<Handlers>> {
        self.handlers.borrow().clone()
    }

    /// A task failed that nobody can join: handled when this drain has ended.
    #[cold]
    pub(crate) fn later(&self, activation: &Activation, payload: Box<dyn Any + Send>) {
        let failure = (activation.failed(Origin::UnhandledRejection, payload), activation.again());
        self.later.borrow_mut().push_back(failure);
        self.count.set(self.count.get() + 1);
    }

    /// Whether a failure waits for the end of the drain.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    /// Takes the oldest failure and handles it in its task's resource. True if the loop must stop.
    pub(crate) fn handle_next(&self) -> bool {
        let next = self.later.borrow_mut().pop_front();
        match next {
            Some((unhandled, activation)) => {
                self.count.set(self.count.get() - 1);
                activation.enter(|| self.handle(unhandled))
            }
            None => false,
        }
    }

    /// Hands a failure to the handler, here and now. True if the loop must stop.
    #[cold]
    pub(crate) fn handle(&self, unhandled: Unhandled) -> bool {
        let handlers = self.handlers();
        // Handlers' panics are caught there; what may panic yet is the drop of the payload.
        let handled =
            AssertUnwindSafe(move || handlers.and_then(|handlers| handlers.decide(unhandled)));
        let Some(payload) = catch_unwind(handled).unwrap_or_else(Some) else { return false };
        match self.panic.take() {
            // The first one leaves the loop; there is no way to throw two.
            Some(first) => {
                self.panic.set(Some(first));
                if let Err(again) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
                    std::mem::forget(again);
                }
            }
            None => self.panic.set(Some(payload)),
        }
        true
    }

    /// The panic that is to leave the loop.
    pub(crate) fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.panic.take()
    }
}

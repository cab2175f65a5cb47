//! Who hears of failures and warnings, and who decides what becomes of them.

use crate::unhandled::{Origin, Unhandled, UnhandledPanic, UnhandledRejections};
use lunation_context::{Warning, emit_warning};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

type Listener<T> = Box<dyn Fn(&T)>;
type Decider = Box<dyn Fn(&Unhandled) -> UnhandledPanic>;
/// Answers whether it has handled the failure.
pub(crate) type Capture = Rc<dyn Fn(&Unhandled) -> bool>;

/// The handlers of one runtime.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) monitors: Vec<Listener<Unhandled>>,
    pub(crate) unhandled: Option<Decider>,
    pub(crate) rejection: Option<Listener<Unhandled>>,
    pub(crate) mode: UnhandledRejections,
    pub(crate) warning: Option<Listener<Warning>>,
    /// In the order in which they were added.
    captures: RefCell<Vec<Capture>>,
    /// The handler of warnings is running.
    is_warning: Cell<bool>,
}

impl Handlers {
    /// None to go on, or the panic that is to leave the loop: the failure's or a handler's own.
    pub(crate) fn decide(&self, failure: Unhandled) -> Option<Box<dyn Any + Send>> {
        match catch_unwind(AssertUnwindSafe(|| self.answer(&failure))) {
            Ok(UnhandledPanic::Continue) => None,
            Ok(UnhandledPanic::Propagate) => Some(failure.into_payload()),
            Err(payload) => Some(payload),
        }
    }

    fn answer(&self, failure: &Unhandled) -> UnhandledPanic {
        self.monitors.iter().for_each(|monitor| monitor(failure));
        match failure.origin() {
            Origin::UncaughtException => self.uncaught(failure),
            Origin::UnhandledRejection => self.rejected(failure),
        }
    }

    fn rejected(&self, failure: &Unhandled) -> UnhandledPanic {
        let listener = self.rejection.as_ref();
        match (self.mode, listener) {
            (UnhandledRejections::Throw, None) => return self.uncaught(failure),
            (UnhandledRejections::Strict, _) => {
                if self.uncaught(failure) == UnhandledPanic::Propagate {
                    return UnhandledPanic::Propagate;
                }
            }
            (UnhandledRejections::Warn, _) => {
                emit_warning(&Warning::new("UnhandledRejection", failure.to_string()));
            }
            (UnhandledRejections::Throw | UnhandledRejections::None, _) => {}
        }
        if let Some(listener) = listener {
            listener(failure);
        }
        UnhandledPanic::Continue
    }

    fn uncaught(&self, failure: &Unhandled) -> UnhandledPanic {
        // A copy: a callback may add or remove some.
        let captures = self.captures.borrow().clone();
        if captures.iter().rev().any(|capture| capture(failure)) {
            return UnhandledPanic::Continue;
        }
        match &self.unhandled {
            Some(handler) => handler(failure),
            None => {
                emit_warning(&Warning::new("UnhandledPanic", failure.to_string()));
                UnhandledPanic::Continue
            }
        }
    }

    pub(crate) fn add_capture(&self, capture: Capture) {
        self.captures.borrow_mut().push(capture);
    }

    /// Takes one out, for the caller to drop.
    pub(crate) fn remove_capture(&self, capture: &Capture) -> Option<Capture> {
        let mut captures = self.captures.borrow_mut();
        let place = captures.iter().position(|known| Rc::ptr_eq(known, capture))?;
        Some(captures.remove(place))
    }

    /// Gives a warning to the handler, and a panic of it to `fail`. False: nobody wants this one,
    /// or it comes from the handler itself, which must not go round for ever.
    pub(crate) fn warn(&self, warning: &Warning, fail: impl FnOnce(Box<dyn Any + Send>)) -> bool {
        let Some(handler) = self.warning.as_ref().filter(|_| !self.is_warning.get()) else {
            return false;
        };
        self.is_warning.set(true);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handler(warning))) {
            fail(payload);
        }
        self.is_warning.set(false);
        true
    }
}

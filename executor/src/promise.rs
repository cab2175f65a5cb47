//! One value on its way from a callback to the task that waits for it.

use crate::callback::Closure;
use crate::job::{Call, Waiter};
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

enum State<T> {
    Pending(Option<Waker>),
    Settled(T),
    /// The value was taken.
    Taken,
}

/// What a callback settles and a future waits for.
pub(crate) struct Promise<T>(Cell<State<T>>);

impl<T> Promise<T> {
    pub(crate) fn new() -> Rc<Promise<T>> {
        Rc::new(Promise(Cell::new(State::Pending(None))))
    }

    /// Gives it its value and wakes who waits. Only the first value counts.
    pub(crate) fn settle(&self, value: T) {
        match self.0.replace(State::Taken) {
            State::Pending(waker) => {
                self.0.set(State::Settled(value));
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            settled => self.0.set(settled),
        }
    }

    /// A callback that settles it, and knows who waits.
    pub(crate) fn settler(self: &Rc<Self>, value: T) -> Settler<T> {
        Settler { promise: Rc::clone(self), value: Cell::new(Some(value)) }
    }

    fn waiter(&self) -> Option<Waiter> {
        let state = self.0.replace(State::Taken);
        let waiter = match &state {
            State::Pending(waker) => waker.as_ref().map(Waker::data),
            State::Settled(_) | State::Taken => None,
        };
        self.0.set(state);
        waiter
    }

    /// # Panics
    /// If the value was taken already.
    #[track_caller]
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<T> {
        // Outside of any state: a foreign waker may do anything when it is cloned or dropped.
        let waker = context.waker().clone();
        match self.0.replace(State::Taken) {
            State::Settled(value) => Poll::Ready(value),
            State::Taken => panic!("a future was polled after it had ended"),
            State::Pending(old) => {
                self.0.set(State::Pending(Some(waker)));
                drop(old);
                Poll::Pending
            }
        }
    }
}

/// The callback of [`Promise::settler`].
pub(crate) struct Settler<T> {
    promise: Rc<Promise<T>>,
    value: Cell<Option<T>>,
}

impl<T> Closure for Settler<T> {
    fn call(&self) {
        if let Some(value) = self.value.take() {
            self.promise.settle(value);
        }
    }

    fn forget(&self) {
        drop(self.value.take());
    }

    fn waiter(&self) -> Option<Waiter> {
        self.promise.waiter()
    }
}

impl<T> Call for Settler<T> {
    fn call(&mut self) {
        Closure::call(self);
    }

    fn waiter(&self) -> Option<Waiter> {
        self.promise.waiter()
    }
}

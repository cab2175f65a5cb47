//! The graceful stop: tells every connection to finish what it has begun.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::task::{Context, Waker};

use lunation_context::AsyncId;

/// Whether the server stops, and which connections want to know.
#[derive(Debug, Default)]
pub(super) struct Stop {
    begun: Cell<bool>,
    /// By the connection's socket.
    waiting: RefCell<HashMap<AsyncId, Waker>>,
}

impl Stop {
    /// The connection of `socket` wants to know.
    pub(super) fn register(&self, socket: AsyncId) -> Registered<'_> {
        Registered { stop: self, socket, waits: false }
    }

    /// Stops.
    pub(super) fn begin(&self) {
        self.begun.set(true);
        let waiting = self.waiting.take();
        waiting.into_values().for_each(Waker::wake);
    }
}

/// A connection that is told of the stop. Leaves when the connection ends, however it does.
#[derive(Debug)]
pub(super) struct Registered<'a> {
    stop: &'a Stop,
    socket: AsyncId,
    waits: bool,
}

impl Registered<'_> {
    /// Whether the server stops. If not, the connection is woken once it does.
    #[inline]
    pub(super) fn has_begun(&mut self, cx: &Context<'_>) -> bool {
        let begun = self.stop.begun.get();
        if !self.waits && !begun {
            self.wait(cx);
        }
        begun
    }

    #[cold]
    #[inline(never)]
    fn wait(&mut self, cx: &Context<'_>) {
        // Outside of the borrow: a waker may do anything when it is cloned. A task's waker stays
        // the same.
        let waker = cx.waker().clone();
        self.stop.waiting.borrow_mut().insert(self.socket, waker);
        self.waits = true;
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let waker = self.stop.waiting.borrow_mut().remove(&self.socket);
        drop(waker);
    }
}

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
    /// Whether the server stops. If not, the connection is woken once it does, until
    /// [`leave`](Self::leave).
    pub(super) fn has_begun(&self, socket: AsyncId, cx: &Context<'_>) -> bool {
        if !self.begun.get() && !self.waiting.borrow().contains_key(&socket) {
            // Outside of the borrow: a waker may do anything when it is cloned. A task's waker
            // stays the same.
            let waker = cx.waker().clone();
            self.waiting.borrow_mut().insert(socket, waker);
        }
        self.begun.get()
    }

    /// The connection has ended.
    pub(super) fn leave(&self, socket: AsyncId) {
        let waker = self.waiting.borrow_mut().remove(&socket);
        drop(waker);
    }

    /// Stops.
    pub(super) fn begin(&self) {
        self.begun.set(true);
        let waiting = self.waiting.take();
        waiting.into_values().for_each(Waker::wake);
    }
}

//! The inbox of loom models, and the models.

use crate::sync::{AtomicUsize, Ordering};
use std::sync::Mutex;

#[cfg(test)]
mod tests;

/// The inbox's queue in a model: a Treiber stack in place of `SegQueue`, which loom cannot look
/// into. It promises less: no order, and nothing is ordered but by release and acquire of its head.
///
/// Its nodes lie in a table that only grows. The table is std's, so loom sees neither switches nor
/// synchronisation in it: all that orders messages is the head. (In a model all threads share one
/// thread of the system, so the lock is never contended.)
pub(crate) struct TreiberStack<M> {
    /// Number of the newest node, counted from one; zero if there is none.
    head: AtomicUsize,
    nodes: Mutex<Vec<Node<M>>>,
}

struct Node<M> {
    /// None once it was taken out.
    message: Option<M>,
    /// Number of the node below.
    below: usize,
}

impl<M> TreiberStack<M> {
    pub(crate) fn new() -> TreiberStack<M> {
        TreiberStack { head: AtomicUsize::new(0), nodes: Mutex::new(Vec::new()) }
    }

    /// Lets `f` use the table; `f` must not use anything of loom's.
    fn with<R>(&self, f: impl FnOnce(&mut Vec<Node<M>>) -> R) -> R {
        f(&mut self.nodes.lock().expect("nothing panics inside of the lock"))
    }

    pub(crate) fn push(&self, message: M) {
        let number = self.with(|nodes| {
            nodes.push(Node { message: Some(message), below: 0 });
            nodes.len()
        });
        // A guess, no load: of two accesses in a row by one thread loom remembers the second, and
        // would not see that another thread's look at the head could come between.
        let mut head = 0;
        loop {
            self.with(|nodes| nodes[number - 1].below = head);
            match self.head.compare_exchange(head, number, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    pub(crate) fn pop(&self) -> Option<M> {
        let mut head = self.head.load(Ordering::Acquire);
        while head != 0 {
            // Numbers are not used twice, so the node below is still the node below.
            let below = self.with(|nodes| nodes[head - 1].below);
            match self.head.compare_exchange(head, below, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return self.with(|nodes| nodes[head - 1].message.take()),
                Err(now) => head = now,
            }
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire) == 0
    }

    /// Only the loop asks for the length of its batch, and no model runs a whole loop.
    pub(crate) fn len(&self) -> usize {
        self.with(|nodes| nodes.iter().filter(|node| node.message.is_some()).count())
    }
}

impl<M> std::fmt::Debug for TreiberStack<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreiberStack").finish_non_exhaustive()
    }
}

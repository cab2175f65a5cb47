//! Tasks and events as programs name them, and who waits for them.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use lunation::{JoinError, JoinHandle};

use super::program::Slot;
use super::sync::Thrown;

/// How a body of a task ended.
pub(super) type Outcome = Result<(), Thrown>;

/// The tasks that wait for one thing, in the order of their waits. As a waker it wakes them all.
#[derive(Debug, Default)]
struct Waiters(Mutex<Vec<Waker>>);

impl Waiters {
    fn add(&self, waker: &Waker) {
        self.lock().push(waker.clone());
    }

    fn wake_all(&self) {
        let waiting = mem::take(&mut *self.lock());
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

/// What `set` and `wait` name.
#[derive(Debug, Default)]
pub(super) struct Event {
    is_set: Cell<bool>,
    waiters: Waiters,
}

impl Event {
    pub(super) fn set(&self) {
        self.is_set.set(true);
        self.waiters.wake_all();
    }

    /// One tick if the event is set, else one tick after the `set`.
    pub(super) async fn wait(&self) {
        if self.is_set.get() {
            return lunation::microtask().await;
        }
        let set = poll_fn(|cx| {
            if self.is_set.get() {
                return Poll::Ready(());
            }
            self.waiters.add(cx.waker());
            Poll::Pending
        });
        set.await;
    }
}

/// A spawned task. A `JoinHandle` has one joiner, a program's task any number, one after the other.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) slot: Slot,
    handle: RefCell<JoinHandle<()>>,
    /// What the handle yielded to the first joiner that went on.
    outcome: OnceCell<Outcome>,
    joiners: Arc<Waiters>,
}

impl Task {
    pub(super) fn new(slot: Slot, handle: JoinHandle<()>) -> Task {
        Task {
            slot,
            handle: RefCell::new(handle),
            outcome: OnceCell::new(),
            joiners: Arc::default(),
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.handle.borrow().is_finished()
    }

    /// One tick if the task has finished, else one tick after the poll in which it finishes.
    pub(super) async fn join(&self) -> Outcome {
        if self.is_finished() {
            // The runtime's handle is ready at once; Node's promise is not.
            lunation::microtask().await;
        }
        poll_fn(|cx| self.poll_outcome(cx)).await
    }

    fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        if let Some(outcome) = self.outcome.get() {
            return Poll::Ready(outcome.clone());
        }
        let everyone = Waker::from(self.joiners.clone());
        let mut handle = self.handle.borrow_mut();
        match Pin::new(&mut *handle).poll(&mut Context::from_waker(&everyone)) {
            Poll::Ready(result) => {
                drop(handle);
                Poll::Ready(self.outcome.get_or_init(|| outcome(result)).clone())
            }
            Poll::Pending => {
                self.joiners.add(cx.waker());
                Poll::Pending
            }
        }
    }
}

fn outcome(result: Result<(), JoinError>) -> Outcome {
    result.map_err(|error| match error.into_panic().downcast::<Thrown>() {
        Ok(thrown) => *thrown,
        Err(other) => resume_unwind(other),
    })
}

//! Waiting for the events of an emitter. Node: `events.once`, `events.on`.

use crate::promise::Promise;
use futures_util::Stream;
use lunation_context::{EventEmitter, ListenerId};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A listener that ends with the future it belongs to.
struct Listening<'a, E: Eq + Hash, A> {
    emitter: &'a EventEmitter<E, A>,
    event: E,
    listener: ListenerId,
}

impl<E: Eq + Hash, A> Drop for Listening<'_, E, A> {
    fn drop(&mut self) {
        self.emitter.off(&self.event, self.listener);
    }
}

/// Waits for the next emit of an event after this call, and gives its argument. Node:
/// `events.once`.
///
/// What follows the `.await` runs in the context of who waits, not of who emits. Unlike Node's it
/// does not listen to "error". To give up with a signal:
/// [`AbortSignal::abortable`](crate::AbortSignal::abortable).
///
/// # Cancel safety
/// Cancel safe: dropping it removes the listener.
///
/// ```
/// use lunation_context::EventEmitter;
/// use lunation_executor::{Runtime, events, set_immediate};
/// use std::rc::Rc;
///
/// Runtime::new().block_on(async {
///     let door = Rc::new(EventEmitter::<&str, u32>::new());
///     let opens = door.clone();
///     set_immediate(move || _ = opens.emit("open", &7));
///     assert_eq!(events::once(&door, "open").await, 7);
///     assert_eq!(door.listener_count("open"), 0);
/// });
/// ```
pub fn once<E, A>(emitter: &EventEmitter<E, A>, event: E) -> Once<'_, E, A>
where
    E: Eq + Hash + Clone,
    A: Clone + 'static,
{
    let promise = Promise::new();
    let emitted = Rc::clone(&promise);
    let listener = emitter.once(event.clone(), move |argument: &A| {
        emitted.settle(argument.clone());
    });
    Once { promise, _listening: Listening { emitter, event, listener } }
}

/// The future of [`once`].
#[must_use = "dropping it removes the listener"]
pub struct Once<'a, E: Eq + Hash, A> {
    promise: Rc<Promise<A>>,
    _listening: Listening<'a, E, A>,
}

impl<E: Eq + Hash, A> Future for Once<'_, E, A> {
    type Output = A;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<A> {
        self.promise.poll(context)
    }
}

impl<E: Eq + Hash, A> fmt::Debug for Once<'_, E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

/// The arguments of every emit of an event from this call on: a stream. Node: `events.on`.
///
/// What is emitted while nobody waits is kept, without a limit. The body of the loop runs in the
/// context of the loop. Dropping it removes the listener.
///
/// ```
/// use lunation_context::EventEmitter;
/// use lunation_executor::{Runtime, events};
///
/// Runtime::new().block_on(async {
///     let door = EventEmitter::<&str, u32>::new();
///     let mut opened = events::on(&door, "open");
///     door.emit("open", &1);
///     door.emit("open", &2);
///     assert_eq!((opened.next().await, opened.next().await), (1, 2));
/// });
/// ```
pub fn on<E, A>(emitter: &EventEmitter<E, A>, event: E) -> On<'_, E, A>
where
    E: Eq + Hash + Clone,
    A: Clone + 'static,
{
    let queue = Rc::new(Queue { arguments: RefCell::default(), waker: Cell::new(None) });
    let emitted = Rc::clone(&queue);
    let listener = emitter.on(event.clone(), move |argument: &A| {
        let argument = argument.clone();
        emitted.arguments.borrow_mut().push_back(argument);
        if let Some(waker) = emitted.waker.take() {
            waker.wake();
        }
    });
    On { queue, _listening: Listening { emitter, event, listener } }
}

struct Queue<A> {
    arguments: RefCell<VecDeque<A>>,
    waker: Cell<Option<Waker>>,
}

/// The stream of [`on`]. It does not end.
#[must_use = "dropping it removes the listener"]
pub struct On<'a, E: Eq + Hash, A> {
    queue: Rc<Queue<A>>,
    _listening: Listening<'a, E, A>,
}

impl<E: Eq + Hash, A> On<'_, E, A> {
    /// The argument of the next emit.
    ///
    /// # Cancel safety
    /// Cancel safe: what was not given is given by the next call.
    pub async fn next(&mut self) -> A {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<A> {
        let waker = context.waker().clone();
        let first = self.queue.arguments.borrow_mut().pop_front();
        match first {
            Some(argument) => Poll::Ready(argument),
            None => {
                let old = self.queue.waker.replace(Some(waker));
                drop(old);
                Poll::Pending
            }
        }
    }
}

impl<E: Eq + Hash, A> Stream for On<'_, E, A> {
    type Item = A;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<A>> {
        self.poll(context).map(Some)
    }
}

impl<E: Eq + Hash, A> fmt::Debug for On<'_, E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.queue.arguments.borrow().len();
        f.debug_struct("On").field("kept", &kept).finish_non_exhaustive()
    }
}

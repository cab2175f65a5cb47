//! `Channel`: messages of one type, and the stores bound to it.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::Deref;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

use super::audience::{self, Subscription};
use crate::failure::contain;
use crate::key::unique_number;
use crate::storage::{AsyncLocalStorage, Pushed};

/// A named channel of messages: Node's `Channel`, typed.
///
/// It is `Send` and `Sync` whatever `M` is, and usually a `static`. Its name is for its
/// subscribers: two channels of one name are two channels.
///
/// ```
/// use lunation_context::diagnostics_channel::Channel;
/// use std::{cell::RefCell, rc::Rc};
///
/// static QUERIES: Channel<str> = Channel::new("shop.query");
///
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let log = seen.clone();
/// let subscription = QUERIES.subscribe(move |query, channel| {
///     log.borrow_mut().push(format!("{channel}: {query}"));
/// });
/// QUERIES.publish("select 1");
/// drop(subscription);
/// QUERIES.publish("select 2");
/// assert_eq!(*seen.borrow(), ["shop.query: select 1"]);
/// ```
pub struct Channel<M: ?Sized + 'static> {
    name: &'static str,
    /// 0 until somebody joins on some thread, which is all that publishing looks at.
    number: AtomicU64,
    message: PhantomData<fn(&M)>,
}

impl<M: ?Sized + 'static> Channel<M> {
    /// A channel without subscribers.
    pub const fn new(name: &'static str) -> Self {
        Channel { name, number: AtomicU64::new(0), message: PhantomData }
    }

    /// The name, which subscribers get with each message.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether this thread has subscribers or bound stores: a publisher need not make a message
    /// that nobody reads.
    #[inline]
    pub fn has_subscribers(&self) -> bool {
        self.is_joined() && audience::exists(self.peek())
    }

    /// Calls `subscriber` with each message that this thread publishes, from the next one on,
    /// after the subscribers there are. It is called in the publisher's context.
    ///
    /// Dropping the returned handle unsubscribes.
    pub fn subscribe(&self, subscriber: impl Fn(&M, &'static str) + 'static) -> Subscription {
        let channel = self.number();
        let number = audience::find_or_open::<M>(channel).subscribe(Box::new(subscriber));
        Subscription::new(channel, number)
    }

    /// Calls the subscribers there are, in their order. A panic of one does not reach the
    /// publisher: see the [module](super).
    #[inline]
    pub fn publish(&self, message: &M) {
        if self.is_joined() {
            self.publish_to_audience(message);
        }
    }

    /// Sets `storage` to `transform(message)` in every [`run_stores`](Self::run_stores) of this
    /// thread. A storage that is bound already keeps its place and gets the new transform.
    ///
    /// The storage is a `&'static` one, or an `Rc` or `Arc` of one: it stays bound until
    /// [`unbind_store`](Self::unbind_store), and as long as the thread and the channel live.
    pub fn bind_store<T: 'static>(
        &self,
        storage: impl Deref<Target = AsyncLocalStorage<T>> + 'static,
        transform: impl Fn(&M) -> T + 'static,
    ) {
        audience::find_or_open::<M>(self.number()).bind(storage, transform);
    }

    /// Ends [`bind_store`](Self::bind_store); false if the storage is not bound.
    pub fn unbind_store<T: 'static>(&self, storage: &AsyncLocalStorage<T>) -> bool {
        let channel = self.peek();
        let audience = audience::find::<M>(channel);
        let was_bound = audience.is_some_and(|audience| audience.unbind(storage.identity()));
        audience::tidy(channel);
        was_bound
    }

    /// Sets the bound stores in the order of their binding, publishes the message, and calls `f`.
    /// Afterwards, also on unwind, the stores are as they were.
    ///
    /// A store whose transform panics is left out: see the [module](super).
    #[track_caller]
    #[inline]
    pub fn run_stores<R>(&self, message: &M, f: impl FnOnce() -> R) -> R {
        let _stores = self.enter_stores(message);
        f()
    }

    /// [`run_stores`](Self::run_stores) for the rest of a block, also across `.await`: the stores
    /// are set until the guard is dropped. Node's `withStoreScope`.
    ///
    /// The guard belongs to the flow that calls this: see [`AsyncLocalStorage::enter`].
    #[track_caller]
    #[inline]
    pub fn enter_stores(&self, message: &M) -> StoresGuard {
        let mut guard = StoresGuard::new();
        if self.is_joined() {
            self.set_stores(message, &mut guard);
            self.publish_to_audience(message);
        }
        guard
    }

    #[cold]
    #[inline(never)]
    fn set_stores(&self, message: &M, guard: &mut StoresGuard) {
        let Some(audience) = audience::find::<M>(self.peek()) else { return };
        for binding in audience.bindings().iter() {
            if let Some(pushed) = contain(|| (binding.push)(message)) {
                let (name, site) = (binding.name, guard.site);
                guard.entered.push(Entered { pushed, name, site });
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn publish_to_audience(&self, message: &M) {
        let Some(audience) = audience::find::<M>(self.peek()) else { return };
        for subscriber in audience.subscribers().iter() {
            contain(|| (subscriber.call)(message, self.name));
        }
    }

    #[inline]
    fn is_joined(&self) -> bool {
        self.peek() != 0
    }

    #[inline]
    fn peek(&self) -> u64 {
        // Relaxed: the number stands for itself, what belongs to it is the thread's own.
        self.number.load(Ordering::Relaxed)
    }

    /// The channel's number, taken now if need be.
    fn number(&self) -> u64 {
        match self.peek() {
            0 => {
                let (new, order) = (unique_number(), Ordering::Relaxed);
                self.number.compare_exchange(0, new, order, order).map_or_else(|old| old, |_| new)
            }
            number => number,
        }
    }
}

impl<M: ?Sized + 'static> Drop for Channel<M> {
    fn drop(&mut self) {
        let number = *self.number.get_mut();
        if number != 0 {
            audience::close(number);
        }
    }
}

impl<M: ?Sized + 'static> fmt::Debug for Channel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Keeps the bound stores of a channel set while it lives: see [`Channel::enter_stores`].
#[must_use = "the stores are set until the guard is dropped"]
pub struct StoresGuard {
    entered: Vec<Entered>,
    site: &'static Location<'static>,
    /// The flow it belongs to lives on this thread.
    not_send: PhantomData<*const ()>,
}

/// One store that was set. Forgotten, it stays set until its flow ends.
struct Entered {
    pushed: Pushed,
    name: &'static str,
    site: &'static Location<'static>,
}

impl StoresGuard {
    #[track_caller]
    pub(super) fn new() -> StoresGuard {
        StoresGuard { entered: Vec::new(), site: Location::caller(), not_send: PhantomData }
    }

    /// Leaves the stores set until the flow ends.
    pub(super) fn keep(mut self) {
        mem::take(&mut self.entered).into_iter().for_each(mem::forget);
    }
}

impl Drop for StoresGuard {
    #[inline]
    fn drop(&mut self) {
        while let Some(last) = self.entered.pop() {
            drop(last);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.pushed.leave(self.name, self.site);
    }
}

impl fmt::Debug for StoresGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.entered.iter().map(|entered| entered.name);
        f.debug_list().entries(names).finish()
    }
}

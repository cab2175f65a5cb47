//! Who listens to a channel on this thread.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::Deref;
use std::rc::Rc;

use crate::hooks::note_channel;
use crate::id::next_number;
use crate::storage::{AsyncLocalStorage, Pushed};

/// A list of user's things. Whoever goes through it has a copy of the pointer, so that only what is
/// changed meanwhile is changed in a copy of the list, and no user code runs while it is borrowed.
struct List<T>(RefCell<Rc<Vec<Rc<T>>>>);

impl<T> List<T> {
    fn get(&self) -> Rc<Vec<Rc<T>>> {
        Rc::clone(&self.0.borrow())
    }

    fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Puts `added` in the place of the first one that `is_same`, or at the end.
    fn put(&self, added: Rc<T>, is_same: impl Fn(&T) -> bool) {
        let mut borrowed = self.0.borrow_mut();
        let list = Rc::make_mut(&mut *borrowed);
        let replaced = match list.iter().position(|known| is_same(known)) {
            Some(place) => mem::replace(&mut list[place], added),
            None => return list.push(added),
        };
        drop(borrowed);
        drop(replaced);
    }

    /// Removes the first one that `is_same`; false if there is none.
    fn remove(&self, is_same: impl Fn(&T) -> bool) -> bool {
        let mut list = self.0.borrow_mut();
        let Some(place) = list.iter().position(|known| is_same(known)) else { return false };
        let removed = Rc::make_mut(&mut *list).remove(place);
        drop(list);
        drop(removed);
        true
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List(RefCell::default())
    }
}

type Call<M> = Box<dyn Fn(&M, &'static str)>;

pub(super) struct Subscriber<M: ?Sized> {
    number: u64,
    pub(super) call: Call<M>,
}

/// A storage that gets a value of every message.
pub(super) struct Binding<M: ?Sized> {
    /// Of the storage.
    identity: u64,
    pub(super) name: &'static str,
    /// Sets the store in the current flow to what the transform makes of the message.
    pub(super) push: Box<dyn Fn(&M) -> Pushed>,
}

/// The subscribers and bound storages of one channel on this thread.
pub(super) struct Audience<M: ?Sized> {
    subscribers: List<Subscriber<M>>,
    bindings: List<Binding<M>>,
}

impl<M: ?Sized + 'static> Audience<M> {
    pub(super) fn subscribers(&self) -> Rc<Vec<Rc<Subscriber<M>>>> {
        self.subscribers.get()
    }

    pub(super) fn bindings(&self) -> Rc<Vec<Rc<Binding<M>>>> {
        self.bindings.get()
    }

    pub(super) fn subscribe(&self, call: Call<M>) -> u64 {
        let number = next_number();
        self.subscribers.put(Rc::new(Subscriber { number, call }), |_| false);
        number
    }

    pub(super) fn bind<T, S, F>(&self, storage: S, transform: F)
    where
        T: 'static,
        S: Deref<Target = AsyncLocalStorage<T>> + 'static,
        F: Fn(&M) -> T + 'static,
    {
        let (identity, name) = (storage.identity(), storage.name());
        let push = Box::new(move |message: &M| storage.push(Some(transform(message))));
        let bound = Rc::new(Binding { identity, name, push });
        self.bindings.put(bound, |known| known.identity == identity);
    }

    pub(super) fn unbind(&self, identity: u64) -> bool {
        self.bindings.remove(|known| known.identity == identity)
    }
}

impl<M: ?Sized> Default for Audience<M> {
    fn default() -> Self {
        Audience { subscribers: List::default(), bindings: List::default() }
    }
}

/// An audience whose message type is not known here.
trait Erased {
    fn unsubscribe(&self, number: u64);
    fn is_empty(&self) -> bool;
    fn into_any(self: Rc<Self>) -> Rc<dyn Any>;
}

impl<M: ?Sized + 'static> Erased for Audience<M> {
    fn unsubscribe(&self, number: u64) {
        self.subscribers.remove(|subscriber| subscriber.number == number);
    }

    fn is_empty(&self) -> bool {
        self.subscribers.is_empty() && self.bindings.is_empty()
    }

    fn into_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

thread_local! {
    /// By the channel's number; none of them is empty.
    static AUDIENCES: RefCell<BTreeMap<u64, Rc<dyn Erased>>> =
        const { RefCell::new(BTreeMap::new()) };
}

fn find_erased(channel: u64) -> Option<Rc<dyn Erased>> {
    AUDIENCES.try_with(|audiences| audiences.borrow().get(&channel).cloned()).ok()?
}

/// The audience of a channel; `None` if nobody on this thread listens.
pub(super) fn find<M: ?Sized + 'static>(channel: u64) -> Option<Rc<Audience<M>>> {
    find_erased(channel)?.into_any().downcast().ok()
}

/// Is there an audience of the channel?
#[cold]
#[inline(never)]
pub(super) fn exists(channel: u64) -> bool {
    AUDIENCES.try_with(|audiences| audiences.borrow().contains_key(&channel)).unwrap_or(false)
}

/// The audience of a channel, to be joined. In a thread-local destructor it is one that nobody
/// speaks to.
pub(super) fn find_or_open<M: ?Sized + 'static>(channel: u64) -> Rc<Audience<M>> {
    find(channel).unwrap_or_else(|| {
        note_channel();
        let opened = Rc::new(Audience::default());
        let erased: Rc<dyn Erased> = Rc::<Audience<M>>::clone(&opened);
        let _ = AUDIENCES.try_with(|audiences| audiences.borrow_mut().insert(channel, erased));
        opened
    })
}

/// Somebody has left the channel: forgets the audience if it is empty.
pub(super) fn tidy(channel: u64) {
    if find_erased(channel).is_some_and(|audience| audience.is_empty()) {
        close(channel);
    }
}

/// Ends the audience of a channel.
pub(super) fn close(channel: u64) {
    let removed = AUDIENCES.try_with(|audiences| audiences.borrow_mut().remove(&channel));
    // Subscribers are the user's: they are dropped when nothing is borrowed.
    drop(removed);
}

/// Stands for a subscriber: dropping it unsubscribes.
///
/// A publish that is under way calls the subscriber nevertheless.
#[must_use = "dropping it unsubscribes; detach() keeps the subscriber"]
pub struct Subscription {
    channel: u64,
    number: u64,
    /// The subscriber lives on this thread.
    not_send: PhantomData<*const ()>,
}

impl Subscription {
    pub(super) fn new(channel: u64, number: u64) -> Subscription {
        Subscription { channel, number, not_send: PhantomData }
    }

    /// Keeps the subscriber as long as the thread and the channel live.
    pub fn detach(self) {
        mem::forget(self);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(audience) = find_erased(self.channel) {
            audience.unsubscribe(self.number);
            tidy(self.channel);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("number", &self.number).finish_non_exhaustive()
    }
}

//! Event emitters: synchronous calls of listeners, in the context of who emits.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

use crate::async_resource::AsyncResource;
use crate::id::{AsyncId, next_number};
use crate::info::ResourceRef;
use crate::kind::ResourceKind;

/// Calls the listeners of an event, one after the other: Node's `EventEmitter`, typed.
///
/// `E` says which event (a `&'static str`, an enum, ...) and `A` what the listeners get. Its
/// `Eq`, `Hash`, `Clone` and `Borrow` must not use the emitter.
///
/// It is transparent to the context: a listener runs in that of [`emit`](Self::emit), whatever
/// was current when it was added; what it sets with `enter_with` stays for the next listener and
/// after the emit. A listener that belongs to the context it is made in is added by
/// [`on_bound`](Self::on_bound). Listeners may add, remove and emit.
///
/// ```
/// use lunation_context::{AsyncLocalStorage, EventEmitter};
/// use std::{cell::RefCell, rc::Rc};
///
/// static USER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let door: EventEmitter<&'static str, u32> = EventEmitter::new();
/// let (log, bound) = (seen.clone(), seen.clone());
/// USER.run("ann", || {
///     door.on("open", move |n| log.borrow_mut().push((*n, USER.cloned())));
///     door.on_bound("open", move |n| bound.borrow_mut().push((*n, USER.cloned())));
/// });
/// assert!(USER.run("bob", || door.emit("open", &1)));
/// assert!(!door.emit("close", &2));
/// assert_eq!(*seen.borrow(), [(1, Some("bob")), (1, Some("ann"))]);
/// ```
pub struct EventEmitter<E, A: ?Sized = ()> {
    events: RefCell<HashMap<E, Event<A>>>,
    /// What every emit runs in.
    resource: Option<AsyncResource>,
}

/// The listeners of one event, at least one. An emit holds a copy of the pointer; only what is
/// changed meanwhile is changed in a copy of the list.
struct Event<A: ?Sized> {
    /// The id of its first listener: the order of the names.
    since: ListenerId,
    listeners: Rc<VecDeque<Rc<Listener<A>>>>,
}

struct Listener<A: ?Sized> {
    id: ListenerId,
    body: Body<A>,
}

enum Body<A: ?Sized> {
    Each(Box<dyn Fn(&A)>),
    /// Empty from just before its call on.
    Once(Cell<Option<Once<A>>>),
}

type Once<A> = Box<dyn FnOnce(&A)>;

impl<A: ?Sized> Body<A> {
    fn once(listener: impl FnOnce(&A) + 'static) -> Self {
        Body::Once(Cell::new(Some(Box::new(listener))))
    }
}

/// Names a listener of an emitter, for [`EventEmitter::off`].
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(u64);

/// At which end of the list a listener is added.
#[derive(Copy, Clone)]
enum End {
    Front,
    Back,
}

impl<E: Eq + Hash, A: ?Sized> EventEmitter<E, A> {
    /// An emitter without listeners.
    pub fn new() -> Self {
        EventEmitter { events: RefCell::default(), resource: None }
    }

    /// Calls `listener` at every emit of the event from the next one on, after those there are.
    /// The same listener may be added twice.
    pub fn on(&self, event: E, listener: impl Fn(&A) + 'static) -> ListenerId {
        self.add(event, Body::Each(Box::new(listener)), End::Back)
    }

    /// [`on`](Self::on), before the listeners there are: Node's `prependListener`.
    pub fn prepend(&self, event: E, listener: impl Fn(&A) + 'static) -> ListenerId {
        self.add(event, Body::Each(Box::new(listener)), End::Front)
    }

    /// Calls `listener` at the next emit of the event only. It is removed just before its call.
    pub fn once(&self, event: E, listener: impl FnOnce(&A) + 'static) -> ListenerId {
        self.add(event, Body::once(listener), End::Back)
    }

    /// [`once`](Self::once), before the listeners there are: Node's `prependOnceListener`.
    pub fn prepend_once(&self, event: E, listener: impl FnOnce(&A) + 'static) -> ListenerId {
        self.add(event, Body::once(listener), End::Front)
    }

    /// [`on`](Self::on) with a listener that runs in the context of this call. It makes a
    /// `bound-anonymous-fn` resource, as [`bind`](crate::bind()) does, that is entered at every
    /// call and ends with the listener.
    #[track_caller]
    pub fn on_bound(&self, event: E, listener: impl Fn(&A) + 'static) -> ListenerId {
        let resource = AsyncResource::for_bound(Location::caller());
        self.on(event, move |argument| resource.run_in_async_scope(|| listener(argument)))
    }

    /// Removes a listener; false if the event has none of this id. An emit that is under way
    /// calls it nevertheless. Node: `removeListener`.
    pub fn off<Q>(&self, event: &Q, listener: ListenerId) -> bool
    where
        E: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut events = self.events.borrow_mut();
        let Some(known) = events.get_mut(event) else { return false };
        // The oldest, as of those called once, or one of the newest, as mostly else.
        let is_first = known.listeners.front().is_some_and(|first| first.id == listener);
        let search = || known.listeners.iter().rposition(|known| known.id == listener);
        let Some(place) = is_first.then_some(0).or_else(search) else { return false };
        let removed = Rc::make_mut(&mut known.listeners).remove(place);
        let emptied = known.listeners.is_empty().then(|| events.remove_entry(event));
        // Listeners and keys are the user's: they are dropped when nothing is borrowed.
        drop(events);
        drop((removed, emptied));
        true
    }

    /// Removes all listeners of an event. Node: `removeAllListeners(event)`.
    pub fn remove_all<Q>(&self, event: &Q)
    where
        E: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let removed = self.events.borrow_mut().remove_entry(event);
        drop(removed);
    }

    /// Calls the listeners of the event in their order; false if there are none.
    ///
    /// Called are those there are at the start: what is added or removed meanwhile counts from
    /// the next emit on. Nothing is special about an event called "error".
    ///
    /// # Panics
    /// If a listener does: the panic is passed on, and the listeners after it are not called.
    pub fn emit<Q>(&self, event: &Q, argument: &A) -> bool
    where
        E: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        match &self.resource {
            Some(resource) => resource.run_in_async_scope(|| self.call_all(event, argument)),
            None => self.call_all(event, argument),
        }
    }

    /// How many listeners an event has.
    pub fn listener_count<Q>(&self, event: &Q) -> usize
    where
        E: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.events.borrow().get(event).map_or(0, |event| event.listeners.len())
    }

    /// The events that have listeners, in the order of their first ones.
    pub fn event_names(&self) -> Vec<E>
    where
        E: Clone,
    {
        let events = self.events.borrow();
        let mut known: Vec<_> =
            events.iter().map(|(name, event)| (event.since, name.clone())).collect();
        known.sort_by_key(|(since, _)| *since);
        known.into_iter().map(|(_, name)| name).collect()
    }

    fn add(&self, event: E, body: Body<A>, end: End) -> ListenerId {
        let id = ListenerId(next_number());
        let added = Rc::new(Listener { id, body });
        let mut events = self.events.borrow_mut();
        let Some(known) = events.get_mut(&event) else {
            events.insert(event, Event { since: id, listeners: Rc::new([added].into()) });
            return id;
        };
        let listeners = Rc::make_mut(&mut known.listeners);
        match end {
            End::Front => listeners.push_front(added),
            End::Back => listeners.push_back(added),
        }
        drop(events);
        id
    }

    fn call_all<Q>(&self, event: &Q, argument: &A) -> bool
    where
        E: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let called = self.events.borrow().get(event).map(|event| Rc::clone(&event.listeners));
        let Some(called) = called else { return false };
        for listener in called.iter() {
            match &listener.body {
                Body::Each(body) => body(argument),
                Body::Once(body) => {
                    if let Some(body) = body.take() {
                        self.off(event, listener.id);
                        body(argument);
                    }
                }
            }
        }
        true
    }
}

impl<E: Eq + Hash, A: ?Sized> Default for EventEmitter<E, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E, A: ?Sized> fmt::Debug for EventEmitter<E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventEmitter")
            .field("events", &self.events.borrow().len())
            .field("resource", &self.resource)
            .finish()
    }
}

/// An emitter with an async resource: every emit runs in the context the emitter was made in.
/// Node's `EventEmitterAsyncResource`.
///
/// It is an [`EventEmitter`] in every other respect. Each emit is one
/// [`run_in_async_scope`](AsyncResource::run_in_async_scope), with `before` and `after` even
/// without listeners. `destroy` is queued at the first [`emit_destroy`](Self::emit_destroy), or
/// when the emitter is dropped; it can be used after `emit_destroy`.
///
/// ```
/// use lunation_context::{AsyncLocalStorage, EventEmitterAsyncResource, execution_async_id};
///
/// static USER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
/// let query = USER.run("ann", || EventEmitterAsyncResource::<&str>::new("QUERY"));
/// let id = query.async_id();
/// query.on("end", move |()| {
///     assert_eq!((USER.cloned(), execution_async_id()), (Some("ann"), id));
/// });
/// assert!(query.emit("end", &()));
/// ```
#[derive(Debug)]
pub struct EventEmitterAsyncResource<E, A: ?Sized = ()> {
    emitter: EventEmitter<E, A>,
}

impl<E: Eq + Hash, A: ?Sized> EventEmitterAsyncResource<E, A> {
    /// Creates an emitter and its resource in the current context; the kind is Node's `name`.
    #[track_caller]
    pub fn new(kind: impl Into<ResourceKind>) -> Self {
        Self::with_resource(AsyncResource::new(kind))
    }

    /// An emitter with a resource made by [`AsyncResource::builder`], for a given trigger or a
    /// manual `destroy`.
    pub fn with_resource(resource: AsyncResource) -> Self {
        let emitter = EventEmitter { events: RefCell::default(), resource: Some(resource) };
        EventEmitterAsyncResource { emitter }
    }
}

impl<E, A: ?Sized> EventEmitterAsyncResource<E, A> {
    /// The resource's id.
    pub fn async_id(&self) -> AsyncId {
        self.async_resource().async_id()
    }

    /// The id of the resource that caused it.
    pub fn trigger_async_id(&self) -> AsyncId {
        self.async_resource().trigger_async_id()
    }

    /// Queues `destroy`, the first time only.
    pub fn emit_destroy(&self) -> &Self {
        self.async_resource().emit_destroy();
        self
    }

    /// A shareable reference to the resource.
    pub fn resource(&self) -> ResourceRef {
        self.async_resource().resource()
    }

    /// The resource that every emit runs in: Node's `asyncResource`.
    pub fn async_resource(&self) -> &AsyncResource {
        self.emitter.resource.as_ref().expect("made with a resource")
    }
}

impl<E, A: ?Sized> Deref for EventEmitterAsyncResource<E, A> {
    type Target = EventEmitter<E, A>;

    fn deref(&self) -> &EventEmitter<E, A> {
        &self.emitter
    }
}

//! The reactor: one selector, its sources, and the events on their way to those who wait.
//!
//! Rule of this file: no `RefCell` borrow is held across anything that can run user code, which is
//! every waker operation (clone, wake, drop), every hook and every drop of a frame. A value is
//! taken out in its own `let`, then used.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{RawWakerVTable, Waker};
use std::time::{Duration, Instant};

use lunation_context::{Frame, Resource, contain, hooks};
use mio::event::Source;
use mio::{Interest, Poll};

use crate::budget;
use crate::readiness::{Direction, Ready};
use crate::release::{Inbox, Released};
use crate::selector::Selector;
use crate::source::{Arrival, Key, Slot, Slots, SourceInfo};
use crate::waiters::{self, Ticket};

thread_local! {
    /// The reactor that sockets made or used on this thread belong to.
    static REACTOR: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
    /// Its number, or 0: what tells an operation that it is where it belongs.
    static ENTERED: Cell<u64> = const { Cell::new(0) };
}

/// One thread's I/O: a selector, the sources registered with it, and the readiness events that
/// were collected but not handed out yet.
///
/// Made and driven by the executor; users meet it through the types of [`net`](crate::net) and
/// through [`Registration`](crate::Registration). libuv's equivalent is the poll phase's backend.
pub struct Reactor {
    selector: Selector,
    inbox: Arc<Inbox>,
    slots: RefCell<Slots>,
    /// Listeners that pause after running out of descriptors, and until when.
    pauses: RefCell<Vec<(Instant, Key)>>,
    released_timers: RefCell<Vec<u64>>,
    /// How often an operation was put off.
    budget_hits: Cell<u64>,
    /// Tasks whose I/O budget is spent.
    yielded: RefCell<Vec<Waker>>,
    /// The table of the wakers whose wake runs no user code.
    own_wakers: Cell<Option<&'static RawWakerVTable>>,
    closed: Cell<bool>,
}

impl Reactor {
    /// Makes a reactor and its selector.
    ///
    /// # Errors
    ///
    /// Those of the operating system for making a selector, above all too many open files.
    pub fn new() -> io::Result<Rc<Reactor>> {
        let poll = Poll::new()?;
        let inbox = Inbox::open(&poll)?;
        Ok(Rc::new(Reactor {
            selector: Selector::new(poll),
            inbox,
            slots: RefCell::default(),
            pauses: RefCell::default(),
            released_timers: RefCell::default(),
            budget_hits: Cell::new(0),
            yielded: RefCell::default(),
            own_wakers: Cell::new(None),
            closed: Cell::new(false),
        }))
    }

    /// The runtime's number: unique in the process, never reused.
    pub fn id(&self) -> u64 {
        self.inbox.id
    }

    /// Tells by which table to know the wakers of the executor's own tasks.
    ///
    /// Waking one of those must only put the task into a queue: it is done while the reactor's
    /// tables are borrowed and, when no hook and no poll hook would see it, outside of the
    /// source's resource. Such a waker is kept after it was woken, for the next wait.
    pub fn set_own_wakers(&self, table: &'static RawWakerVTable) {
        self.own_wakers.set(Some(table));
    }

    /// A handle with which any thread can make [`wait`](Reactor::wait) return.
    pub fn notifier(&self) -> Notifier {
        Notifier { inbox: self.inbox.clone() }
    }

    /// Makes this the reactor of the thread until the guard is dropped.
    pub fn enter(self: &Rc<Self>) -> EnterGuard {
        // A runtime that lies in a thread-local may be dropped after REACTOR.
        let entered = REACTOR.try_with(|current| current.replace(Some(self.clone())));
        let previous = entered.ok().flatten();
        ENTERED.set(self.id());
        EnterGuard { previous, _not_send: PhantomData }
    }

    /// Whether the runtime with this number is the one entered on this thread.
    #[inline]
    pub(crate) fn is_current(id: u64) -> bool {
        ENTERED.get() == id
    }

    /// The reactor entered on this thread. `None` also while the thread's locals are destroyed.
    pub fn current() -> Option<Rc<Reactor>> {
        REACTOR.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Frees what foreign threads gave back, then waits for events, at most `timeout` long (for
    /// ever if `None`), and keeps them for [`dispatch`](Reactor::dispatch).
    ///
    /// Returns early for a notification, a signal, or the end of a listener's pause; and at once
    /// while events are left from the last time, or tasks whose I/O budget was spent.
    ///
    /// # Errors
    ///
    /// Those of the selector, except an interruption by a signal, which counts as "no events".
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        budget::next_poll();
        self.free_released();
        if self.has_events() {
            return Ok(());
        }
        let timeout = self.shorten(timeout);
        let notified = self.inbox.take_notified();
        // Without sources and notifications the system knows nothing that is not known here.
        let is_idle = !notified && self.slots.borrow().is_empty();
        if is_idle && timeout == Some(Duration::ZERO) {
            return Ok(());
        }
        self.selector.look(timeout)?;
        self.free_released();
        Ok(())
    }

    /// Hands out the collected readiness events: notes the readiness and wakes those who wait for
    /// it, inside before/after of the socket's resource, and calls `after` after each event that
    /// has woken anybody. If that says `false`, the other events wait for the next time. An event
    /// for a source that has gone is skipped, one that nobody waits for enters nothing.
    #[inline]
    pub fn dispatch(&self, mut after: impl FnMut() -> bool) {
        if !self.pauses.borrow().is_empty() {
            self.end_pauses();
        }
        self.selector.take_each(|key, event| !self.arrive(key, event) || after());
    }

    /// Whether events were collected that were not handed out yet.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.selector.is_empty()
    }

    /// Whether tasks wait because their I/O budget was spent.
    pub fn has_yielded(&self) -> bool {
        !self.yielded.borrow().is_empty()
    }

    /// Wakes the tasks whose I/O budget was spent, all of this moment's and none that join them
    /// meanwhile. To be called after the poll phase. A waker's panic goes to the failure handler.
    pub fn wake_yielded(&self) {
        let batch = self.yielded.take();
        for waker in batch {
            contain(|| waker.wake());
        }
    }

    /// How often an operation was put off because the I/O budget of its task was spent.
    pub fn budget_hits(&self) -> u64 {
        self.budget_hits.get()
    }

    /// How many sources an operation waits for that keeps the loop alive. Looks at all of them.
    pub fn waiting(&self) -> usize {
        self.slots.borrow().waiting().count()
    }

    /// Whether an operation waits for any source and keeps the loop alive: what keeps
    /// `run_to_idle` going. Looks no further than the first.
    pub fn has_waiting(&self) -> bool {
        self.slots.borrow().waiting().next().is_some()
    }

    /// How many waits of operations have begun on this thread so far.
    #[inline]
    pub fn waits_begun(&self) -> u64 {
        waiters::waits_begun()
    }

    /// The sources as they are now, in no order.
    pub fn sources(&self) -> Vec<SourceInfo> {
        self.slots.borrow().describe()
    }

    /// Shows the wakers of the tasks whose I/O budget is spent, by their data pointers.
    pub fn yielded(&self) -> Vec<*const ()> {
        self.yielded.borrow().iter().map(Waker::data).collect()
    }

    /// When the first listener that ran out of descriptors will try again. [`wait`](Reactor::wait)
    /// returns by then of itself; a host that sleeps elsewhere has to know.
    #[inline]
    pub fn next_rearm(&self) -> Option<Instant> {
        if self.pauses.borrow().is_empty() { None } else { self.first_rearm() }
    }

    #[cold]
    #[inline(never)]
    fn first_rearm(&self) -> Option<Instant> {
        self.pauses.borrow().iter().map(|(until, _)| *until).min()
    }

    /// The keys of timers whose handles were dropped on foreign threads, oldest first.
    #[inline]
    pub fn take_released_timers(&self) -> Vec<u64> {
        if self.released_timers.borrow().is_empty() {
            Vec::new()
        } else {
            self.released_timers.take()
        }
    }

    /// Shuts down: ends every source and its resource, drops all wakers, and lets later drops of
    /// handles find nothing. Sockets that still exist fail from now on. Dropping does the same.
    pub fn close(&self) {
        self.closed.set(true);
        self.inbox.close();
        // One by one: ending a source can drop others, or sockets.
        loop {
            let key = self.slots.borrow().any();
            let Some(key) = key else { break };
            self.remove(key);
        }
        let yielded = self.yielded.take();
        drop(yielded);
        self.selector.clear();
        self.pauses.take();
    }

    /// The handle with which sources are registered.
    #[cfg(unix)]
    pub(crate) fn registry(&self) -> &mio::Registry {
        &self.inbox.registry
    }

    /// Registers `source` under a new slot.
    pub(crate) fn add(
        &self,
        source: &mut dyn Source,
        interest: Interest,
        slot: Slot,
    ) -> io::Result<Key> {
        let refusal = if self.closed.get() {
            "this runtime has shut down and takes no more sockets"
        } else if self.slots.borrow().is_full() {
            "too many I/O sources for one runtime"
        } else {
            ""
        };
        if !refusal.is_empty() {
            slot.end();
            return Err(io::Error::other(refusal));
        }
        let key = self.slots.borrow_mut().insert(slot);
        let registered = self.inbox.registry.register(source, key.token(), interest);
        registered.inspect_err(|_| self.remove(key)).map(|()| key)
    }

    /// Ends the registration of `source` and frees its slot.
    pub(crate) fn remove_source(&self, source: &mut dyn Source, key: Key) {
        // An error means that it is not registered any more, which is what is asked for.
        let _ = self.inbox.registry.deregister(source);
        self.remove(key);
    }

    /// Lets `ticket` wait until the source is ready, unless it is: `false`. `None` when the source
    /// has gone.
    pub(crate) fn wait_for(
        &self,
        key: Key,
        direction: Direction,
        ticket: Ticket,
        waker: &Waker,
    ) -> Option<bool> {
        if self.change(key, |slot| slot.side(direction).0.hold(ticket, waker))? {
            return Some(true);
        }
        // Cloning runs foreign code, which may drop the source or make it ready.
        let mut waker = Some(waker.clone());
        let (waits, replaced) = self.change(key, |slot| {
            if slot.state().ready().has(direction) {
                return (false, None);
            }
            let (waiters, place) = slot.side(direction);
            (true, waker.take().and_then(|waker| waiters.store(place, ticket, waker)))
        })?;
        drop(replaced);
        if waits && direction == Direction::Write && hooks::enabled() {
            self.begin_request(key);
        }
        Some(waits)
    }

    /// Ends the wait of a future that is dropped.
    pub(crate) fn forget(&self, key: Key, direction: Direction, ticket: Ticket) {
        let forgotten = self.change(key, |slot| {
            let (waiters, place) = slot.side(direction);
            let waker = waiters.forget(place, ticket);
            (waker, slot.take_idle_request())
        });
        if let Some((waker, request)) = forgotten {
            request.iter().for_each(|request| request.destroy());
            drop(waker);
        }
    }

    /// Sets whether operations that wait for the source keep the loop alive.
    pub(crate) fn set_ref(&self, key: Key, refed: bool) {
        self.change(key, |slot| slot.set_ref(refed));
    }

    /// `None` when the source has gone.
    pub(crate) fn find(&self, key: Key) -> Option<()> {
        self.change(key, |_| ())
    }

    /// Looks at or changes one source; `None` when it has gone. `f` must not run user code.
    pub(crate) fn change<R>(&self, key: Key, f: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(key)?;
        let result = f(slot);
        slot.settle(self.own_wakers.get());
        Some(result)
    }

    /// Takes in an event and returns whether that has woken anybody.
    #[inline]
    fn arrive(&self, key: Key, event: Ready) -> bool {
        if !hooks::observed()
            // Exclusive, as that is the cheaper test.
            && let Some(slot) = self.slots.borrow_mut().get(key)
            && let Some(has_woken) = slot.arrive_plainly(event)
        {
            return has_woken;
        }
        self.arrive_specially(key, event)
    }

    #[cold]
    #[inline(never)]
    fn arrive_specially(&self, key: Key, event: Ready) -> bool {
        let arrival = self.change(key, |slot| slot.arrive(event));
        arrival.is_some_and(Arrival::deliver)
    }

    /// To hooks a write that has to wait is a request of its source. Only to them: nobody else
    /// meets it, and waiting is to cost nothing more.
    #[cold]
    fn begin_request(&self, key: Key) {
        let wanted = self.change(key, |slot| slot.wanted_request());
        let Some(Some((kind, source))) = wanted else { return };
        let (trigger, frame) = (Some(source.id()), Frame::inherit());
        let request = Rc::new(Resource::create_with(kind, source.site(), trigger, frame));
        // A hook may have ended the source or the wait.
        let unwanted = self.change(key, |slot| slot.begin_request(request.clone()));
        if !matches!(unwanted, Some(None)) {
            request.destroy();
        }
    }

    /// Puts the task off until the next poll phase: its budget is spent.
    pub(crate) fn put_off(&self, waker: &Waker) {
        self.budget_hits.set(self.budget_hits.get() + 1);
        let held = self.yielded.borrow().last().is_some_and(|last| last.will_wake(waker));
        if !held {
            let waker = waker.clone();
            self.yielded.borrow_mut().push(waker);
        }
    }

    /// Notes that `listener` is out of descriptors: nothing new is accepted until a pause has
    /// ended, since the edge has been delivered and asking again at once would spin.
    pub(crate) fn pause(&self, listener: Key) {
        let pause = self.change(listener, Slot::start_pause);
        if let Some(pause) = pause {
            self.pauses.borrow_mut().push((Instant::now() + pause, listener));
        }
    }

    /// The source's async resource.
    pub(crate) fn resource(&self, key: Key) -> Option<Rc<Resource>> {
        self.change(key, |slot| slot.resource())
    }

    /// Notes that `listener` accepted a connection, and returns its resource.
    pub(crate) fn accepted(&self, listener: Key) -> Option<Rc<Resource>> {
        self.change(listener, |slot| {
            slot.reset_pause();
            slot.resource()
        })
    }

    fn remove(&self, key: Key) {
        self.pauses.borrow_mut().retain(|(_, paused)| *paused != key);
        let slot = self.slots.borrow_mut().remove(key);
        if let Some(slot) = slot {
            slot.end();
        }
    }

    fn free_released(&self) {
        if !self.inbox.is_empty() {
            self.free_released_remote();
        }
    }

    #[cold]
    #[inline(never)]
    fn free_released_remote(&self) {
        while let Some(item) = self.inbox.pop() {
            match item {
                Released::Source(token) => self.remove(Key(token)),
                Released::Timer(key) => self.released_timers.borrow_mut().push(key),
            }
        }
    }

    fn shorten(&self, timeout: Option<Duration>) -> Option<Duration> {
        if self.has_yielded() {
            return Some(Duration::ZERO);
        }
        let Some(rearm) = self.next_rearm() else { return timeout };
        let pause = rearm.saturating_duration_since(Instant::now());
        Some(timeout.map_or(pause, |timeout| timeout.min(pause)))
    }

    /// Lets the listeners whose pause has ended try again, as if an event had come.
    #[cold]
    #[inline(never)]
    fn end_pauses(&self) {
        let now = Instant::now();
        let has_ended = |(until, _): &mut (Instant, Key)| *until <= now;
        let ended: Vec<_> = self.pauses.borrow_mut().extract_if(.., has_ended).collect();
        for (_, key) in ended {
            self.change(key, Slot::end_pause);
            self.arrive_specially(key, Ready::only(Direction::Read));
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Makes a reactor's [`wait`](Reactor::wait) return, from any thread: the one that sleeps now or,
/// if none does, the next.
#[derive(Clone, Debug)]
pub struct Notifier {
    inbox: Arc<Inbox>,
}

impl Notifier {
    /// Wakes the loop. Several calls before it looks are one wake-up.
    pub fn notify(&self) {
        self.inbox.notify();
    }
}

/// Makes a reactor the thread's own until it is dropped; then the previous one is again.
#[derive(Debug)]
#[must_use = "the reactor is left again when the guard is dropped"]
pub struct EnterGuard {
    previous: Option<Rc<Reactor>>,
    _not_send: PhantomData<*const ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        let previous = self.previous.take();
        ENTERED.set(previous.as_deref().map_or(0, Reactor::id));
        // Fails only in the destruction of the thread's locals, when there is none to restore.
        let left = REACTOR.try_with(|current| current.replace(previous));
        drop(left);
    }
}

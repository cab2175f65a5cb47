//! The table of I/O sources: what the loop's thread keeps about each socket.

use std::rc::Rc;
use std::task::{RawWakerVTable, Waker};
use std::time::Duration;

use lunation_context::{Resource, ResourceKind};
use mio::{Interest, Token};

use crate::readiness::{Direction, Ready};
use crate::state::State;
use crate::waiters::{Place, Waiters, Waking};

/// A slot's index in the low half of a token, its generation in the high half.
const INDEX_BITS: u32 = usize::BITS / 2;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

/// First pause of a listener that ran out of descriptors; it doubles up to [`LONGEST_PAUSE`]. In
/// milliseconds.
const FIRST_PAUSE: u16 = 100;
const LONGEST_PAUSE: u16 = 1000;

/// Names one source for ever: a reused slot has another generation, so that an event or a release
/// that comes late finds nothing.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Key(pub(crate) usize);

impl Key {
    fn new(index: usize, generation: usize) -> Key {
        Key(generation << INDEX_BITS | index)
    }

    /// The token to register with.
    pub(crate) fn token(self) -> Token {
        Token(self.0)
    }

    fn index(self) -> usize {
        self.0 & INDEX_MASK
    }
}

/// How the dispatch of a source's events shows to hooks.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Dispatch {
    /// Before/after of the source's resource around the wakes.
    InResource,
    /// Silently: a listener enters its resource once per accepted connection instead, as Node
    /// does, and would show every connection twice otherwise.
    Silent,
}

/// One registered source.
// In this order, as where there are many, what an event costs is mostly the cache lines it looks
// at: down to the readers it is one, and nearly no event concerns the others.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Slot {
    key: Key,
    state: State,
    /// Whether all an event can do is to wake tasks of the runtime: see [`Slot::settle`].
    plain: bool,
    dispatch: Dispatch,
    /// Whether operations that wait for it keep the loop alive.
    refed: bool,
    /// A listener out of descriptors does not try, whatever events come.
    paused: bool,
    /// How long the last pause was, in milliseconds; 0 after a success.
    pause: u16,
    readers: Waiters,
    writers: Waiters,
    resource: Rc<Resource>,
    /// What those wait for who wait to write: a connect, or to hooks a write or send.
    request: Option<Rc<Resource>>,
    /// The kind of the request that a wait to write is.
    request_kind: Option<&'static ResourceKind>,
}

impl Slot {
    /// A source with nobody waiting. Its key is given by [`Slots::insert`].
    pub(crate) fn new(resource: Rc<Resource>, ready: Ready, dispatch: Dispatch) -> Slot {
        Slot {
            key: Key(0),
            state: State::new(ready),
            plain: false,
            dispatch,
            refed: true,
            paused: false,
            pause: 0,
            readers: Waiters::default(),
            writers: Waiters::default(),
            resource,
            request: None,
            request_kind: None,
        }
    }

    /// The same, with `request` as the resource of its pending connect.
    pub(crate) fn connecting(mut self, request: Rc<Resource>) -> Slot {
        self.request = Some(request);
        self
    }

    /// The same, where a wait to write is a request of `kind`.
    pub(crate) fn requesting(mut self, kind: &'static ResourceKind) -> Slot {
        self.request_kind = Some(kind);
        self
    }

    /// The request that a wait to write has to begin, if there is none yet: its kind, and the
    /// source's resource, which triggers it.
    pub(crate) fn wanted_request(&self) -> Option<(ResourceKind, Rc<Resource>)> {
        let kind = *self.request_kind.filter(|_| self.request.is_none())?;
        self.has_writers().then(|| (kind, self.resource.clone()))
    }

    /// Begins a request, unless the wait has ended meanwhile: then it is returned.
    pub(crate) fn begin_request(&mut self, request: Rc<Resource>) -> Option<Rc<Resource>> {
        let wanted = self.wanted_request().is_some();
        if wanted { self.request.replace(request) } else { Some(request) }
    }

    /// The request, if nobody waits for it any more.
    pub(crate) fn take_idle_request(&mut self) -> Option<Rc<Resource>> {
        if self.has_writers() { None } else { self.request.take() }
    }

    fn has_writers(&self) -> bool {
        !self.writers.is_empty(self.state.place(Direction::Write))
    }

    pub(crate) fn resource(&self) -> Rc<Resource> {
        self.resource.clone()
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Who waits for `direction`, and where the first of them stands.
    pub(crate) fn side(&mut self, direction: Direction) -> (&mut Waiters, &Place) {
        let waiters = match direction {
            Direction::Read => &mut self.readers,
            Direction::Write => &mut self.writers,
        };
        (waiters, self.state.place(direction))
    }

    /// Takes in an event and takes out whom it concerns.
    pub(crate) fn arrive(&mut self, event: Ready) -> Arrival {
        let event = if self.paused { Ready::NONE } else { event };
        self.state.set_ready(self.state.ready() | event);
        let writes = event.has(Direction::Write);
        let mut take = |direction| {
            let (waiters, place) = self.side(direction);
            if event.has(direction) { waiters.take(place) } else { Waking::default() }
        };
        Arrival {
            readers: take(Direction::Read),
            writers: take(Direction::Write),
            request: self.request.take_if(|_| writes),
            resource: self.used(),
        }
    }

    /// Takes in an event and wakes whom it concerns, if that is all there is to do and nobody can
    /// tell whether the resource was entered: whether it woke anybody. Else `None`, and nothing was
    /// done.
    #[inline]
    pub(crate) fn arrive_plainly(&self, event: Ready) -> Option<bool> {
        if !self.plain {
            return None;
        }
        self.state.set_ready(self.state.ready() | event);
        if !self.state.place(Direction::Write).is_free() {
            return Some(self.wake_both_in_place(event));
        }
        Some(self.wake_in_place(&self.readers, Direction::Read, event))
    }

    /// The same where somebody waits to write, as is rare.
    #[inline(never)]
    fn wake_both_in_place(&self, event: Ready) -> bool {
        let has_read = self.wake_in_place(&self.readers, Direction::Read, event);
        self.wake_in_place(&self.writers, Direction::Write, event) || has_read
    }

    #[inline(always)]
    fn wake_in_place(&self, waiters: &Waiters, direction: Direction, event: Ready) -> bool {
        let place = self.state.place(direction);
        let concerned = !place.is_free() && event.has(direction);
        if concerned {
            waiters.wake_in_place(place);
        }
        concerned
    }

    /// To be called after every change: notes whether the next event is a plain one. That is so if
    /// only tasks wait, at most one per direction, whose wakers, those with the table `own`, run no
    /// user code.
    pub(crate) fn settle(&mut self, own: Option<&'static RawWakerVTable>) {
        let is_plain = |waiters: &Waiters| waiters.is_plain(own);
        let waits_plainly = is_plain(&self.readers) && is_plain(&self.writers);
        self.plain = waits_plainly && self.request.is_none() && !self.paused;
    }

    /// Stops trying to read, for the returned time: 100 ms, doubling to 1 s.
    pub(crate) fn start_pause(&mut self) -> Duration {
        self.state.set_ready(self.state.ready().without(Direction::Read));
        self.paused = true;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        Duration::from_millis(self.pause.into())
    }

    /// Lets events count again.
    pub(crate) fn end_pause(&mut self) {
        self.paused = false;
    }

    /// An accept succeeded: the next pause is short again.
    pub(crate) fn reset_pause(&mut self) {
        self.pause = 0;
    }

    /// Ends the source's resources. Drops wakers and a frame: hold no borrow.
    pub(crate) fn end(self) {
        if let Some(request) = &self.request {
            request.destroy();
        }
        self.resource.destroy();
    }

    /// Between two users of a pool: nobody's events, nobody's wait. Returns what is to be ended.
    pub(crate) fn check_in(&mut self) -> Rc<Resource> {
        self.refed = false;
        self.dispatch = Dispatch::Silent;
        self.resource.clone()
    }

    /// It belongs to a new user of a pool. Returns what it was before.
    pub(crate) fn check_out(&mut self, resource: Rc<Resource>) -> Rc<Resource> {
        self.refed = true;
        self.dispatch = Dispatch::InResource;
        std::mem::replace(&mut self.resource, resource)
    }

    /// The resource, unless it lies in a pool.
    pub(crate) fn used(&self) -> Option<Rc<Resource>> {
        (self.dispatch == Dispatch::InResource).then(|| self.resource.clone())
    }

    /// Sets whether operations that wait for it keep the loop alive.
    pub(crate) fn set_ref(&mut self, refed: bool) {
        self.refed = refed;
    }

    fn describe(&self) -> SourceInfo {
        let waits = |waiters: &Waiters, direction, interest: Interest| -> Vec<SourceWait> {
            let wait = |(number, waker): (u64, &Waker)| SourceWait {
                interest,
                waker: waker.data(),
                number,
            };
            waiters.iter(self.state.place(direction)).map(wait).collect()
        };
        let mut all = waits(&self.readers, Direction::Read, Interest::READABLE);
        all.extend(waits(&self.writers, Direction::Write, Interest::WRITABLE));
        SourceInfo {
            resource: self.resource.clone(),
            request: self.request.clone(),
            refed: self.refed,
            waits: all,
        }
    }

    /// Whether an operation waits for it that keeps the loop alive.
    fn is_waiting(&self) -> bool {
        let reader = self.state.place(Direction::Read);
        let writer = self.state.place(Direction::Write);
        self.refed && !(self.readers.is_empty(reader) && self.writers.is_empty(writer))
    }
}

/// A source at one moment: see [`Reactor::sources`](crate::Reactor::sources).
#[derive(Debug)]
pub struct SourceInfo {
    /// Its async resource.
    pub resource: Rc<Resource>,
    /// The request of a connect whose result is not known yet, or of a write that waits.
    pub request: Option<Rc<Resource>>,
    /// Whether operations that wait for it keep the loop alive.
    pub refed: bool,
    /// Who waits.
    pub waits: Vec<SourceWait>,
}

/// An operation that waits for a source.
#[derive(Debug)]
pub struct SourceWait {
    /// To be readable, or to be writable.
    pub interest: Interest,
    /// The data pointer of the waker: which task waits.
    pub waker: *const (),
    /// Its number among the waits of the reactor, in the order of their beginnings.
    pub number: u64,
}

/// An event on its way to those who wait for it.
#[derive(Debug)]
pub(crate) struct Arrival {
    readers: Waking,
    writers: Waking,
    /// The request that the event ends: what to enter for those who wait to write.
    request: Option<Rc<Resource>>,
    /// What to enter otherwise; none for silent sources.
    resource: Option<Rc<Resource>>,
}

impl Arrival {
    /// Wakes those who wait, inside the resource the event belongs to; enters nothing if nobody
    /// waits. Returns whether anybody did. Hooks and wakers run: hold no borrow.
    pub(crate) fn deliver(self) -> bool {
        let Arrival { readers, writers, request, resource } = self;
        let Some(request) = request else { return wake([readers, writers], resource) };
        // Queued before the wakes, so that no panic of a waker can lose it; delivered later.
        request.destroy();
        let has_read = wake([readers], resource);
        wake([writers], Some(request)) || has_read
    }
}

/// Wakes all, inside `resource`. Whether there is anybody.
fn wake<const N: usize>(waiters: [Waking; N], resource: Option<Rc<Resource>>) -> bool {
    if waiters.iter().all(Waking::is_empty) {
        return false;
    }
    let wake = || waiters.into_iter().for_each(Waking::wake);
    match resource {
        Some(resource) => resource.call(wake),
        None => wake(),
    }
    true
}

/// A slot's place, as wide as two lines of the cache, and where one begins.
#[repr(align(64))]
#[derive(Debug)]
struct Entry(Option<Slot>);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Entry>() == 128);

/// All sources of a reactor.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    entries: Vec<Entry>,
    /// Which of them are empty.
    free: Vec<usize>,
    generation: usize,
}

impl Slots {
    /// Whether no token is left for another source: only thinkable where `usize` has 32 bits.
    pub(crate) fn is_full(&self) -> bool {
        // The last index is left out: with the last generation it would be the notifier's token.
        self.free.is_empty() && self.entries.len() >= INDEX_MASK
    }

    /// Whether there is no source.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() == self.free.len()
    }

    /// Adds a source and names it.
    pub(crate) fn insert(&mut self, mut slot: Slot) -> Key {
        self.generation = self.generation.wrapping_add(1) & INDEX_MASK;
        let index = self.free.pop().unwrap_or(self.entries.len());
        slot.key = Key::new(index, self.generation);
        let (key, entry) = (slot.key, Entry(Some(slot)));
        match self.entries.get_mut(index) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        key
    }

    /// One source; `None` when it has gone.
    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<&Slot> {
        self.entries.get(key.index())?.0.as_ref().filter(|slot| slot.key == key)
    }

    /// The same, to change it: it has to be [settled](Slot::settle) then.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Slot> {
        self.entries.get_mut(key.index())?.0.as_mut().filter(|slot| slot.key == key)
    }

    /// Takes a source out, to be [ended](Slot::end) without a borrow.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Slot> {
        self.get(key)?.state.close();
        self.free.push(key.index());
        self.entries[key.index()].0.take()
    }

    /// Any one source, for the shutdown.
    pub(crate) fn any(&self) -> Option<Key> {
        self.iter().next().map(|slot| slot.key)
    }

    /// All sources, for those who look from outside.
    pub(crate) fn describe(&self) -> Vec<SourceInfo> {
        self.iter().map(Slot::describe).collect()
    }

    /// The sources for which an operation waits that keeps the loop alive.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Slot> {
        self.iter().filter(|slot| slot.is_waiting())
    }

    fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.entries.iter().filter_map(|entry| entry.0.as_ref())
    }
}

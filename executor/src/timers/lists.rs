//! Node's timer lists: one FIFO per duration, in a heap by the expiry of their first timers.
//!
//! The order of timers is the order of this structure (FORMAT of the oracle, 3.6): a list that is
//! being served runs all its due timers before the next list. It is also the fastest structure for
//! what servers do most, re-arming timeouts of one duration: unlink and append.
//!
//! Two things are done late, because most timers never fire:
//! - A list that Node removes is only marked as gone. It is made anew in its place when the next
//!   timer of that duration comes, or goes for good when the heap brings it up.
//! - The heap's entry of a list may be earlier than the list is due. It is put right at the top.
//!
//! Nothing here runs user code. Between two steps of the timers phase anything may have been
//! removed: lists and timers are named by keys that tell.

use crate::clock::Millis;
use crate::limits::{GONE_TIMER_LISTS, TIMER_RESERVE};
use crate::task::waker::prefetch;
use crate::timers::hash::Seed;
use slab::Slab;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::HashMap;
use std::collections::binary_heap::PeekMut;

/// No timer, no list.
const NONE: u32 = u32::MAX;

/// Names a timer, also after it has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TimerKey {
    index: u32,
    generation: u32,
}

impl TimerKey {
    /// Names no timer.
    pub(crate) const NONE: TimerKey = TimerKey { index: NONE, generation: 0 };

    /// The key as a number, for handles that cross threads.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> TimerKey {
        TimerKey { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// Names a list, also after it has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListKey {
    index: u32,
    made: u64,
}

/// A timer, or a free place for one. A million of them may wait: kept small.
#[derive(Debug)]
struct Timer<P> {
    /// One more each time that the place becomes free.
    generation: u32,
    list: u32,
    previous: u32,
    /// In a free place the next free one.
    next: u32,
    start: Start,
    payload: Option<P>,
}

/// When a timer was armed, with two flags.
#[derive(Debug, Clone, Copy)]
struct Start(u64);

impl Start {
    /// The timer keeps the loop alive.
    const REFED: u64 = 1 << 63;
    /// The timer was put off: it ends later than its place in the list says.
    const PUT_OFF: u64 = 1 << 62;

    fn new(at: Millis, refed: bool) -> Start {
        // 2^62 ms are 146 million years.
        Start(at.min(Start::PUT_OFF - 1) | if refed { Start::REFED } else { 0 })
    }

    fn at(self) -> Millis {
        self.0 & (Start::PUT_OFF - 1)
    }

    fn refed(self) -> bool {
        self.0 & Start::REFED != 0
    }

    fn put_off(self) -> Start {
        Start(self.0 | Start::PUT_OFF)
    }

    fn is_put_off(self) -> bool {
        self.0 & Start::PUT_OFF != 0
    }
}

#[derive(Debug)]
struct List {
    ms: Millis,
    /// Number of its creation, which tells it from earlier lists in its place; [`GONE`] if it has
    /// been removed and not been made anew.
    made: u64,
    due: Due,
    /// Its entry in the heap, not later than `due`. Other entries of it are void.
    queued: Due,
    head: u32,
    tail: u32,
}

/// See [`List::made`].
const GONE: u64 = 0;

/// When a list is to be served; of equal ones, that which got its expiry first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    expiry: Millis,
    /// Unique.
    sequence: u64,
}

/// All timers of a loop. `P` is what a timer does.
#[derive(Debug)]
pub(crate) struct Lists<P> {
    timers: Vec<Timer<P>>,
    free: u32,
    len: usize,
    refed: usize,
    lists: Slab<List>,
    by_duration: HashMap<Millis, u32, Seed>,
    /// The list used last: most timers are armed with the duration of the one before.
    last: u32,
    gone: usize,
    heap: BinaryHeap<Reverse<(Due, u32)>>,
    sequence: u64,
}

impl<P> Default for Lists<P> {
    fn default() -> Lists<P> {
        Lists {
            timers: Vec::new(),
            free: NONE,
            len: 0,
            refed: 0,
            lists: Slab::new(),
            by_duration: HashMap::default(),
            last: NONE,
            gone: 0,
            heap: BinaryHeap::new(),
            sequence: GONE,
        }
    }
}

/// An index as a link.
fn link(index: usize) -> u32 {
    u32::try_from(index).ok().filter(|&index| index != NONE).expect("fewer than 2^32 timers")
}

impl<P> Lists<P> {
    /// Number of timers.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of timers that keep the loop alive.
    pub(crate) fn refed(&self) -> usize {
        self.refed
    }

    // ---- timers ----

    /// Adds a timer that is due `ms` after `start`.
    pub(crate) fn insert(
        &mut self,
        ms: Millis,
        start: Millis,
        refed: bool,
        payload: P,
    ) -> TimerKey {
        let list = self.list_for(ms, start);
        let index = if self.free == NONE { self.add_place() } else { self.free };
        let timer = &mut self.timers[index as usize];
        self.free = timer.next;
        timer.start = Start::new(start, refed);
        timer.payload = Some(payload);
        let generation = timer.generation;
        self.len += 1;
        self.refed += usize::from(refed);
        self.append(list, index);
        TimerKey { index, generation }
    }

    /// Arms a pending timer anew, at the end of its list. False if it has gone.
    pub(crate) fn restart(&mut self, key: TimerKey, start: Millis) -> bool {
        let Some(timer) = self.timer_mut(key) else { return false };
        timer.start = Start::new(start, timer.start.refed());
        let list = timer.list;
        self.unlink(key.index);
        self.append(list, key.index);
        true
    }

    /// As [`Lists::restart`], with another duration.
    pub(crate) fn restart_as(&mut self, key: TimerKey, ms: Millis, start: Millis) -> bool {
        let Some(timer) = self.timer_mut(key) else { return false };
        timer.start = Start::new(start, timer.start.refed());
        let list = timer.list;
        self.unlink(key.index);
        if self.lists[list as usize].ms != ms {
            self.remove_if_empty(list);
        }
        let list = self.list_for(ms, start);
        self.append(list, key.index);
        true
    }

    /// Lets a pending timer end at `due` instead, if that is not earlier than before. It stays
    /// where it is until its list is served there: a timeout that is put off again and again costs
    /// a store each time. False if nothing was done.
    pub(crate) fn put_off(&mut self, key: TimerKey, due: Millis) -> bool {
        let Some(&Timer { list, start, .. }) = self.timer(key) else { return false };
        let ms = self.lists[list as usize].ms;
        if due < start.at().saturating_add(ms) {
            return false;
        }
        self.timers[key.index as usize].start = Start::new(due - ms, start.refed()).put_off();
        true
    }

    /// Removes a timer that was cleared, and its list if that leaves it empty (Node keeps the list
    /// of an unref'd timer).
    pub(crate) fn clear(&mut self, key: TimerKey) -> Option<P> {
        let &Timer { list, start, .. } = self.timer(key)?;
        let payload = self.take_at(key.index);
        if start.refed() {
            self.remove_if_empty(list);
        }
        payload
    }

    /// A timer of this duration was cleared in its own body: removes its list if it is empty.
    pub(crate) fn clear_unlinked(&mut self, ms: Millis) {
        if let Some(&list) = self.by_duration.get(&ms) {
            self.remove_if_empty(list);
        }
    }

    /// Removes a timer that is going to fire. None if it was cleared meanwhile.
    pub(crate) fn take(&mut self, key: TimerKey) -> Option<P> {
        self.timer(key)?;
        self.take_at(key.index)
    }

    /// What a pending timer does.
    #[inline]
    pub(crate) fn payload(&mut self, key: TimerKey) -> Option<&mut P> {
        self.timer_mut(key)?.payload.as_mut()
    }

    /// All timers, in no order: when each was started and is due, whether it keeps the loop alive,
    /// and what it does.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Millis, Millis, bool, &P)> {
        self.timers.iter().filter_map(|timer| {
            let payload = timer.payload.as_ref()?;
            let due = timer.start.at().saturating_add(self.lists[timer.list as usize].ms);
            Some((timer.start.at(), due, timer.start.refed(), payload))
        })
    }

    /// Sets whether a pending timer keeps the loop alive.
    pub(crate) fn set_refed(&mut self, key: TimerKey, refed: bool) {
        if let Some(timer) = self.timer_mut(key)
            && timer.start.refed() != refed
        {
            timer.start.0 ^= Start::REFED;
            self.refed = self.refed.wrapping_add_signed(if refed { 1 } else { -1 });
        }
    }

    /// Removes all timers, for the end of the runtime, and returns what they do.
    pub(crate) fn take_all(&mut self) -> Vec<P> {
        let pending = self.timers.iter().zip(0..).filter(|(timer, _)| timer.payload.is_some());
        let keys: Vec<TimerKey> = pending
            .map(|(timer, index)| TimerKey { index, generation: timer.generation })
            .collect();
        keys.into_iter().filter_map(|key| self.clear(key)).collect()
    }

    // ---- the timers phase ----

    /// When the first list expires. Lists that were left empty count.
    pub(crate) fn next_expiry(&mut self) -> Option<Millis> {
        self.first().map(|(due, _)| due.expiry)
    }

    /// The list to serve next, if one has expired.
    pub(crate) fn first_due(&mut self, now: Millis) -> Option<ListKey> {
        let (_, index) = self.first().filter(|(due, _)| due.expiry <= now)?;
        Some(ListKey { index, made: self.lists[index as usize].made })
    }

    /// The first timer of a list if it is due. If not, the list has been served: it gets the
    /// expiry of that timer, but not this millisecond; an empty one is removed.
    pub(crate) fn next_due(&mut self, list: ListKey, now: Millis) -> Option<TimerKey> {
        loop {
            let List { ms, head, .. } = *self.list(list)?;
            let Some(timer) = self.timers.get(head as usize) else {
                self.remove_if_empty(list.index);
                return None;
            };
            let key = TimerKey { index: head, generation: timer.generation };
            let due = timer.start.at().saturating_add(ms);
            if due <= now {
                return Some(key);
            }
            if !timer.start.is_put_off() {
                self.set_due(list.index, due.max(now + 1));
                return None;
            }
            self.restart_as(key, due - now, now);
        }
    }

    /// What the first timer of a list does. The second one is fetched into the cache meanwhile.
    pub(crate) fn first_payload(&self, list: ListKey) -> Option<&P> {
        let first = self.timers.get(self.list(list)?.head as usize)?;
        if let Some(second) = self.timers.get(first.next as usize) {
            prefetch(second, 1);
        }
        first.payload.as_ref()
    }

    /// The first list that has not gone, at the top of the heap with its true expiry.
    fn first(&mut self) -> Option<(Due, u32)> {
        loop {
            let mut top = self.heap.peek_mut()?;
            let Reverse((queued, index)) = *top;
            match self.lists.get_mut(index as usize).filter(|list| list.queued == queued) {
                Some(list) if list.made == GONE => {
                    self.by_duration.remove(&list.ms);
                    self.lists.remove(index as usize);
                    self.gone -= 1;
                    PeekMut::pop(top);
                }
                Some(list) if list.due == queued => return Some((queued, index)),
                Some(list) => {
                    list.queued = list.due;
                    *top = Reverse((list.due, index));
                }
                None => drop(PeekMut::pop(top)),
            }
        }
    }

    // ---- lists ----

    fn list(&self, key: ListKey) -> Option<&List> {
        self.lists.get(key.index as usize).filter(|list| list.made == key.made)
    }

    /// The list for a duration, with an expiry for a first timer that starts at `start`.
    #[inline]
    fn list_for(&mut self, ms: Millis, start: Millis) -> u32 {
        match self.lists.get(self.last as usize) {
            Some(list) if list.ms == ms && list.made != GONE => self.last,
            _ => self.find_list(ms, start),
        }
    }

    fn find_list(&mut self, ms: Millis, start: Millis) -> u32 {
        if self.lists.get(self.last as usize).is_none_or(|list| list.ms != ms) {
            self.last = match self.by_duration.get(&ms) {
                Some(&list) => list,
                None => self.add_list(ms),
            };
        }
        if self.lists[self.last as usize].made == GONE {
            self.gone -= 1;
            self.set_due(self.last, start.saturating_add(ms));
            self.lists[self.last as usize].made = self.sequence;
        }
        self.last
    }

    /// A list in a new place, which is to be made: it counts as gone.
    #[cold]
    fn add_list(&mut self, ms: Millis) -> u32 {
        let never = Due { expiry: Millis::MAX, sequence: u64::MAX };
        let list = List { ms, made: GONE, due: never, queued: never, head: NONE, tail: NONE };
        let index = link(self.lists.insert(list));
        self.by_duration.insert(ms, index);
        self.gone += 1;
        index
    }

    /// Gives a list a new expiry and with it a new place.
    fn set_due(&mut self, index: u32, expiry: Millis) {
        self.sequence += 1;
        let list = &mut self.lists[index as usize];
        list.due = Due { expiry, sequence: self.sequence };
        if list.due < list.queued {
            list.queued = list.due;
            self.heap.push(Reverse((list.due, index)));
        }
    }

    fn remove_if_empty(&mut self, index: u32) {
        let list = &mut self.lists[index as usize];
        if list.head == NONE && list.made != GONE {
            list.made = GONE;
            self.gone += 1;
            if self.gone > GONE_TIMER_LISTS && self.gone > self.lists.len() / 2 {
                self.purge();
            }
        }
    }

    /// Drops all lists that have gone.
    #[cold]
    fn purge(&mut self) {
        let Lists { lists, heap, by_duration, .. } = self;
        lists.retain(|_, list| list.made != GONE);
        by_duration.retain(|_, index| lists.contains(*index as usize));
        heap.retain(|Reverse((queued, index))| {
            lists.get(*index as usize).is_some_and(|list| list.queued == *queued)
        });
        self.gone = 0;
    }

    // ---- places and links ----

    #[inline]
    fn timer(&self, key: TimerKey) -> Option<&Timer<P>> {
        self.timers.get(key.index as usize).filter(|timer| timer.generation == key.generation)
    }

    #[inline]
    fn timer_mut(&mut self, key: TimerKey) -> Option<&mut Timer<P>> {
        let timer = self.timers.get_mut(key.index as usize);
        timer.filter(|timer| timer.generation == key.generation)
    }

    /// A free place more. The memory grows by a quarter each time, not to twice as much: unused
    /// places would be most of it.
    fn add_place(&mut self) -> u32 {
        let len = self.timers.len();
        if len == self.timers.capacity() {
            self.timers.reserve_exact(len / 4 + TIMER_RESERVE);
        }
        let (generation, list, start) = (0, NONE, Start(0));
        let free = Timer { generation, list, previous: NONE, next: NONE, start, payload: None };
        self.timers.push(free);
        link(len)
    }

    /// Unlinks a timer and frees its place.
    #[inline]
    fn take_at(&mut self, index: u32) -> Option<P> {
        self.unlink(index);
        let timer = &mut self.timers[index as usize];
        timer.generation = timer.generation.wrapping_add(1);
        timer.next = self.free;
        self.free = index;
        self.len -= 1;
        self.refed -= usize::from(timer.start.refed());
        timer.payload.take()
    }

    #[inline]
    fn append(&mut self, list: u32, index: u32) {
        let place = &mut self.lists[list as usize];
        let tail = std::mem::replace(&mut place.tail, index);
        match self.timers.get_mut(tail as usize) {
            Some(tail) => tail.next = index,
            None => place.head = index,
        }
        let timer = &mut self.timers[index as usize];
        timer.list = list;
        timer.previous = tail;
        timer.next = NONE;
    }

    #[inline]
    fn unlink(&mut self, index: u32) {
        let Timer { list, previous, next, .. } = self.timers[index as usize];
        let list = &mut self.lists[list as usize];
        match self.timers.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => list.head = next,
        }
        match self.timers.get_mut(next as usize) {
            Some(next) => next.previous = previous,
            None => list.tail = previous,
        }
    }
}

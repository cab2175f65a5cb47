//! Node's timer lists: one FIFO per duration, in a heap by the expiry of their first timers.
//!
//! The order of timers is the order of this structure (FORMAT of the oracle, 3.6): a list that is
//! being served runs all its due timers before the next list. It is also the fastest structure for
//! what servers do most, re-arming timeouts of one duration: unlink and append.
//!
//! Nothing here runs user code. Between two steps of the timers phase anything may have been
//! removed: lists and timers are named by keys that tell.

use crate::clock::Millis;
use crate::timers::heap::{Heap, Item};
use slab::Slab;
use std::collections::HashMap;

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
    index: usize,
    made: u64,
}

#[derive(Debug)]
struct Timer<P> {
    generation: u32,
    list: u32,
    previous: u32,
    next: u32,
    refed: bool,
    start: Millis,
    payload: P,
}

#[derive(Debug)]
struct List {
    ms: Millis,
    /// Sequence number of its creation: tells a list from a later one in the same place.
    made: u64,
    head: u32,
    tail: u32,
    position: usize,
}

/// All timers of a loop. `P` is what a timer does.
#[derive(Debug)]
pub(crate) struct Lists<P> {
    timers: Slab<Timer<P>>,
    lists: Slab<List>,
    by_duration: HashMap<Millis, u32>,
    /// The list used last: most timers are armed with the duration of the one before.
    last: u32,
    heap: Heap,
    sequence: u64,
    generation: u32,
    refed: usize,
}

impl<P> Default for Lists<P> {
    fn default() -> Lists<P> {
        Lists {
            timers: Slab::new(),
            lists: Slab::new(),
            by_duration: HashMap::new(),
            last: NONE,
            heap: Heap::default(),
            sequence: 0,
            generation: 0,
            refed: 0,
        }
    }
}

/// A slab index as a link.
fn link(index: usize) -> u32 {
    u32::try_from(index).ok().filter(|&index| index != NONE).expect("fewer than 2^32 timers")
}

impl<P> Lists<P> {
    /// Number of timers.
    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Number of timers that keep the loop alive.
    pub(crate) fn refed(&self) -> usize {
        self.refed
    }

    /// Adds a timer that is due `ms` after `start`.
    pub(crate) fn insert(
        &mut self,
        ms: Millis,
        start: Millis,
        refed: bool,
        payload: P,
    ) -> TimerKey {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let timer =
            Timer { generation, list: NONE, previous: NONE, next: NONE, refed, start, payload };
        let index = link(self.timers.insert(timer));
        self.refed += usize::from(refed);
        self.append(index, ms, start);
        TimerKey { index, generation }
    }

    /// Arms a pending timer anew, at the end of its list. False if it has gone.
    pub(crate) fn restart(&mut self, key: TimerKey, start: Millis) -> bool {
        let Some(timer) = self.timer(key) else { return false };
        let ms = self.lists[timer.list as usize].ms;
        self.restart_as(key, ms, start)
    }

    /// As [`Lists::restart`], with another duration.
    pub(crate) fn restart_as(&mut self, key: TimerKey, ms: Millis, start: Millis) -> bool {
        let Some(timer) = self.timer(key) else { return false };
        let list = timer.list as usize;
        self.unlink(key.index);
        if self.lists[list].head == NONE && self.lists[list].ms != ms {
            self.remove_list(list);
        }
        self.append(key.index, ms, start);
        true
    }

    /// Removes a timer that was cleared, and its list if that leaves it empty (Node keeps the list
    /// of an unref'd timer).
    pub(crate) fn clear(&mut self, key: TimerKey) -> Option<P> {
        let timer = self.timer(key)?;
        let (list, refed) = (timer.list as usize, timer.refed);
        let payload = self.take(key);
        if refed && self.lists[list].head == NONE {
            self.remove_list(list);
        }
        payload
    }

    /// A timer of this duration was cleared in its own body: removes its list if it is empty.
    pub(crate) fn clear_unlinked(&mut self, ms: Millis) {
        if let Some(&list) = self.by_duration.get(&ms)
            && self.lists[list as usize].head == NONE
        {
            self.remove_list(list as usize);
        }
    }

    /// Removes a timer that is going to fire. None if it was cleared meanwhile.
    pub(crate) fn take(&mut self, key: TimerKey) -> Option<P> {
        self.timer(key)?;
        self.unlink(key.index);
        let timer = self.timers.remove(key.index as usize);
        self.refed -= usize::from(timer.refed);
        Some(timer.payload)
    }

    /// What a pending timer does.
    pub(crate) fn payload(&mut self, key: TimerKey) -> Option<&mut P> {
        let timer = self.timers.get_mut(key.index as usize)?;
        (timer.generation == key.generation).then_some(&mut timer.payload)
    }

    /// All timers, in no order: when each was started and is due, whether it keeps the loop alive,
    /// and what it does.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Millis, Millis, bool, &P)> {
        self.timers.iter().map(|(_, timer)| {
            let due = timer.start.saturating_add(self.lists[timer.list as usize].ms);
            (timer.start, due, timer.refed, &timer.payload)
        })
    }

    /// Sets whether a pending timer keeps the loop alive.
    pub(crate) fn set_refed(&mut self, key: TimerKey, refed: bool) {
        if let Some(timer) = self.timers.get_mut(key.index as usize)
            && timer.generation == key.generation
        {
            self.refed = self.refed + usize::from(refed) - usize::from(timer.refed);
            timer.refed = refed;
        }
    }

    /// When the first list expires. Lists that were left empty count.
    pub(crate) fn next_expiry(&self) -> Option<Millis> {
        self.heap.first().map(|item| item.expiry)
    }

    /// The list to serve next, if one has expired.
    pub(crate) fn first_due(&self, now: Millis) -> Option<ListKey> {
        let item = self.heap.first().filter(|item| item.expiry <= now)?;
        Some(ListKey { index: item.list, made: self.lists[item.list].made })
    }

    /// The first timer of a list and its start; None if the list is empty or has gone.
    pub(crate) fn first_of(&self, list: ListKey) -> Option<(TimerKey, Millis)> {
        let head = self.list(list)?.head;
        let timer = self.timers.get(head as usize)?;
        Some((TimerKey { index: head, generation: timer.generation }, timer.start))
    }

    /// The duration of a list.
    pub(crate) fn duration(&self, list: ListKey) -> Option<Millis> {
        self.list(list).map(|list| list.ms)
    }

    /// Gives a list a new expiry and with it a new place.
    pub(crate) fn postpone(&mut self, list: ListKey, expiry: Millis) {
        let Some(position) = self.list(list).map(|list| list.position) else { return };
        self.sequence += 1;
        let item = Item { expiry, sequence: self.sequence, list: list.index };
        let lists = &mut self.lists;
        self.heap.replace(position, item, |list, position| lists[list].position = position);
    }

    /// Removes a list that was served, unless it has timers or has gone.
    pub(crate) fn remove_if_empty(&mut self, list: ListKey) {
        if self.list(list).is_some_and(|list| list.head == NONE) {
            self.remove_list(list.index);
        }
    }

    /// Removes all timers, for the end of the runtime, and returns what they do.
    pub(crate) fn take_all(&mut self) -> Vec<P> {
        let timers = std::mem::take(&mut self.timers);
        // Keys stay unique: the generation goes on.
        *self = Lists { generation: self.generation, ..Lists::default() };
        timers.into_iter().map(|(_, timer)| timer.payload).collect()
    }

    fn timer(&self, key: TimerKey) -> Option<&Timer<P>> {
        self.timers.get(key.index as usize).filter(|timer| timer.generation == key.generation)
    }

    fn list(&self, key: ListKey) -> Option<&List> {
        self.lists.get(key.index).filter(|list| list.made == key.made)
    }

    fn append(&mut self, index: u32, ms: Millis, start: Millis) {
        let list = self.list_for(ms, start);
        let tail = std::mem::replace(&mut self.lists[list as usize].tail, index);
        match tail {
            NONE => self.lists[list as usize].head = index,
            tail => self.timers[tail as usize].next = index,
        }
        let timer = &mut self.timers[index as usize];
        timer.list = list;
        timer.previous = tail;
        timer.next = NONE;
        timer.start = start;
    }

    fn list_for(&mut self, ms: Millis, start: Millis) -> u32 {
        if self.lists.get(self.last as usize).is_some_and(|list| list.ms == ms) {
            return self.last;
        }
        self.last = match self.by_duration.get(&ms) {
            Some(&list) => list,
            None => self.make_list(ms, start),
        };
        self.last
    }

    fn make_list(&mut self, ms: Millis, start: Millis) -> u32 {
        self.sequence += 1;
        let made = self.sequence;
        let index = self.lists.insert(List { ms, made, head: NONE, tail: NONE, position: 0 });
        let expiry = start.saturating_add(ms);
        let lists = &mut self.lists;
        let item = Item { expiry, sequence: made, list: index };
        self.heap.push(item, |list, position| lists[list].position = position);
        self.by_duration.insert(ms, link(index));
        link(index)
    }

    fn unlink(&mut self, index: u32) {
        let timer = &self.timers[index as usize];
        let (list, previous, next) = (timer.list as usize, timer.previous, timer.next);
        match previous {
            NONE => self.lists[list].head = next,
            previous => self.timers[previous as usize].next = next,
        }
        match next {
            NONE => self.lists[list].tail = previous,
            next => self.timers[next as usize].previous = previous,
        }
    }

    fn remove_list(&mut self, index: usize) {
        let List { ms, position, .. } = self.lists.remove(index);
        self.by_duration.remove(&ms);
        let lists = &mut self.lists;
        self.heap.remove(position, |list, position| lists[list].position = position);
    }
}

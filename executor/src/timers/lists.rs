//! Node's timer lists: one FIFO per duration, in a heap by the expiry of their first timers.
//!
//! The order of timers is the order of this structure (FORMAT of the oracle, 3.6): a list that is
//! being served runs all its due timers before the next list. It is also the fastest structure for
//! what servers do most, re-arming timeouts of one duration: unlink and append.
//!
//! Two things are done late, because most timers never fire:
//! - A list that Node removes is only marked as gone. It is made anew in its place when the next
//!   timer of that duration comes, or goes for good when the heap brings it up or there are many.
//! - The heap's entry of a list may be earlier than the list is due. It is put right at the top.
//!
//! Nothing here runs user code. Between two steps of the timers phase anything may have been
//! removed: lists and timers are named by keys that tell.

use crate::clock::Millis;
use crate::limits::KEPT_TIMER_LISTS;
use crate::timers::hash::Seed;
use crate::timers::places::{Ends, NONE, Places, Start, Timer, TimerKey, link};
use slab::Slab;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::HashMap;
use std::collections::binary_heap::PeekMut;

/// Names a list, also after it has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListKey {
    index: u32,
    made: u64,
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
    timers: Ends,
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
    timers: Places<P>,
    lists: Slab<List>,
    by_duration: HashMap<Millis, u32, Seed>,
    /// The list used last: most timers are armed with the duration of the one before.
    last: u32,
    /// Adding a list drops those that have gone if there are so many.
    purge_at: usize,
    heap: Heap,
    sequence: u64,
}

type Heap = BinaryHeap<Reverse<(Due, u32)>>;

impl List {
    /// Gives it another expiry and with that another place, in which it is the `index`th list.
    #[inline(always)]
    fn set_due(&mut self, due: Due, index: u32, heap: &mut Heap) {
        self.due = due;
        if due < self.queued {
            self.queued = due;
            heap.push(Reverse((due, index)));
        }
    }

    /// Marks it as gone if it is empty.
    #[inline(always)]
    fn remove_if_empty(&mut self) {
        if self.timers.is_empty() {
            self.made = GONE;
        }
    }
}

impl<P> Default for Lists<P> {
    fn default() -> Lists<P> {
        Lists {
            timers: Places::default(),
            lists: Slab::new(),
            by_duration: HashMap::default(),
            last: NONE,
            purge_at: KEPT_TIMER_LISTS,
            heap: BinaryHeap::new(),
            sequence: GONE,
        }
    }
}

impl<P> Lists<P> {
    /// Number of timers.
    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Number of timers that keep the loop alive.
    pub(crate) fn refed(&self) -> usize {
        self.timers.refed()
    }

    // ---- timers ----

    /// Adds a timer that is due `ms` after `start`.
    #[inline(always)]
    pub(crate) fn insert(
        &mut self,
        ms: Millis,
        start: Millis,
        refed: bool,
        payload: P,
    ) -> TimerKey {
        let list = self.list_for(ms, start);
        let ends = &mut self.lists[list as usize].timers;
        self.timers.insert(Start::new(start, refed), payload, list, ends)
    }

    /// Arms a pending timer anew, at the end of its list. False if it has gone.
    pub(crate) fn restart(&mut self, key: TimerKey, start: Millis) -> bool {
        let Some(list) = self.move_out(key, start) else { return false };
        self.timers.append(key, list, &mut self.lists[list as usize].timers);
        true
    }

    /// As [`Lists::restart`], with another duration.
    pub(crate) fn restart_as(&mut self, key: TimerKey, ms: Millis, start: Millis) -> bool {
        let Some(list) = self.move_out(key, start) else { return false };
        if self.lists[list as usize].ms != ms {
            self.remove_if_empty(list);
        }
        let list = self.list_for(ms, start);
        self.timers.append(key, list, &mut self.lists[list as usize].timers);
        true
    }

    /// Lets a pending timer end at `due` instead, if that is not earlier than before. It stays
    /// where it is until its list is served there: a timeout that is put off again and again costs
    /// a store each time. False if nothing was done.
    pub(crate) fn put_off(&mut self, key: TimerKey, due: Millis) -> bool {
        let Some(timer) = self.timers.get_mut(key) else { return false };
        if due < timer.due(&self.lists) {
            return false;
        }
        timer.start = Start::new(due, timer.start.refed()).put_off();
        true
    }

    /// Removes a timer, and its list if that leaves it empty.
    #[inline(always)]
    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<P> {
        let list = self.timers.get(key)?.list;
        let list = &mut self.lists[list as usize];
        let payload = self.timers.remove(key, &mut list.timers);
        list.remove_if_empty();
        payload
    }

    /// As [`Lists::remove`], but the list of an unref'd timer stays until it is served, as Node's
    /// does: the next timer of that duration is served where it stands.
    pub(crate) fn clear(&mut self, key: TimerKey) -> Option<P> {
        if self.timers.get(key)?.start.refed() { self.remove(key) } else { self.take(key) }
    }

    /// A timer of this duration was cleared in its own body: removes its list if it is empty.
    pub(crate) fn clear_unlinked(&mut self, ms: Millis) {
        if let Some(&list) = self.by_duration.get(&ms) {
            self.remove_if_empty(list);
        }
    }

    /// Removes a timer that is going to fire. None if it was cleared meanwhile.
    pub(crate) fn take(&mut self, key: TimerKey) -> Option<P> {
        let list = self.timers.get(key)?.list;
        self.timers.remove(key, &mut self.lists[list as usize].timers)
    }

    /// What a pending timer does.
    #[inline]
    pub(crate) fn payload(&mut self, key: TimerKey) -> Option<&mut P> {
        self.timers.get_mut(key)?.payload.as_mut()
    }

    /// All timers, in no order: when each was started and is due, whether it keeps the loop alive,
    /// and what it does.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Millis, Millis, bool, &P)> {
        self.timers.iter().filter_map(|(_, timer)| {
            let (start, due) = (timer.start, timer.due(&self.lists));
            let ms = self.lists[timer.list as usize].ms;
            let since = if start.is_put_off() { due.saturating_sub(ms) } else { start.at() };
            Some((since, due, start.refed(), timer.payload.as_ref()?))
        })
    }

    /// Sets whether a pending timer keeps the loop alive, and returns what it does.
    #[inline]
    pub(crate) fn set_refed(&mut self, key: TimerKey, refed: bool) -> Option<&mut P> {
        self.timers.set_refed(key, refed)?.payload.as_mut()
    }

    /// Removes all timers, for the end of the runtime, and returns what they do.
    pub(crate) fn take_all(&mut self) -> Vec<P> {
        let keys: Vec<TimerKey> = self.timers.iter().map(|(key, _)| key).collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
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
            let Some((key, timer)) = self.timers.first(&self.list(list)?.timers) else {
                self.remove_if_empty(list.index);
                return None;
            };
            let due = timer.due(&self.lists);
            if due <= now {
                return Some(key);
            }
            if !timer.start.is_put_off() {
                self.sequence += 1;
                let due = Due { expiry: due.max(now + 1), sequence: self.sequence };
                self.lists[list.index as usize].set_due(due, list.index, &mut self.heap);
                return None;
            }
            self.restart_as(key, due - now, now);
        }
    }

    /// What the first timer of a list does. The second one is fetched into the cache meanwhile.
    pub(crate) fn first_payload(&self, list: ListKey) -> Option<&P> {
        let (_, first) = self.timers.first(&self.list(list)?.timers)?;
        self.timers.prefetch_next(first);
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
    #[inline(always)]
    fn list_for(&mut self, ms: Millis, start: Millis) -> u32 {
        let last = self.lists.get(self.last as usize);
        if last.is_none_or(|list| list.ms != ms) {
            self.last = self.find_list(ms);
        }
        let list = &mut self.lists[self.last as usize];
        if list.made == GONE {
            self.sequence += 1;
            list.made = self.sequence;
            let due = Due { expiry: start.saturating_add(ms), sequence: self.sequence };
            list.set_due(due, self.last, &mut self.heap);
        }
        self.last
    }

    fn find_list(&mut self, ms: Millis) -> u32 {
        match self.by_duration.get(&ms) {
            Some(&list) => list,
            None => self.add_list(ms),
        }
    }

    /// A list in a new place, which is to be made: it counts as gone.
    #[cold]
    fn add_list(&mut self, ms: Millis) -> u32 {
        if self.lists.len() >= self.purge_at {
            self.purge();
        }
        let never = Due { expiry: Millis::MAX, sequence: u64::MAX };
        let list = List { ms, made: GONE, due: never, queued: never, timers: Ends::EMPTY };
        let index = link(self.lists.insert(list));
        self.by_duration.insert(ms, index);
        index
    }

    fn remove_if_empty(&mut self, index: u32) {
        self.lists[index as usize].remove_if_empty();
    }

    /// Drops all lists that have gone. As many as have stayed are added before the next time.
    fn purge(&mut self) {
        let Lists { lists, heap, by_duration, .. } = self;
        lists.retain(|_, list| list.made != GONE);
        by_duration.retain(|_, index| lists.contains(*index as usize));
        heap.retain(|Reverse((queued, index))| {
            lists.get(*index as usize).is_some_and(|list| list.queued == *queued)
        });
        self.purge_at = KEPT_TIMER_LISTS.max(2 * self.lists.len());
    }

    /// Takes a timer out of its list, to be armed anew. Returns the list.
    #[inline]
    fn move_out(&mut self, key: TimerKey, start: Millis) -> Option<u32> {
        let timer = self.timers.get_mut(key)?;
        timer.start = Start::new(start, timer.start.refed());
        let list = timer.list;
        self.timers.unlink(key, &mut self.lists[list as usize].timers);
        Some(list)
    }
}

impl<P> Timer<P> {
    #[inline]
    fn due(&self, lists: &Slab<List>) -> Millis {
        if self.start.is_put_off() {
            return self.start.at();
        }
        self.start.at().saturating_add(lists[self.list as usize].ms)
    }
}

//! The lists of timers by their durations, and in a heap by when they are to be served.
//!
//! Two things are done late, because most timers never fire:
//! - A list that Node removes is only marked as gone. It is made anew in its place when the next
//!   timer of that duration comes, or goes for good when the heap brings it up or there are many.
//! - The heap's entry of a list may be earlier than the list is due. It is put right at the top.

use crate::clock::Millis;
use crate::limits::KEPT_TIMER_LISTS;
use crate::timers::hash::Seed;
use crate::timers::places::{Ends, NONE, link};
use slab::Slab;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::HashMap;
use std::collections::binary_heap::PeekMut;

/// Names a list, also after it has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListKey {
    pub(crate) index: u32,
    made: u64,
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) ms: Millis,
    /// Number of its creation, which tells it from earlier lists in its place; [`GONE`] if it has
    /// been removed and not been made anew.
    made: u64,
    due: Due,
    /// Its entry in the heap, not later than `due`. Other entries of it are void.
    queued: Due,
    pub(crate) timers: Ends,
}

/// See [`List::made`].
const GONE: u64 = 0;

/// When a list is to be served; of equal ones, that which got its expiry first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) expiry: Millis,
    /// Unique.
    sequence: u64,
}

/// All lists of a loop.
#[derive(Debug)]
pub(crate) struct Table {
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
    pub(crate) fn remove_if_empty(&mut self) {
        if self.timers.is_empty() {
            self.made = GONE;
        }
    }
}

impl Default for Table {
    fn default() -> Table {
        Table {
            lists: Slab::new(),
            by_duration: HashMap::default(),
            last: NONE,
            purge_at: KEPT_TIMER_LISTS,
            heap: BinaryHeap::new(),
            sequence: GONE,
        }
    }
}

impl Table {
    /// Number of lists, with those that have gone and stand by.
    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    /// A list in its place, which has a timer or is about to get one.
    #[inline(always)]
    pub(crate) fn at(&self, index: u32) -> &List {
        &self.lists[index as usize]
    }

    /// As [`Table::at`].
    #[inline(always)]
    pub(crate) fn at_mut(&mut self, index: u32) -> &mut List {
        &mut self.lists[index as usize]
    }

    /// The list of this name, unless it has gone.
    pub(crate) fn get(&self, key: ListKey) -> Option<&List> {
        self.lists.get(key.index as usize).filter(|list| list.made == key.made)
    }

    /// The list of a duration, also one that has gone.
    pub(crate) fn of_duration(&mut self, ms: Millis) -> Option<&mut List> {
        let index = *self.by_duration.get(&ms)?;
        self.lists.get_mut(index as usize)
    }

    /// The list for a duration and its place, with an expiry for a first timer that starts at
    /// `start`.
    #[inline(always)]
    pub(crate) fn list_for(&mut self, ms: Millis, start: Millis) -> (u32, &mut List) {
        let last = self.lists.get(self.last as usize);
        if last.is_none_or(|list| list.ms != ms) {
            self.last = self.find(ms);
        }
        let (index, list) = (self.last, &mut self.lists[self.last as usize]);
        if list.made == GONE {
            self.sequence += 1;
            list.made = self.sequence;
            let due = Due { expiry: start.saturating_add(ms), sequence: self.sequence };
            list.set_due(due, index, &mut self.heap);
        }
        (index, list)
    }

    fn find(&mut self, ms: Millis) -> u32 {
        match self.by_duration.get(&ms) {
            Some(&list) => list,
            None => self.add(ms),
        }
    }

    /// A list in a new place, which is to be made: it counts as gone.
    #[cold]
    fn add(&mut self, ms: Millis) -> u32 {
        if self.lists.len() >= self.purge_at {
            self.purge();
        }
        let never = Due { expiry: Millis::MAX, sequence: u64::MAX };
        let list = List { ms, made: GONE, due: never, queued: never, timers: Ends::EMPTY };
        let index = link(self.lists.insert(list));
        self.by_duration.insert(ms, index);
        index
    }

    /// Drops all lists that have gone. As many as have stayed are added before the next time.
    fn purge(&mut self) {
        let Table { lists, heap, by_duration, .. } = self;
        lists.retain(|_, list| list.made != GONE);
        by_duration.retain(|_, index| lists.contains(*index as usize));
        heap.retain(|Reverse((queued, index))| {
            lists.get(*index as usize).is_some_and(|list| list.queued == *queued)
        });
        self.purge_at = KEPT_TIMER_LISTS.max(2 * self.lists.len());
    }

    /// Lets a list be served at `expiry`, after all others that are.
    pub(crate) fn put_last(&mut self, list: ListKey, expiry: Millis) {
        self.sequence += 1;
        let due = Due { expiry, sequence: self.sequence };
        self.lists[list.index as usize].set_due(due, list.index, &mut self.heap);
    }

    /// The first list that has not gone, at the top of the heap with its true expiry.
    #[inline]
    pub(crate) fn first(&mut self) -> Option<(Millis, ListKey)> {
        // Without timers every turn asks in vain.
        if self.heap.is_empty() { None } else { self.first_queued() }
    }

    fn first_queued(&mut self) -> Option<(Millis, ListKey)> {
        loop {
            let mut top = self.heap.peek_mut()?;
            let Reverse((queued, index)) = *top;
            match self.lists.get_mut(index as usize).filter(|list| list.queued == queued) {
                Some(list) if list.made == GONE => {
                    self.by_duration.remove(&list.ms);
                    self.lists.remove(index as usize);
                    PeekMut::pop(top);
                }
                Some(list) if list.due == queued => {
                    return Some((queued.expiry, ListKey { index, made: list.made }));
                }
                Some(list) => {
                    list.queued = list.due;
                    *top = Reverse((list.due, index));
                }
                None => drop(PeekMut::pop(top)),
            }
        }
    }
}

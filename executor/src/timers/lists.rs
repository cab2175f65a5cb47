//! Node's timer lists: one FIFO per duration, served by the expiry of their first timers.
//!
//! The order of timers is the order of this structure (FORMAT of the oracle, 3.6): a list that is
//! being served runs all its due timers before the next list. It is also the fastest structure for
//! what servers do most, re-arming timeouts of one duration: unlink and append.
//!
//! Nothing here runs user code. Between two steps of the timers phase anything may have been
//! removed: lists and timers are named by keys that tell.

use crate::clock::Millis;
use crate::limits::KEPT_TIMER_LISTS;
use crate::timers::places::{Places, Start, Timer, TimerKey};
use crate::timers::table::{ListKey, Table};

/// All timers of a loop. `P` is what a timer does.
#[derive(Debug)]
pub(crate) struct Lists<P> {
    timers: Places<P>,
    table: Table,
}

impl<P> Default for Lists<P> {
    fn default() -> Lists<P> {
        Lists { timers: Places::default(), table: Table::default() }
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
        let (index, list) = self.table.list_for(ms, start);
        self.timers.insert(Start::new(start, refed), payload, index, &mut list.timers)
    }

    /// Arms a pending timer anew, at the end of its list. False if it has gone.
    pub(crate) fn restart(&mut self, key: TimerKey, start: Millis) -> bool {
        let Some(timer) = self.timers.get_mut(key) else { return false };
        timer.start = Start::new(start, timer.start.refed());
        let list = self.table.at_mut(timer.list);
        self.timers.move_to_end(key, &mut list.timers);
        true
    }

    /// As [`Lists::restart`], with another duration.
    pub(crate) fn restart_as(&mut self, key: TimerKey, ms: Millis, start: Millis) -> bool {
        let Some(timer) = self.timers.get_mut(key) else { return false };
        timer.start = Start::new(start, timer.start.refed());
        let list = self.table.at_mut(timer.list);
        self.timers.unlink(key, &mut list.timers);
        if list.ms != ms {
            list.remove_if_empty();
        }
        let (index, list) = self.table.list_for(ms, start);
        self.timers.append(key, index, &mut list.timers);
        true
    }

    /// Lets a pending timer end at `due` instead, if that is not earlier than before. It stays
    /// where it is until its list is served there: a timeout that is put off again and again costs
    /// a store each time. False if nothing was done.
    pub(crate) fn put_off(&mut self, key: TimerKey, due: Millis) -> bool {
        let Some(timer) = self.timers.get_mut(key) else { return false };
        if due < timer.due(&self.table) {
            return false;
        }
        timer.start = Start::new(due, timer.start.refed()).put_off();
        true
    }

    /// Removes a timer, and its list if that leaves it empty.
    #[inline(always)]
    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<P> {
        let list = self.table.at_mut(self.timers.get(key)?.list);
        let payload = self.timers.remove(key, &mut list.timers);
        list.remove_if_empty();
        payload
    }

    /// As [`Lists::remove`], but the list of an unref'd timer stays until it is served, as Node's
    /// does: the next timer of that duration is served where it stands. Not so if there are very
    /// many: ever new durations may not leave a list each.
    pub(crate) fn clear(&mut self, key: TimerKey) -> Option<P> {
        let keeps_list = !self.timers.get(key)?.start.refed() && !self.is_crowded();
        if keeps_list { self.take(key) } else { self.remove(key) }
    }

    /// Whether empty lists do not stay.
    pub(crate) fn is_crowded(&self) -> bool {
        self.table.len() >= KEPT_TIMER_LISTS
    }

    /// A timer of this duration was cleared in its own body: removes its list if it is empty.
    pub(crate) fn clear_unlinked(&mut self, ms: Millis) {
        if let Some(list) = self.table.of_duration(ms) {
            list.remove_if_empty();
        }
    }

    /// Removes a timer that is going to fire. None if it was cleared meanwhile.
    pub(crate) fn take(&mut self, key: TimerKey) -> Option<P> {
        let list = self.table.at_mut(self.timers.get(key)?.list);
        self.timers.remove(key, &mut list.timers)
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
            let (start, due) = (timer.start, timer.due(&self.table));
            let ms = self.table.at(timer.list).ms;
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
    #[inline]
    pub(crate) fn next_expiry(&mut self) -> Option<Millis> {
        self.table.first().map(|(expiry, _)| expiry)
    }

    /// The list to serve next, if one has expired.
    pub(crate) fn first_due(&mut self, now: Millis) -> Option<ListKey> {
        self.table.first().filter(|(expiry, _)| *expiry <= now).map(|(_, list)| list)
    }

    /// The first timer of a list if it is due. If not, the list has been served: it gets the
    /// expiry of that timer, but not this millisecond; an empty one is removed.
    pub(crate) fn next_due(&mut self, list: ListKey, now: Millis) -> Option<TimerKey> {
        loop {
            let Some((key, timer)) = self.timers.first(&self.table.get(list)?.timers) else {
                self.table.at_mut(list.index).remove_if_empty();
                return None;
            };
            let due = timer.due(&self.table);
            if due <= now {
                return Some(key);
            }
            if !timer.start.is_put_off() {
                self.table.put_last(list, due.max(now + 1));
                return None;
            }
            self.restart_as(key, due - now, now);
        }
    }

    /// What the first timer of a list does. The second one is fetched into the cache meanwhile.
    pub(crate) fn first_payload(&self, list: ListKey) -> Option<&P> {
        let (_, first) = self.timers.first(&self.table.get(list)?.timers)?;
        self.timers.prefetch_next(first);
        first.payload.as_ref()
    }
}

impl<P> Timer<P> {
    #[inline]
    fn due(&self, table: &Table) -> Millis {
        if self.start.is_put_off() {
            return self.start.at();
        }
        self.start.at().saturating_add(table.at(self.list).ms)
    }
}

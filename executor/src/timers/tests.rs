//! The timer lists and their heap against models that search vectors.

use crate::clock::Millis;
use crate::timers::heap::{Heap, Item};
use crate::timers::lists::{ListKey, Lists, TimerKey};
use proptest::collection::vec;
use proptest::prelude::*;

/// One step of a program. `usize`s choose among the timers made so far, gone ones too.
#[derive(Debug, Clone)]
enum Step {
    Insert(Millis, bool),
    Restart(usize),
    RestartAs(usize, Millis),
    Clear(usize),
    SetRefed(usize, bool),
    /// Serves what is due after so many milliseconds; each timer that fires runs one of the
    /// steps first, as its callback.
    Serve(Millis, Vec<Step>),
}

fn step() -> impl Strategy<Value = Step> {
    let ms = || 1..6_u64;
    let leaf = prop_oneof![
        5 => (ms(), any::<bool>()).prop_map(|(ms, refed)| Step::Insert(ms, refed)),
        2 => any::<usize>().prop_map(Step::Restart),
        2 => (any::<usize>(), ms()).prop_map(|(timer, ms)| Step::RestartAs(timer, ms)),
        2 => any::<usize>().prop_map(Step::Clear),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(timer, on)| Step::SetRefed(timer, on)),
    ];
    let callbacks = vec(leaf.clone(), 0..6);
    prop_oneof![
        4 => leaf,
        1 => (0..8_u64, callbacks).prop_map(|(ms, steps)| Step::Serve(ms, steps)),
    ]
}

/// Node's lists as vectors: those of one duration in order of arming, found by looking.
#[derive(Default)]
struct Naive {
    lists: Vec<NaiveList>,
    sequence: u64,
}

struct NaiveList {
    ms: Millis,
    expiry: Millis,
    sequence: u64,
    /// Timer, start, whether it keeps the loop alive.
    timers: Vec<(usize, Millis, bool)>,
}

impl Naive {
    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn insert(&mut self, timer: usize, ms: Millis, start: Millis, refed: bool) {
        if !self.lists.iter().any(|list| list.ms == ms) {
            let (expiry, sequence) = (start + ms, self.next());
            self.lists.push(NaiveList { ms, expiry, sequence, timers: Vec::new() });
        }
        let list = self.lists.iter_mut().find(|list| list.ms == ms);
        list.expect("it was made").timers.push((timer, start, refed));
    }

    /// Takes a timer out; its list stays.
    fn unlink(&mut self, timer: usize) -> Option<(Millis, bool)> {
        self.lists.iter_mut().find_map(|list| {
            let place = list.timers.iter().position(|(other, ..)| *other == timer)?;
            let (_, _, refed) = list.timers.remove(place);
            Some((list.ms, refed))
        })
    }

    fn remove_if_empty(&mut self, ms: Millis) {
        self.lists.retain(|list| list.ms != ms || !list.timers.is_empty());
    }

    fn restart(&mut self, timer: usize, new: Option<Millis>, start: Millis) {
        let Some((ms, refed)) = self.unlink(timer) else { return };
        let new = new.unwrap_or(ms);
        if new != ms {
            self.remove_if_empty(ms);
        }
        self.insert(timer, new, start, refed);
    }

    fn clear(&mut self, timer: usize) {
        // Node keeps the list of an unref'd timer.
        if let Some((ms, true)) = self.unlink(timer) {
            self.remove_if_empty(ms);
        }
    }

    fn set_refed(&mut self, timer: usize, on: bool) {
        let timers = self.lists.iter_mut().flat_map(|list| &mut list.timers);
        timers.filter(|(other, ..)| *other == timer).for_each(|(_, _, refed)| *refed = on);
    }

    fn first(&mut self) -> Option<&mut NaiveList> {
        self.lists.iter_mut().min_by_key(|list| (list.expiry, list.sequence))
    }

    fn refed(&self) -> usize {
        self.lists.iter().flat_map(|list| &list.timers).filter(|(_, _, refed)| *refed).count()
    }
}

/// Both sides.
#[derive(Default)]
struct Pair {
    real: Lists<usize>,
    naive: Naive,
    keys: Vec<TimerKey>,
    now: Millis,
}

impl Pair {
    fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let count = self.keys.len();
        let choose = |pick: &usize| pick.checked_rem(count);
        match step {
            Step::Insert(ms, refed) => {
                self.keys.push(self.real.insert(*ms, self.now, *refed, count));
                self.naive.insert(count, *ms, self.now, *refed);
            }
            Step::Restart(pick) => {
                let Some(timer) = choose(pick) else { return Ok(()) };
                self.real.restart(self.keys[timer], self.now);
                self.naive.restart(timer, None, self.now);
            }
            Step::RestartAs(pick, ms) => {
                let Some(timer) = choose(pick) else { return Ok(()) };
                self.real.restart_as(self.keys[timer], *ms, self.now);
                self.naive.restart(timer, Some(*ms), self.now);
            }
            Step::Clear(pick) => {
                let Some(timer) = choose(pick) else { return Ok(()) };
                let cleared = self.real.clear(self.keys[timer]);
                prop_assert!(cleared.is_none_or(|cleared| cleared == timer));
                self.naive.clear(timer);
            }
            Step::SetRefed(pick, on) => {
                let Some(timer) = choose(pick) else { return Ok(()) };
                self.real.set_refed(self.keys[timer], *on);
                self.naive.set_refed(timer, *on);
            }
            Step::Serve(ms, callbacks) => {
                self.now += ms;
                self.serve(&mut callbacks.iter())?;
            }
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let first = self.naive.first().map(|list| list.expiry);
        prop_assert_eq!(self.real.next_expiry(), first);
        prop_assert_eq!(self.real.refed(), self.naive.refed());
        let timers: usize = self.naive.lists.iter().map(|list| list.timers.len()).sum();
        prop_assert_eq!(self.real.len(), timers);
        Ok(())
    }

    /// The timers phase.
    fn serve<'a>(
        &mut self,
        callbacks: &mut impl Iterator<Item = &'a Step>,
    ) -> Result<(), TestCaseError> {
        while let Some(list) = self.real.first_due(self.now) {
            let (expiry, ms) = self.naive.first().map(|list| (list.expiry, list.ms)).unzip();
            prop_assert!(expiry.is_some_and(|expiry| expiry <= self.now));
            prop_assert_eq!(self.real.duration(list), ms);
            self.serve_list(list, ms.unwrap_or(0), callbacks)?;
        }
        prop_assert!(self.naive.first().is_none_or(|list| list.expiry > self.now));
        Ok(())
    }

    fn serve_list<'a>(
        &mut self,
        list: ListKey,
        ms: Millis,
        callbacks: &mut impl Iterator<Item = &'a Step>,
    ) -> Result<(), TestCaseError> {
        // A list that a callback removes has gone, also if one of its duration is made anew.
        let served = self.naive.first().map(|list| list.sequence);
        loop {
            let next = self.next_sequence();
            let naive = self.naive.lists.iter_mut().find(|list| Some(list.sequence) == served);
            let due = naive.as_ref().and_then(|list| list.timers.first().copied());
            let real = self.real.first_of(list);
            prop_assert_eq!(real.map(|(_, start)| start), due.map(|(_, start, _)| start));
            let (Some((key, start)), Some((timer, ..)), Some(naive)) = (real, due, naive) else {
                self.real.remove_if_empty(list);
                self.naive
                    .lists
                    .retain(|list| Some(list.sequence) != served || !list.timers.is_empty());
                return Ok(());
            };
            if start + ms > self.now {
                let expiry = (start + ms).max(self.now + 1);
                naive.expiry = expiry;
                naive.sequence = next;
                self.naive.sequence = next;
                self.real.postpone(list, expiry);
                return Ok(());
            }
            prop_assert_eq!(self.real.take(key), Some(timer));
            naive.timers.remove(0);
            if let Some(step) = callbacks.next() {
                self.apply(step)?;
            }
        }
    }

    fn next_sequence(&self) -> u64 {
        self.naive.sequence + 1
    }
}

proptest! {
    #[test]
    fn timers_fire_in_the_order_of_the_model(steps in vec(step(), 1..80)) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.apply(step)?;
        }
        pair.now += 100;
        pair.serve(&mut std::iter::empty())?;
        prop_assert_eq!(pair.real.len(), 0);
    }

    #[test]
    fn the_heap_agrees_with_a_search(steps in vec((0..3_u8, 0..40_u64, any::<usize>()), 1..200)) {
        let (mut heap, mut items) = (Heap::default(), Vec::<Item>::new());
        let mut places = vec![usize::MAX; steps.len()];
        for (list, (kind, expiry, pick)) in steps.into_iter().enumerate() {
            let moved = |list: usize, place| places[list] = place;
            let item = Item { expiry, sequence: list as u64, list };
            match (kind, pick.checked_rem(items.len())) {
                (1, Some(chosen)) => {
                    let gone = items.swap_remove(chosen);
                    heap.remove(places[gone.list], |list, place| places[list] = place);
                }
                (2, Some(chosen)) => {
                    let item = Item { list: items[chosen].list, ..item };
                    items[chosen] = item;
                    let place = places[item.list];
                    heap.replace(place, item, |list, place| places[list] = place);
                }
                _ => {
                    items.push(item);
                    heap.push(item, moved);
                }
            }
            prop_assert_eq!(heap.first(), items.iter().min().copied());
        }
        items.sort_unstable();
        for item in items {
            prop_assert_eq!(heap.first(), Some(item));
            heap.remove(places[item.list], |list, place| places[list] = place);
        }
        prop_assert_eq!(heap.first(), None);
    }
}

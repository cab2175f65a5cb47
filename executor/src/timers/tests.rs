//! The timer lists against a model that searches vectors.

use crate::clock::Millis;
use crate::timers::lists::Lists;
use crate::timers::places::TimerKey;
use proptest::collection::vec;
use proptest::prelude::*;

/// One step of a program. `usize`s choose among the timers made so far, gone ones too.
#[derive(Debug, Clone)]
enum Step {
    Insert(Millis, bool),
    Restart(usize),
    RestartAs(usize, Millis),
    PutOff(usize, Millis),
    Clear(usize),
    Remove(usize),
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
        2 => (any::<usize>(), 0..8_u64).prop_map(|(timer, ms)| Step::PutOff(timer, ms)),
        1 => any::<usize>().prop_map(Step::Clear),
        1 => any::<usize>().prop_map(Step::Remove),
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
    made: u64,
    expiry: Millis,
    sequence: u64,
    timers: Vec<NaiveTimer>,
}

#[derive(Clone, Copy)]
struct NaiveTimer {
    timer: usize,
    start: Millis,
    refed: bool,
    put_off: bool,
}

impl Naive {
    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn insert(&mut self, timer: usize, ms: Millis, start: Millis, refed: bool) {
        if !self.lists.iter().any(|list| list.ms == ms) {
            let (expiry, sequence) = (start + ms, self.next());
            let timers = Vec::new();
            self.lists.push(NaiveList { ms, made: sequence, expiry, sequence, timers });
        }
        let list = self.lists.iter_mut().find(|list| list.ms == ms);
        let timer = NaiveTimer { timer, start, refed, put_off: false };
        list.expect("it was made").timers.push(timer);
    }

    /// Takes a timer out; its list stays.
    fn unlink(&mut self, timer: usize) -> Option<(Millis, bool)> {
        self.lists.iter_mut().find_map(|list| {
            let place = list.timers.iter().position(|other| other.timer == timer)?;
            Some((list.ms, list.timers.remove(place).refed))
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

    /// Node keeps the list of an unref'd timer.
    fn clear(&mut self, timer: usize, crowded: bool) {
        if let Some((ms, refed)) = self.unlink(timer)
            && (refed || crowded)
        {
            self.remove_if_empty(ms);
        }
    }

    fn remove(&mut self, timer: usize) {
        if let Some((ms, _)) = self.unlink(timer) {
            self.remove_if_empty(ms);
        }
    }

    /// Later than before, it stays where it is, but is due then.
    fn put_off(&mut self, timer: usize, due: Millis) -> bool {
        let timers = self.lists.iter_mut().flat_map(|list| {
            let ms = list.ms;
            list.timers.iter_mut().map(move |timer| (ms, timer))
        });
        for (ms, found) in timers.filter(|(_, other)| other.timer == timer) {
            if due >= found.start + ms {
                found.start = due - ms;
                found.put_off = true;
                return true;
            }
        }
        false
    }

    fn set_refed(&mut self, timer: usize, on: bool) {
        let timers = self.lists.iter_mut().flat_map(|list| &mut list.timers);
        timers.filter(|other| other.timer == timer).for_each(|other| other.refed = on);
    }

    /// The first timer of the list if it is due; else the end of this list's turn.
    fn next_due(&mut self, served: u64, now: Millis) -> Option<usize> {
        loop {
            let list = self.lists.iter_mut().find(|list| list.made == served)?;
            let ms = list.ms;
            let Some(first) = list.timers.first().copied() else {
                self.remove_if_empty(ms);
                return None;
            };
            let due = first.start + ms;
            if due <= now {
                return Some(first.timer);
            }
            if first.put_off {
                self.restart(first.timer, Some(due - now), now);
                continue;
            }
            list.expiry = due.max(now + 1);
            self.sequence += 1;
            list.sequence = self.sequence;
            return None;
        }
    }

    fn first(&mut self) -> Option<&mut NaiveList> {
        self.lists.iter_mut().min_by_key(|list| (list.expiry, list.sequence))
    }

    fn refed(&self) -> usize {
        self.lists.iter().flat_map(|list| &list.timers).filter(|timer| timer.refed).count()
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
            Step::PutOff(pick, ms) => {
                let Some(timer) = choose(pick) else { return Ok(()) };
                let due = self.now + ms;
                let done = self.real.put_off(self.keys[timer], due);
                prop_assert_eq!(done, self.naive.put_off(timer, due));
            }
            Step::Clear(pick) => {
                let Some(timer) = choose(pick) else { return Ok(()) };
                let crowded = self.real.is_crowded();
                let cleared = self.real.clear(self.keys[timer]);
                prop_assert!(cleared.is_none_or(|cleared| cleared == timer));
                self.naive.clear(timer, crowded);
            }
            Step::Remove(pick) => {
                let Some(timer) = choose(pick) else { return Ok(()) };
                let removed = self.real.remove(self.keys[timer]);
                prop_assert!(removed.is_none_or(|removed| removed == timer));
                self.naive.remove(timer);
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
            let (expiry, made) = self.naive.first().map(|list| (list.expiry, list.made)).unzip();
            prop_assert!(expiry.is_some_and(|expiry| expiry <= self.now));
            // A list that a callback removes has gone, also if one of its duration is made anew.
            let made = made.unwrap_or(0);
            while let Some(key) = self.real.next_due(list, self.now) {
                let timer = self.naive.next_due(made, self.now);
                prop_assert_eq!(self.real.take(key), timer);
                timer.and_then(|timer| self.naive.unlink(timer));
                if let Some(step) = callbacks.next() {
                    self.apply(step)?;
                }
            }
            prop_assert_eq!(self.naive.next_due(made, self.now), None);
        }
        prop_assert!(self.naive.first().is_none_or(|list| list.expiry > self.now));
        Ok(())
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

    /// Keys of timers that have gone name nothing, whatever has taken their places.
    #[test]
    fn taking_all_leaves_nothing(steps in vec(step(), 1..80)) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.apply(step)?;
        }
        let timers = pair.naive.lists.iter().flat_map(|list| &list.timers);
        let mut timers: Vec<usize> = timers.map(|timer| timer.timer).collect();
        let mut taken = pair.real.take_all();
        timers.sort_unstable();
        taken.sort_unstable();
        prop_assert_eq!(taken, timers);
        let again = pair.real.insert(1, pair.now, true, usize::MAX);
        for key in &pair.keys {
            prop_assert_eq!(pair.real.clear(*key), None);
        }
        prop_assert_eq!(pair.real.clear(again), Some(usize::MAX));
        prop_assert_eq!((pair.real.len(), pair.real.refed()), (0, 0));
    }
}

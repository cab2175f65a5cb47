//! Timers against a naive model: random timeouts, intervals, clears, refreshes and refs, in and
//! outside of callbacks, on a virtual clock. What fires, and when, must be equal.
//!
//! The model is Node's description and nothing else: lists in a plain `Vec`, searched for the least
//! (expiry, sequence) each time.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use lunation::{Runtime, Timeout, refreshable_timeout, set_interval, time};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const SLOTS: usize = 8;
/// Operations of one input, those in callbacks included: intervals end.
const FUEL: u32 = 400;

#[derive(Arbitrary, Debug, Clone)]
enum Op {
    Timeout { slot: u8, ms: u8, body: Vec<Op> },
    Interval { slot: u8, ms: u8, body: Vec<Op> },
    Clear { slot: u8 },
    Refresh { slot: u8 },
    Unref { slot: u8 },
    Ref { slot: u8 },
    Advance { ms: u8 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Linked,
    Running,
    Fired,
    Cleared,
}

struct ModelTimer {
    ms: u64,
    start: u64,
    repeats: bool,
    refed: bool,
    state: State,
    /// Refreshed while its body runs.
    armed: bool,
    body: Rc<Vec<Op>>,
}

struct ModelList {
    ms: u64,
    expiry: u64,
    sequence: u64,
    timers: Vec<usize>,
}

#[derive(Default)]
struct Model {
    now: u64,
    sequence: u64,
    timers: Vec<ModelTimer>,
    lists: Vec<ModelList>,
    slots: [Option<usize>; SLOTS],
    journal: Vec<(usize, u64)>,
    fuel: u32,
}

impl Model {
    fn insert(&mut self, timer: usize, start: u64) {
        self.unlink(timer);
        self.timers[timer].start = start;
        let ms = self.timers[timer].ms;
        if !self.lists.iter().any(|list| list.ms == ms) {
            self.sequence += 1;
            let sequence = self.sequence;
            self.lists.push(ModelList { ms, expiry: start + ms, sequence, timers: Vec::new() });
        }
        let list = self.lists.iter_mut().find(|list| list.ms == ms).expect("made above");
        list.timers.push(timer);
    }

    fn unlink(&mut self, timer: usize) {
        for list in &mut self.lists {
            list.timers.retain(|&other| other != timer);
        }
    }

    fn run(&mut self, ops: &[Op]) {
        for op in ops {
            if self.fuel == 0 {
                return;
            }
            self.fuel -= 1;
            self.step(op);
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Timeout { slot, ms, body } => self.add(*slot, *ms, body, false),
            Op::Interval { slot, ms, body } => self.add(*slot, *ms, body, true),
            Op::Clear { slot } => self.clear(*slot),
            Op::Refresh { slot } => self.refresh(*slot),
            Op::Unref { slot } => self.set_ref(*slot, false),
            Op::Ref { slot } => self.set_ref(*slot, true),
            Op::Advance { ms } => self.now += u64::from(*ms % 16),
        }
    }

    fn add(&mut self, slot: u8, ms: u8, body: &[Op], repeats: bool) {
        let timer = self.timers.len();
        self.timers.push(ModelTimer {
            ms: u64::from(ms % 8).max(1),
            start: 0,
            repeats,
            refed: true,
            state: State::Linked,
            armed: false,
            body: Rc::new(body.to_vec()),
        });
        let now = self.now;
        self.insert(timer, now);
        self.slots[slot as usize % SLOTS] = Some(timer);
    }

    fn clear(&mut self, slot: u8) {
        if let Some(timer) = self.slots[slot as usize % SLOTS] {
            self.clear_timer(timer);
        }
    }

    fn clear_timer(&mut self, timer: usize) {
        let (ms, refed, state) = {
            let timer = &mut self.timers[timer];
            (timer.ms, timer.refed, std::mem::replace(&mut timer.state, State::Cleared))
        };
        if matches!(state, State::Linked | State::Running) {
            self.unlink(timer);
            if refed {
                self.lists.retain(|list| list.ms != ms || !list.timers.is_empty());
            }
        }
    }

    fn refresh(&mut self, slot: u8) {
        let Some(timer) = self.slots[slot as usize % SLOTS] else { return };
        match self.timers[timer].state {
            State::Cleared => return,
            State::Running => self.timers[timer].armed = true,
            State::Linked | State::Fired => self.timers[timer].state = State::Linked,
        }
        let now = self.now;
        self.insert(timer, now);
    }

    fn set_ref(&mut self, slot: u8, refed: bool) {
        if let Some(timer) = self.slots[slot as usize % SLOTS] {
            self.timers[timer].refed = refed;
        }
    }

    fn is_alive(&self) -> bool {
        let linked = self.lists.iter().flat_map(|list| &list.timers);
        linked.into_iter().any(|&timer| self.timers[timer].refed)
    }

    /// The loop until nothing keeps it alive, once due timers were run before its first turn.
    fn finish(&mut self) {
        self.phase();
        while self.is_alive() {
            let first = self.lists.iter().map(|list| list.expiry).min().expect("it is alive");
            self.now = self.now.max(first);
            self.phase();
        }
    }

    fn phase(&mut self) {
        let now = self.now;
        loop {
            let due = self.lists.iter().filter(|list| list.expiry <= now);
            let Some(first) = due.min_by_key(|list| (list.expiry, list.sequence)) else { return };
            let sequence = first.sequence;
            self.serve(sequence, now);
        }
    }

    fn list(&mut self, sequence: u64) -> Option<&mut ModelList> {
        self.lists.iter_mut().find(|list| list.sequence == sequence)
    }

    fn serve(&mut self, sequence: u64, now: u64) {
        loop {
            let Some(list) = self.list(sequence) else { return };
            let Some(&timer) = list.timers.first() else {
                self.lists.retain(|list| list.sequence != sequence);
                return;
            };
            let expiry = self.timers[timer].start + self.timers[timer].ms;
            if expiry > now {
                self.sequence += 1;
                let next = self.sequence;
                let list = self.list(sequence).expect("found above");
                list.expiry = expiry.max(now + 1);
                list.sequence = next;
                return;
            }
            self.unlink(timer);
            self.fire(timer);
        }
    }

    fn fire(&mut self, timer: usize) {
        let (started, body) = (self.now, self.timers[timer].body.clone());
        self.journal.push((timer, started));
        self.timers[timer].state = State::Running;
        self.timers[timer].armed = false;
        self.fuel = self.fuel.saturating_sub(1);
        self.run(&body);
        if self.timers[timer].repeats && self.fuel == 0 {
            self.clear_timer(timer);
        }
        let ModelTimer { state, repeats, armed, .. } = self.timers[timer];
        if state == State::Cleared {
            return;
        }
        if repeats {
            self.insert(timer, started);
        }
        self.timers[timer].state = if armed || repeats { State::Linked } else { State::Fired };
    }
}

/// The real side. A timer that ends is cleared, as the model's is not armed again.
#[derive(Default)]
struct Real {
    slots: RefCell<[Option<usize>; SLOTS]>,
    timers: RefCell<Vec<Option<Timeout>>>,
    journal: RefCell<Vec<(usize, u64)>>,
    fuel: std::cell::Cell<u32>,
}

fn elapsed(start: std::time::Instant) -> u64 {
    u64::try_from((time::now() - start).as_millis()).expect("a short time")
}

fn run(real: &Rc<Real>, start: std::time::Instant, ops: &[Op]) {
    for op in ops {
        if real.fuel.get() == 0 {
            return;
        }
        real.fuel.set(real.fuel.get() - 1);
        step(real, start, op);
    }
}

fn step(real: &Rc<Real>, start: std::time::Instant, op: &Op) {
    let at = |slot: &u8| {
        let timer = real.slots.borrow()[*slot as usize % SLOTS];
        timer.and_then(|timer| real.timers.borrow()[timer].clone())
    };
    match op {
        Op::Timeout { slot, ms, body } => add(real, start, *slot, *ms, body, false),
        Op::Interval { slot, ms, body } => add(real, start, *slot, *ms, body, true),
        Op::Clear { slot } => drop(at(slot).map(|timer| timer.clear())),
        Op::Refresh { slot } => drop(at(slot).map(|timer| timer.refresh().async_id())),
        Op::Unref { slot } => drop(at(slot).map(|timer| timer.unref().async_id())),
        Op::Ref { slot } => drop(at(slot).map(|timer| timer.ref_().async_id())),
        Op::Advance { ms } => time::advance(Duration::from_millis(u64::from(*ms % 16))),
    }
}

fn add(real: &Rc<Real>, start: std::time::Instant, slot: u8, ms: u8, body: &[Op], repeats: bool) {
    let timer = real.timers.borrow().len();
    let (body, own) = (body.to_vec(), real.clone());
    let callback = move || {
        own.journal.borrow_mut().push((timer, elapsed(start)));
        own.fuel.set(own.fuel.get().saturating_sub(1));
        run(&own, start, &body);
        if repeats && own.fuel.get() == 0 {
            own.timers.borrow()[timer].as_ref().expect("kept to the end").clear();
        }
    };
    let duration = Duration::from_millis(u64::from(ms % 8));
    let handle = if repeats {
        set_interval(duration, callback)
    } else {
        refreshable_timeout(duration, callback)
    };
    real.timers.borrow_mut().push(Some(handle));
    real.slots.borrow_mut()[slot as usize % SLOTS] = Some(timer);
}

fuzz_target!(|ops: Vec<Op>| {
    let mut model = Model { fuel: FUEL, ..Model::default() };
    model.run(&ops);
    model.finish();

    let runtime = Runtime::builder().start_paused(true).build().expect("a runtime");
    let real = Rc::new(Real { fuel: std::cell::Cell::new(FUEL), ..Real::default() });
    runtime.enter(|| run(&real, time::now(), &ops));
    runtime.run_to_idle();
    assert_eq!(*real.journal.borrow(), model.journal, "{ops:?}");
    // Closures and handles keep each other otherwise.
    for timer in real.timers.take().into_iter().flatten() {
        timer.clear();
    }
});

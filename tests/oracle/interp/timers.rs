//! Timeouts, intervals and immediates.

use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use lunation::{Immediate, Timeout};

use super::machine::Machine;
use super::on_time::Deadline;
use super::program::{Body, Slot};

/// Refreshes of one timer that count; further ones do nothing.
const REFRESHES: u32 = 3;

/// What a timer slot holds.
#[derive(Debug)]
pub(super) enum Alarm {
    Timer(Timer),
    Immediate(Immediate),
}

/// A timeout or an interval: immediates have no ref, unref and refresh.
#[derive(Debug)]
pub(super) struct Timer {
    handle: Timeout,
    ms: u64,
    deadline: Deadline,
    refreshes_left: Cell<u32>,
}

impl Machine {
    pub(super) fn immediate(self: &Rc<Self>, slot: Option<Slot>, body: &Body) {
        let handle = lunation::set_immediate(self.callback(body));
        self.keep(slot, Alarm::Immediate(handle));
    }

    pub(super) fn timeout(self: &Rc<Self>, ms: u64, slot: Option<Slot>, body: &Body) {
        let deadline = Deadline::default();
        let (machine, body, due) = (self.clone(), body.clone(), deadline.clone());
        let callback = move || {
            machine.on_time.fire(&due);
            machine.exec(&body);
        };
        self.on_time.arm(&deadline, ms);
        let duration = self.on_time.duration(ms);
        let handle = if self.rearms && slot.is_some() {
            lunation::refreshable_timeout(duration, callback)
        } else {
            lunation::set_timeout(duration, callback)
        };
        self.keep_timer(slot, handle, ms, deadline);
    }

    pub(super) fn interval(self: &Rc<Self>, ms: u64, times: u32, slot: Option<Slot>, body: &Body) {
        let deadline = Deadline::default();
        let (machine, body, due) = (self.clone(), body.clone(), deadline.clone());
        let itself = Rc::new(OnceCell::<Timeout>::new());
        let handle = itself.clone();
        let mut left = times;
        let callback = move || {
            machine.on_time.fire(&due);
            let outcome = catch_unwind(AssertUnwindSafe(|| machine.exec(&body)));
            left -= 1;
            if left == 0 {
                handle.get().expect("a timer fires after it was made").clear();
            } else {
                machine.on_time.arm(&due, ms);
            }
            outcome.unwrap_or_else(|thrown| resume_unwind(thrown));
        };
        self.on_time.arm(&deadline, ms);
        let timeout = lunation::set_interval(self.on_time.duration(ms), callback);
        itself.set(timeout.clone()).expect("set once");
        self.keep_timer(slot, timeout, ms, deadline);
    }

    fn keep_timer(&self, slot: Option<Slot>, handle: Timeout, ms: u64, deadline: Deadline) {
        let refreshes_left = Cell::new(REFRESHES);
        self.keep(slot, Alarm::Timer(Timer { handle, ms, deadline, refreshes_left }));
    }

    fn keep(&self, slot: Option<Slot>, alarm: Alarm) {
        if let Some(slot) = slot {
            self.slots.timers.put(slot, Rc::new(alarm));
        }
    }

    pub(super) fn clear(&self, slot: Slot) {
        self.slots.timers.with(slot, |alarm| match alarm {
            Alarm::Timer(timer) => timer.handle.clear(),
            Alarm::Immediate(immediate) => immediate.clear(),
        });
    }

    pub(super) fn refresh(&self, slot: Slot) {
        self.with_timer(slot, |timer| {
            let Some(left) = timer.refreshes_left.get().checked_sub(1) else { return };
            timer.refreshes_left.set(left);
            self.on_time.arm(&timer.deadline, timer.ms);
            timer.handle.refresh();
        });
    }

    pub(super) fn unref(&self, slot: Slot) {
        self.with_timer(slot, |timer| {
            timer.handle.unref();
        });
    }

    pub(super) fn ref_(&self, slot: Slot) {
        self.with_timer(slot, |timer| {
            timer.handle.ref_();
        });
    }

    fn with_timer(&self, slot: Slot, f: impl FnOnce(&Timer)) {
        self.slots.timers.with(slot, |alarm| {
            if let Alarm::Timer(timer) = alarm {
                f(timer);
            }
        });
    }

    /// An untraced timer whose callback wakes the task.
    pub(super) async fn sleep(&self, ms: u64) {
        let deadline = Deadline::default();
        self.on_time.arm(&deadline, ms);
        // FORMAT.md, section 3.6: a duration below 1 ms counts as 1.
        lunation::time::sleep(self.on_time.duration(ms.max(1))).await;
        self.on_time.fire(&deadline);
    }
}

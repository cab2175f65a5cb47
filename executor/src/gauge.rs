//! How the loop's time is spent: asleep in the selector, or running what was ready.
//!
//! Measured around the sleep of each turn, and only while somebody wants to know: no timer, so that
//! an idle loop stays asleep.

use crate::clock::Clock;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Gets the time that the loop was busy before each sleep: the longest that anything which became
/// ready meanwhile has waited.
pub(crate) trait Record {
    fn record(&self, busy: Duration);
}

/// The gauge of one loop. Times are those of its clock.
#[derive(Default)]
pub(crate) struct Gauge {
    /// Whether anybody wants to know.
    on: Cell<bool>,
    /// When the utilization was asked for first.
    since: Cell<Option<Duration>>,
    /// Time asleep since then.
    idle: Cell<Duration>,
    awake_since: Cell<Duration>,
    monitors: RefCell<Vec<Rc<dyn Record>>>,
}

impl Gauge {
    /// Puts the loop to sleep. `idles`: it may block.
    #[inline]
    pub(crate) fn around<R>(&self, clock: &Clock, idles: bool, sleep: impl FnOnce() -> R) -> R {
        if !self.on.get() {
            return sleep();
        }
        let before = clock.elapsed();
        let busy = before.saturating_sub(self.awake_since.get());
        for monitor in &*self.monitors.borrow() {
            monitor.record(busy);
        }
        let result = sleep();
        let after = clock.elapsed();
        if idles {
            self.idle.set(self.idle.get() + after.saturating_sub(before));
        }
        self.awake_since.set(after);
        result
    }

    /// Idle and whole time since the first call, which begins the measurement.
    pub(crate) fn times(&self, clock: &Clock) -> (Duration, Duration) {
        let now = clock.elapsed();
        let Some(since) = self.since.get() else {
            self.since.set(Some(now));
            // A monitor may have measured before.
            self.idle.set(Duration::ZERO);
            self.turn_on(now);
            return (Duration::ZERO, Duration::ZERO);
        };
        (self.idle.get(), now.saturating_sub(since))
    }

    /// Lets `monitor` hear of every turn from now on.
    #[cfg(feature = "loop-delay")]
    pub(crate) fn add(&self, clock: &Clock, monitor: Rc<dyn Record>) {
        self.turn_on(clock.elapsed());
        self.monitors.borrow_mut().push(monitor);
    }

    /// Ends that.
    #[cfg(feature = "loop-delay")]
    pub(crate) fn remove(&self, monitor: &Rc<dyn Record>) {
        let mut monitors = self.monitors.borrow_mut();
        monitors.retain(|it| !Rc::ptr_eq(it, monitor));
        self.on.set(self.since.get().is_some() || !monitors.is_empty());
    }

    fn turn_on(&self, now: Duration) {
        if !self.on.replace(true) {
            self.awake_since.set(now);
        }
    }
}

//! The delay of the loop as a histogram.

use crate::current;
use crate::event_loop::EventLoop;
use crate::gauge::Record;
use hdrhistogram::Histogram;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// Delays above this are counted as it, in nanoseconds: an hour. Node: the same.
const LONGEST: u64 = 3_600_000_000_000;

/// Decimal digits that are kept of a delay.
const DIGITS: u8 = 3;

/// A histogram of the loop's delay, which records nothing before [`EventLoopDelay::enable`].
///
/// One value per turn: the time from one sleep of the loop to the next. That is how long an event
/// which came meanwhile waited at most. Node: `perf_hooks.monitorEventLoopDelay()`, which has a
/// `resolution` because it samples by a timer; here an idle loop stays asleep and adds no value.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use lunation_executor::{Runtime, immediate, performance::monitor_event_loop_delay, time};
/// use std::time::Duration;
///
/// let runtime = Runtime::builder().start_paused(true).build().unwrap();
/// runtime.block_on(async {
///     let delay = monitor_event_loop_delay();
///     delay.enable();
///     for ms in [1, 2, 40] {
///         time::advance(Duration::from_millis(ms)); // as a computation would
///         immediate().await;
///     }
///     assert_eq!((delay.count(), delay.max().as_millis()), (3, 40));
///     assert_eq!(delay.percentile(50.0).as_millis(), 2);
/// });
/// ```
#[track_caller]
pub fn monitor_event_loop_delay() -> EventLoopDelay {
    let histogram = Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("these bounds are valid");
    let delays = Delays { histogram: RefCell::new(histogram), exceeds: Cell::new(0) };
    EventLoopDelay {
        event_loop: Rc::downgrade(&current::current()),
        delays: Rc::new(delays),
        enabled: Cell::new(false),
    }
}

struct Delays {
    histogram: RefCell<Histogram<u64>>,
    exceeds: Cell<u64>,
}

impl Record for Delays {
    fn record(&self, busy: Duration) {
        let nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.exceeds.set(self.exceeds.get() + u64::from(nanos > LONGEST));
        self.histogram.borrow_mut().saturating_record(nanos.max(1));
    }
}

/// The histogram of [`monitor_event_loop_delay`]. Node: `IntervalHistogram`.
///
/// Values are kept to three digits. Dropping it disables it.
pub struct EventLoopDelay {
    event_loop: Weak<EventLoop>,
    delays: Rc<Delays>,
    enabled: Cell<bool>,
}

impl EventLoopDelay {
    /// Begins to record, with the running turn: from here on, or all of it if the loop's time is
    /// measured already. False if it records already, or the runtime has ended.
    pub fn enable(&self) -> bool {
        let Some(event_loop) = self.event_loop.upgrade() else { return false };
        let begins = !self.enabled.replace(true);
        if begins {
            event_loop.gauge.add(&event_loop.clock, self.delays.clone());
        }
        begins
    }

    /// Ceases to record. False if it does not record, or the runtime has ended.
    pub fn disable(&self) -> bool {
        let Some(event_loop) = self.event_loop.upgrade() else { return false };
        let ends = self.enabled.replace(false);
        if ends {
            let delays: Rc<dyn Record> = self.delays.clone();
            event_loop.gauge.remove(&delays);
        }
        ends
    }

    /// Forgets all values.
    pub fn reset(&self) {
        self.delays.histogram.borrow_mut().reset();
        self.delays.exceeds.set(0);
    }

    /// The number of values: the turns since it was enabled or reset.
    pub fn count(&self) -> u64 {
        self.delays.histogram.borrow().len()
    }

    /// How many values were above an hour; they are recorded as one hour.
    pub fn exceeds(&self) -> u64 {
        self.delays.exceeds.get()
    }

    /// The smallest value; zero without any.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.delays.histogram.borrow().min())
    }

    /// The greatest value; zero without any.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.delays.histogram.borrow().max())
    }

    /// The mean of the values; zero without any.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.delays.histogram.borrow().mean() as u64)
    }

    /// The standard deviation of the values; zero without any.
    pub fn stddev(&self) -> Duration {
        Duration::from_nanos(self.delays.histogram.borrow().stdev() as u64)
    }

    /// The value that `percentile` percent of all do not exceed; zero without any.
    ///
    /// # Panics
    /// If `percentile` is not above 0 and at most 100.
    #[track_caller]
    pub fn percentile(&self, percentile: f64) -> Duration {
        assert!(
            percentile > 0.0 && percentile <= 100.0,
            "a percentile is a number above 0 and at most 100, not {percentile}"
        );
        Duration::from_nanos(self.delays.histogram.borrow().value_at_percentile(percentile))
    }

    /// The distribution: percentiles that halve the rest, each with its value. Node:
    /// `histogram.percentiles`.
    pub fn percentiles(&self) -> Vec<(f64, Duration)> {
        let histogram = self.delays.histogram.borrow();
        let steps = histogram.iter_quantiles(1);
        steps.map(|it| (it.percentile(), Duration::from_nanos(it.value_iterated_to()))).collect()
    }
}

impl Drop for EventLoopDelay {
    fn drop(&mut self) {
        self.disable();
    }
}

impl fmt::Debug for EventLoopDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoopDelay")
            .field("enabled", &self.enabled.get())
            .field("count", &self.count())
            .finish()
    }
}

//! What Node's `perf_hooks` says of the event loop.

use crate::current;
use std::time::Duration;

#[cfg(feature = "loop-delay")]
pub use crate::delay::{EventLoopDelay, monitor_event_loop_delay};

/// How a loop has spent its time. Node: the result of `performance.eventLoopUtilization()`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct EventLoopUtilization {
    /// Time asleep, waiting for something to become ready.
    pub idle: Duration,
    /// All other time.
    pub active: Duration,
    /// The active part of the whole, from 0 to 1; 0 of no time.
    pub utilization: f64,
}

impl EventLoopUtilization {
    fn new(idle: Duration, active: Duration) -> EventLoopUtilization {
        let whole = idle.saturating_add(active).as_secs_f64();
        let utilization = if whole > 0.0 { active.as_secs_f64() / whole } else { 0.0 };
        EventLoopUtilization { idle, active, utilization }
    }

    /// What of this came after `earlier`. Node: `eventLoopUtilization(this, earlier)`.
    pub fn since(&self, earlier: &EventLoopUtilization) -> EventLoopUtilization {
        EventLoopUtilization::new(
            self.idle.saturating_sub(earlier.idle),
            self.active.saturating_sub(earlier.active),
        )
    }
}

/// How the loop of this thread has spent its time, all of it or that `since` an earlier answer.
/// Node: `performance.eventLoopUtilization()`.
///
/// The loop begins to measure with the first call, which answers zeros; before that it costs
/// nothing. Time between two runs of the loop counts as active: nothing could be served meanwhile.
/// With a virtual clock, its time is meant.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use lunation_executor::{Runtime, performance::event_loop_utilization, time};
/// use std::time::Duration;
///
/// let runtime = Runtime::builder().start_paused(true).build().unwrap();
/// runtime.block_on(async {
///     let start = event_loop_utilization(None);
///     time::sleep(Duration::from_millis(30)).await;
///     time::advance(Duration::from_millis(10)); // as a computation would
///     let used = event_loop_utilization(Some(&start));
///     assert_eq!((used.idle.as_millis(), used.active.as_millis()), (30, 10));
///     assert_eq!(used.utilization, 0.25);
/// });
/// ```
#[track_caller]
pub fn event_loop_utilization(since: Option<&EventLoopUtilization>) -> EventLoopUtilization {
    let event_loop = current::current();
    let (idle, whole) = event_loop.gauge.times(&event_loop.clock);
    let now = EventLoopUtilization::new(idle, whole.saturating_sub(idle));
    since.map_or(now, |earlier| now.since(earlier))
}

//! The loop's clock: real, or virtual for tests.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Milliseconds since the start of the clock. Timers count in these.
pub(crate) type Millis = u64;

/// A clock that counts milliseconds from its start.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// The virtual time passed; None for a real clock.
    elapsed: Cell<Option<Duration>>,
}

impl Clock {
    pub(crate) fn new(is_virtual: bool) -> Clock {
        let elapsed = is_virtual.then_some(Duration::ZERO);
        Clock { start: Instant::now(), elapsed: Cell::new(elapsed) }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.elapsed.get().is_some()
    }

    /// Time passed since the start.
    #[inline]
    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed.get().unwrap_or_else(|| self.start.elapsed())
    }

    /// The present time: std's, or start plus virtual time.
    pub(crate) fn now(&self) -> Instant {
        match self.elapsed.get() {
            Some(elapsed) => self.start + elapsed,
            None => Instant::now(),
        }
    }

    /// The instant `at` after the start.
    pub(crate) fn instant(&self, at: Duration) -> Option<Instant> {
        self.start.checked_add(at)
    }

    /// Time from the start to `instant`, zero if it is earlier.
    #[inline]
    pub(crate) fn since_start(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    /// As [`Clock::since_start`], in whole milliseconds, rounded up.
    #[inline]
    pub(crate) fn ceil_at(&self, instant: Instant) -> Millis {
        ceil(self.since_start(instant))
    }

    /// Moves a virtual clock on. False, and nothing done, for a real one.
    pub(crate) fn advance(&self, by: Duration) -> bool {
        let Some(elapsed) = self.elapsed.get() else { return false };
        self.elapsed.set(Some(elapsed.saturating_add(by)));
        true
    }
}

/// Whole milliseconds in `duration`, rounded down.
#[inline]
pub(crate) fn floor(duration: Duration) -> Millis {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis().into())
}

/// Whole milliseconds that are not less than `duration`.
#[inline]
pub(crate) fn ceil(duration: Duration) -> Millis {
    let partial = duration.subsec_nanos().div_ceil(1_000_000);
    duration.as_secs().saturating_mul(1000).saturating_add(partial.into())
}

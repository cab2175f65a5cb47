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
    /// The milliseconds asked for last: of what was read from the clock, and of deadlines.
    present: Cell<Tick>,
    deadline: Cell<Tick>,
}

/// A millisecond of a clock: it ends `ms` after the start.
#[derive(Debug, Clone, Copy)]
struct Tick {
    ms: Millis,
    /// Does not belong to it.
    begin: Instant,
    /// Belongs to it.
    end: Instant,
}

impl Clock {
    pub(crate) fn new(is_virtual: bool) -> Clock {
        let elapsed = is_virtual.then_some(Duration::ZERO);
        let start = Instant::now();
        let none = Cell::new(Tick { ms: 0, begin: start, end: start });
        Clock { start, elapsed: Cell::new(elapsed), present: none.clone(), deadline: none }
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

    /// Whole milliseconds from the start to `deadline`, rounded up. Cheaper if it lies in the
    /// millisecond of the one before, as where many timeouts are moved by the same time: Instants
    /// are compared faster than subtracted.
    #[inline]
    pub(crate) fn ceil_at(&self, deadline: Instant) -> Millis {
        self.ceil_by(&self.deadline, deadline)
    }

    /// The same, cheaper if `now` lies in the millisecond that was read from the clock last.
    #[inline]
    pub(crate) fn ceil_near(&self, now: Instant) -> Millis {
        self.ceil_by(&self.present, now)
    }

    #[inline]
    fn ceil_by(&self, last: &Cell<Tick>, instant: Instant) -> Millis {
        let Tick { ms, begin, end } = last.get();
        if begin < instant && instant <= end { ms } else { self.ceil_anew(last, instant) }
    }

    /// Whole milliseconds from the start to now, rounded down.
    #[inline]
    pub(crate) fn floor_now(&self) -> Millis {
        match self.elapsed.get() {
            Some(elapsed) => floor(elapsed),
            None => self.floor_near(Instant::now()),
        }
    }

    /// As [`Clock::ceil_near`], rounded down.
    #[inline]
    fn floor_near(&self, now: Instant) -> Millis {
        let Tick { ms, begin, end } = self.present.get();
        if begin <= now && now < end { ms - 1 } else { self.floor_anew(now) }
    }

    #[inline(never)]
    fn floor_anew(&self, now: Instant) -> Millis {
        let ms = self.ceil_near(now);
        if now == self.present.get().end { ms } else { ms.saturating_sub(1) }
    }

    #[inline(never)]
    fn ceil_anew(&self, last: &Cell<Tick>, instant: Instant) -> Millis {
        let ms = ceil(self.since_start(instant));
        let at = |ms| self.instant(Duration::from_millis(ms));
        // Before the start there are no milliseconds.
        if let (Some(begin), Some(end)) = (ms.checked_sub(1).and_then(at), at(ms)) {
            last.set(Tick { ms, begin, end });
        }
        ms
    }

    /// Moves a virtual clock on, at most to its end: what timers and an `Instant` can count. False,
    /// and nothing done, for a real one.
    pub(crate) fn advance(&self, by: Duration) -> bool {
        let Some(elapsed) = self.elapsed.get() else { return false };
        self.elapsed.set(Some(elapsed.saturating_add(by).min(Duration::from_millis(Millis::MAX))));
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

#[cfg(test)]
mod tests {
    use super::Clock;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        /// Near, at and between the edges of few milliseconds, in any order.
        #[test]
        fn what_was_asked_before_changes_no_answer(
            steps in prop::collection::vec((0_u64..4, 0_u64..4, any::<bool>()), 1..100),
        ) {
            let clock = Clock::new(true);
            for (ms, nanos, half) in steps {
                let nanos = 1_000_000 * ms + nanos + if half { 500_000 } else { 0 };
                for at in [nanos, nanos.saturating_sub(3)] {
                    let instant = clock.start + Duration::from_nanos(at);
                    prop_assert_eq!(clock.ceil_near(instant), at.div_ceil(1_000_000));
                    prop_assert_eq!(clock.ceil_at(instant), at.div_ceil(1_000_000));
                    prop_assert_eq!(clock.floor_near(instant), at / 1_000_000);
                }
            }
            let before = clock.start.checked_sub(Duration::from_secs(1));
            prop_assert_eq!(before.map_or(0, |before| clock.ceil_near(before)), 0);
        }
    }
}

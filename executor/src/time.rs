//! Futures of time.

use crate::clock::{self, Millis};
use crate::current;
use crate::event_loop::EventLoop;
use crate::job::Timer;
use crate::task::waker::clone_own;
use crate::timers::lists::Lists;
use crate::timers::places::TimerKey;
use lunation_reactor::release::{self, Released};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The present time on the loop's clock: std's, or the virtual one. Tokio: `time::Instant::now`.
/// Outside of a runtime it is [`Instant::now`].
pub fn now() -> Instant {
    current::try_with(|event_loop| event_loop.clock.now()).unwrap_or_else(Instant::now)
}

/// Moves a virtual clock on by `duration`. What has become due fires in the next timers phase.
/// Tokio: `time::advance`, but synchronous.
///
/// # Panics
/// Outside of a runtime, and if its clock is not virtual
/// ([`Builder::start_paused`](crate::Builder::start_paused)).
#[track_caller]
pub fn advance(duration: Duration) {
    let moved = current::with(|event_loop| event_loop.clock.advance(duration));
    assert!(
        moved,
        "time::advance needs a virtual clock: build the runtime with start_paused(true)"
    );
}

/// Waits for `duration`, rounded up to whole milliseconds; never ends early. Tokio: `time::sleep`.
///
/// It is counted from this call; zero ends at once. `Sleep` is `Send` and `Sync`, but must be
/// polled in the runtime in which it was made.
///
/// # Panics
/// Outside of a runtime. Polling it in another runtime or outside of one panics too: it would
/// never be woken there.
///
/// # Cancel safety
/// Cancel safe: dropping it removes the timer.
///
/// ```
/// use lunation_executor::{Runtime, time};
/// use std::time::Duration;
///
/// let runtime = Runtime::builder().start_paused(true).build().unwrap();
/// runtime.block_on(async {
///     let start = time::now();
///     time::sleep(Duration::from_secs(60)).await;
///     assert_eq!(time::now() - start, Duration::from_secs(60));
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    current::with(|event_loop| {
        let now = event_loop.clock.now();
        Sleep::start(event_loop, now, now.checked_add(duration), duration)
    })
}

/// Waits until `deadline`; at once if it has passed. Tokio: `time::sleep_until`.
///
/// # Panics
/// As for [`sleep`].
///
/// # Cancel safety
/// Cancel safe.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    current::with(|event_loop| {
        let now = event_loop.clock.now();
        let duration = deadline.saturating_duration_since(now);
        Sleep::start(event_loop, now, Some(deadline.max(now)), duration)
    })
}

/// The future of [`sleep`] and [`sleep_until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    /// When it ends, on the clock of its runtime; None beyond what an `Instant` can say.
    deadline: Option<Instant>,
    key: TimerKey,
    runtime: u64,
}

impl Sleep {
    #[inline(always)]
    fn start(
        event_loop: &EventLoop,
        now: Instant,
        deadline: Option<Instant>,
        duration: Duration,
    ) -> Sleep {
        // Rounded up on both sides, so that it never ends early.
        let (ms, start) = (clock::ceil(duration), event_loop.clock.ceil_near(now));
        let key = arm(&mut event_loop.timers.borrow_mut(), ms, start);
        Sleep { deadline, key, runtime: event_loop.id }
    }

    /// When it ends. None if that is too far away for an [`Instant`].
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether it has ended. False in another runtime.
    pub fn is_elapsed(&self) -> bool {
        self.with(|event_loop| event_loop.timers.borrow_mut().payload(self.key).is_none())
            == Some(true)
    }

    /// Lets it end at `deadline` instead. The task that waits is woken then. Tokio: `Sleep::reset`.
    ///
    /// # Panics
    /// Outside of its runtime.
    #[track_caller]
    pub fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = Some(deadline);
        let moved = self.with(|event_loop| {
            let (clock, timers) = (&event_loop.clock, &mut *event_loop.timers.borrow_mut());
            // Later than before, as nearly always: the clock is not even asked.
            if timers.put_off(self.key, clock.ceil_at(deadline)) {
                return None;
            }
            let now = clock.now();
            let ms = clock::ceil(deadline.saturating_duration_since(now));
            let start = clock.ceil_near(now);
            let moves = timers.restart_as(self.key, ms, start);
            (!moves).then(|| arm(timers, ms, start))
        });
        if let Some(key) = moved.expect(FOREIGN) {
            self.key = key;
        }
    }

    /// Lets the timer wake `waker` if it is pending; what it was to wake before is in `spare` then.
    /// None if the waker is not a task's and its clone is not in `spare`.
    #[inline(always)]
    #[track_caller]
    fn watch(&self, waker: &Waker, spare: &mut Option<Waker>) -> Option<Poll<()>> {
        let watched = self.with(|event_loop| {
            let mut timers = event_loop.timers.borrow_mut();
            let Some(Timer::Wake(known)) = timers.set_refed(self.key, true) else {
                return Some(Poll::Ready(()));
            };
            if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
                return Some(Poll::Pending);
            }
            let clone = spare.take().or_else(|| clone_own(waker))?;
            *spare = known.replace(clone);
            Some(Poll::Pending)
        });
        watched.expect(FOREIGN)
    }

    /// Calls `f` with its loop, if this thread is inside of that. As [`current::with`].
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&EventLoop) -> R) -> Option<R> {
        current::try_with(|event_loop| (event_loop.id == self.runtime).then(|| f(event_loop)))
            .flatten()
    }
}

const FOREIGN: &str = "a Sleep was used outside of the runtime in which it was made: make it and \
                       await it in the same runtime";

/// Enters a timer that wakes nobody yet and does not keep the loop alive until it is polled.
#[inline(always)]
fn arm(timers: &mut Lists<Timer>, ms: Millis, start: Millis) -> TimerKey {
    if ms == 0 { TimerKey::NONE } else { timers.insert(ms, start, false, Timer::Wake(None)) }
}

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Outside of any borrow: a foreign waker may do anything when it is cloned or dropped.
        let (waker, mut spare) = (context.waker(), None);
        loop {
            if let Some(poll) = self.watch(waker, &mut spare) {
                return poll;
            }
            spare = Some(waker.clone());
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let cleared = self.with(|event_loop| {
            match event_loop.timers.borrow_mut().remove(self.key) {
                Some(Timer::Wake(waker)) => waker,
                // Nothing but what `arm` has entered.
                Some(Timer::Call(_)) | None => None,
            }
        });
        match cleared {
            // Outside of the borrow.
            Some(waker) => drop(waker),
            None => release::release(self.runtime, Released::Timer(self.key.to_bits())),
        }
    }
}

/// The future of [`timeout`] did not end in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time for the operation has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

pin_project! {
    /// The future of [`timeout`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        #[pin]
        sleep: Sleep,
    }
}

/// Waits for `future`, but not longer than `duration`, counted from this call. Tokio:
/// `time::timeout`.
///
/// The future is polled first: one that is ready wins even if the time has passed.
///
/// # Panics
/// As for [`sleep`].
///
/// # Cancel safety
/// Dropping it drops the future.
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep(duration) }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        this.sleep.poll(context).map(|()| Err(Elapsed))
    }
}

/// Ticks every `period`; the first tick is due at once. Tokio: `time::interval`.
///
/// # Panics
/// Outside of a runtime, and if `period` is zero.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is zero: give it at least one ms");
    Interval { period, next: now(), sleep: Box::pin(sleep(Duration::ZERO)) }
}

/// The ticks of [`interval`]. Missed ticks are delivered at once, one after the other (tokio's
/// `MissedTickBehavior::Burst`).
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    next: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Interval {
    /// Waits for the next tick and returns when it was due.
    ///
    /// # Cancel safety
    /// Cancel safe: a tick that was not returned is not lost.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|context| self.poll_tick(context)).await
    }

    /// As [`Interval::tick`].
    ///
    /// # Panics
    /// Outside of its runtime.
    #[track_caller]
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        if self.sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let due = self.next;
        match due.checked_add(self.period) {
            Some(next) => {
                self.next = next;
                self.sleep.as_mut().reset(next);
            }
            None => self.sleep.set(sleep(Duration::MAX)),
        }
        Poll::Ready(due)
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}

//! Futures of time.

use crate::clock;
use crate::current;
use crate::event_loop::EventLoop;
use crate::job::Timer;
use crate::timers::lists::TimerKey;
use lunation_reactor::release::{self, Released};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The present time on the loop's clock: std's, or the virtual one. Tokio: `time::Instant::now`.
/// Outside of a runtime it is [`Instant::now`].
pub fn now() -> Instant {
    current::try_current().map_or_else(Instant::now, |event_loop| event_loop.clock.now())
}

/// Moves a virtual clock on by `duration`. What has become due fires in the next timers phase.
/// Tokio: `time::advance`, but synchronous.
///
/// # Panics
/// Outside of a runtime, and if its clock is not virtual
/// ([`Builder::start_paused`](crate::Builder::start_paused)).
#[track_caller]
pub fn advance(duration: Duration) {
    let moved = current::current().clock.advance(duration);
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
    let event_loop = current::current();
    let now = event_loop.clock.elapsed();
    Sleep::start(&event_loop, now, duration)
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
    let event_loop = current::current();
    let now = event_loop.clock.elapsed();
    let duration = event_loop.clock.since_start(deadline).saturating_sub(now);
    Sleep::start(&event_loop, now, duration)
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
    fn start(event_loop: &EventLoop, now: Duration, duration: Duration) -> Sleep {
        let deadline =
            now.checked_add(duration).and_then(|deadline| event_loop.clock.instant(deadline));
        Sleep { deadline, key: arm(event_loop, now, duration), runtime: event_loop.reactor.id() }
    }

    /// When it ends. None if that is too far away for an [`Instant`].
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether it has ended. False in another runtime.
    pub fn is_elapsed(&self) -> bool {
        self.event_loop()
            .is_some_and(|event_loop| event_loop.timers.borrow_mut().payload(self.key).is_none())
    }

    /// Lets it end at `deadline` instead. The task that waits is woken then. Tokio: `Sleep::reset`.
    ///
    /// # Panics
    /// Outside of its runtime.
    #[track_caller]
    pub fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        let event_loop = self.event_loop().expect(FOREIGN);
        let now = event_loop.clock.elapsed();
        let duration = event_loop.clock.since_start(deadline).saturating_sub(now);
        let (ms, start) = (clock::ceil(duration), clock::ceil(now));
        self.deadline = Some(deadline);
        if !event_loop.timers.borrow_mut().restart_as(self.key, ms, start) {
            self.key = arm(&event_loop, now, duration);
        }
    }

    fn event_loop(&self) -> Option<Rc<EventLoop>> {
        current::try_current().filter(|event_loop| event_loop.reactor.id() == self.runtime)
    }
}

const FOREIGN: &str = "a Sleep was used outside of the runtime in which it was made: make it and \
                       await it in the same runtime";

/// Enters a timer that wakes nobody yet and does not keep the loop alive until it is polled.
fn arm(event_loop: &EventLoop, now: Duration, duration: Duration) -> TimerKey {
    if duration.is_zero() {
        return TimerKey::NONE;
    }
    // Rounded up on both sides, so that it never ends early.
    let (ms, start) = (clock::ceil(duration), clock::ceil(now));
    event_loop.timers.borrow_mut().insert(ms, start, false, Timer::Wake(None))
}

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let event_loop = self.event_loop().expect(FOREIGN);
        match event_loop.timers.borrow_mut().payload(self.key) {
            Some(Timer::Wake(Some(waker))) if waker.will_wake(context.waker()) => {
                return Poll::Pending;
            }
            Some(_) => {}
            None => return Poll::Ready(()),
        }
        // Outside of the borrow: a foreign waker may do anything when it is cloned or dropped.
        let waker = context.waker().clone();
        let mut timers = event_loop.timers.borrow_mut();
        let Some(timer) = timers.payload(self.key) else { return Poll::Ready(()) };
        let old = std::mem::replace(timer, Timer::Wake(Some(waker)));
        timers.set_refed(self.key, true);
        drop(timers);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        match self.event_loop() {
            Some(event_loop) => {
                let timer = event_loop.timers.borrow_mut().clear(self.key);
                drop(timer);
            }
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
        self.next = due + self.period;
        self.sleep.as_mut().reset(self.next);
        Poll::Ready(due)
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}

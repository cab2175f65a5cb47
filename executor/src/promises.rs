//! Timers to wait for, with a signal to cancel them. Node: `node:timers/promises`.
//!
//! Each is a resource, a `Timeout` or an `Immediate`, that begins with the call and keeps the loop
//! alive unless it is `unref`ed; dropping the future clears it. For a task that just waits
//! [`time::sleep`](crate::time::sleep) and [`immediate`](crate::immediate) are lighter: they are
//! no resources.
//!
//! ```
//! use lunation_executor::{AbortController, Runtime, promises};
//! use std::time::Duration;
//!
//! Runtime::builder().start_paused(true).build().unwrap().block_on(async {
//!     let second = Duration::from_secs(1);
//!     assert_eq!(promises::set_timeout(second, "done").await, "done");
//!
//!     let controller = AbortController::new();
//!     let mut beats = promises::with_signal(&controller.signal()).set_interval(second, ());
//!     assert!(matches!(beats.next().await, Some(Ok(()))));
//!     controller.abort();
//!     assert!(matches!(beats.next().await, Some(Err(_))));
//!     assert!(beats.next().await.is_none());
//! });
//! ```

use crate::abort::{AbortError, AbortListener, AbortSignal};
use crate::callback::{self, Immediate, Timeout};
use crate::job::{Call, Waiter};
use crate::promise::Promise;
use futures_util::Stream;
use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Waits as [`set_timeout`](crate::set_timeout) does and gives `value`. Node:
/// `timersPromises.setTimeout`.
///
/// # Panics
/// Outside of a runtime.
///
/// # Cancel safety
/// Cancel safe: dropping it clears the timer.
#[track_caller]
pub fn set_timeout<T: 'static>(delay: Duration, value: T) -> Wait<T> {
    let promise = Promise::new();
    let settler = callback::Callback::Many(Box::new(promise.settler(value)));
    let timer = callback::start_timeout(delay, settler, false);
    Wait { promise, timer: Some(Timer::Timeout(timer)), listener: None }
}

/// Waits as [`set_immediate`](crate::set_immediate) does and gives `value`. Node:
/// `timersPromises.setImmediate`.
///
/// # Panics
/// Outside of a runtime.
///
/// # Cancel safety
/// Cancel safe: dropping it clears the immediate.
#[track_caller]
pub fn set_immediate<T: 'static>(value: T) -> Wait<T> {
    let promise = Promise::new();
    let timer = callback::start_immediate(promise.settler(value));
    Wait { promise, timer: Some(Timer::Immediate(timer)), listener: None }
}

/// Gives `value` every `period`, as often as [`set_interval`](crate::set_interval) would call.
/// Node: `timersPromises.setInterval`.
///
/// What becomes due while nobody waits is given at once, one after the other. It begins with this
/// call, Node's with the first `next()`. Dropping it clears the timer.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn set_interval<T: Clone + 'static>(period: Duration, value: T) -> Interval<T> {
    let ticks = Ticks::new(value);
    let ticking = callback::Callback::Many(Box::new(Rc::clone(&ticks)));
    let timer = callback::start_timeout(period, ticking, true);
    Interval { ticks, timer: Some(timer), listener: None }
}

/// The same functions with the option `signal`: aborting it clears the timer at once and ends the
/// wait with an [`AbortError`]. If it is aborted already, there is no timer.
pub fn with_signal(signal: &AbortSignal) -> WithSignal<'_> {
    WithSignal(signal)
}

/// The timers of [`with_signal`].
#[derive(Debug, Clone, Copy)]
pub struct WithSignal<'a>(&'a AbortSignal);

impl WithSignal<'_> {
    /// [`set_timeout`], until the signal is aborted.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn set_timeout<T: 'static>(self, delay: Duration, value: T) -> Wait<Result<T, AbortError>> {
        match self.0.throw_if_aborted() {
            Ok(()) => set_timeout(delay, Ok(value)).cleared_by(self.0),
            Err(error) => Wait::aborted(error),
        }
    }

    /// [`set_immediate`], until the signal is aborted.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn set_immediate<T: 'static>(self, value: T) -> Wait<Result<T, AbortError>> {
        match self.0.throw_if_aborted() {
            Ok(()) => set_immediate(Ok(value)).cleared_by(self.0),
            Err(error) => Wait::aborted(error),
        }
    }

    /// [`set_interval`], until the signal is aborted: then it gives what was due before, the
    /// error, and nothing more.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn set_interval<T: Clone + 'static>(
        self,
        period: Duration,
        value: T,
    ) -> Interval<Result<T, AbortError>> {
        match self.0.throw_if_aborted() {
            Ok(()) => set_interval(period, Ok(value)).cleared_by(self.0),
            Err(error) => Interval::aborted(value, error),
        }
    }
}

#[derive(Debug, Clone)]
enum Timer {
    Timeout(Timeout),
    Immediate(Immediate),
}

impl Timer {
    fn clear(&self) {
        match self {
            Timer::Timeout(timeout) => timeout.clear(),
            Timer::Immediate(immediate) => immediate.clear(),
        }
    }

    fn unref(&self) {
        match self {
            Timer::Timeout(timeout) => _ = timeout.unref(),
            Timer::Immediate(immediate) => _ = immediate.unref(),
        }
    }
}

/// The future of [`set_timeout`] and [`set_immediate`].
#[must_use = "dropping it clears the timer"]
pub struct Wait<R> {
    promise: Rc<Promise<R>>,
    /// None if it was aborted from the start.
    timer: Option<Timer>,
    /// None without a signal, and when it has ended.
    listener: Option<AbortListener>,
}

impl<R> Wait<R> {
    /// Lets `run_to_idle` end without it. Node: the option `{ref: false}`.
    pub fn unref(self) -> Wait<R> {
        if let Some(timer) = &self.timer {
            timer.unref();
        }
        self
    }
}

impl<T: 'static> Wait<Result<T, AbortError>> {
    fn aborted(error: AbortError) -> Self {
        let promise = Promise::new();
        promise.settle(Err(error));
        Wait { promise, timer: None, listener: None }
    }

    fn cleared_by(mut self, signal: &AbortSignal) -> Self {
        let (promise, timer) = (Rc::clone(&self.promise), self.timer.clone());
        self.listener = Some(signal.listen(move |error| {
            timer.iter().for_each(Timer::clear);
            promise.settle(Err(error.clone()));
        }));
        self
    }
}

impl<R> Future for Wait<R> {
    type Output = R;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let output = self.promise.poll(context);
        if output.is_ready() {
            self.listener = None;
        }
        output
    }
}

impl<R> Drop for Wait<R> {
    fn drop(&mut self) {
        self.listener = None;
        self.timer.iter().for_each(Timer::clear);
    }
}

impl<R> fmt::Debug for Wait<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("timer", &self.timer).finish_non_exhaustive()
    }
}

/// What the timer of an interval says to the one who waits.
struct Ticks<R> {
    value: R,
    /// Ticks that were not given yet.
    due: Cell<u64>,
    aborted: Cell<bool>,
    /// What comes after the last tick.
    error: Cell<Option<R>>,
    waker: Cell<Option<Waker>>,
}

impl<R> Ticks<R> {
    fn new(value: R) -> Rc<Ticks<R>> {
        Rc::new(Ticks {
            value,
            due: Cell::new(0),
            aborted: Cell::new(false),
            error: Cell::new(None),
            waker: Cell::new(None),
        })
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn abort(&self, error: R) {
        self.aborted.set(true);
        self.error.set(Some(error));
        self.wake();
    }
}

/// A tick of the timer.
impl<R> Call for Rc<Ticks<R>> {
    fn call(&mut self) {
        self.due.set(self.due.get() + 1);
        self.wake();
    }

    fn waiter(&self) -> Option<Waiter> {
        let waker = self.waker.take();
        let waiter = waker.as_ref().map(Waker::data);
        self.waker.set(waker);
        waiter
    }
}

/// The values of [`set_interval`]: a stream.
///
/// ```
/// use lunation_executor::{Runtime, promises, time};
/// use std::time::Duration;
///
/// Runtime::builder().start_paused(true).build().unwrap().block_on(async {
///     let start = time::now();
///     let mut beats = promises::set_interval(Duration::from_secs(1), "beat");
///     for second in 1..4 {
///         assert_eq!(beats.next().await, Some("beat"));
///         assert_eq!((time::now() - start).as_secs(), second);
///     }
/// });
/// ```
#[must_use = "dropping it clears the timer"]
pub struct Interval<R> {
    ticks: Rc<Ticks<R>>,
    /// None if it was aborted from the start.
    timer: Option<Timeout>,
    listener: Option<AbortListener>,
}

impl<R: Clone> Interval<R> {
    /// The next value; None after an abort. Node: `await iterator.next()`.
    ///
    /// # Cancel safety
    /// Cancel safe: a value that was not given is given by the next call.
    pub async fn next(&mut self) -> Option<R> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Lets `run_to_idle` end without it. Node: the option `{ref: false}`.
    pub fn unref(self) -> Interval<R> {
        if let Some(timer) = &self.timer {
            timer.unref();
        }
        self
    }
}

impl<T: Clone + 'static> Interval<Result<T, AbortError>> {
    fn aborted(value: T, error: AbortError) -> Self {
        let ticks = Ticks::new(Ok(value));
        ticks.abort(Err(error));
        Interval { ticks, timer: None, listener: None }
    }

    fn cleared_by(mut self, signal: &AbortSignal) -> Self {
        let (ticks, timer) = (Rc::clone(&self.ticks), self.timer.clone());
        self.listener = Some(signal.listen(move |error| {
            timer.iter().for_each(Timeout::clear);
            ticks.abort(Err(error.clone()));
        }));
        self
    }
}

impl<R: Clone> Stream for Interval<R> {
    type Item = R;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<R>> {
        // First: a foreign waker may do anything when it is cloned, such as to abort.
        let waker = context.waker().clone();
        let ticks = &self.ticks;
        if let Some(due) = ticks.due.get().checked_sub(1) {
            ticks.due.set(due);
            return Poll::Ready(Some(ticks.value.clone()));
        }
        if ticks.aborted.get() {
            return Poll::Ready(ticks.error.take());
        }
        let old = ticks.waker.replace(Some(waker));
        drop(old);
        Poll::Pending
    }
}

impl<R> Drop for Interval<R> {
    fn drop(&mut self) {
        self.listener = None;
        self.timer.iter().for_each(Timeout::clear);
    }
}

impl<R> fmt::Debug for Interval<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval").field("timer", &self.timer).finish_non_exhaustive()
    }
}

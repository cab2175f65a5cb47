//! `TracingChannel`: the life of an operation in five channels.

use std::rc::Rc;

use super::audience::Subscription;
use super::bounded::BoundedChannel;
use super::channel::Channel;
use super::trace::Trace;

/// Five channels that tell the life of operations: Node's `TracingChannel`, typed.
///
/// `C` says what an operation is about, `T` and `E` are what it returns with `Ok` and `Err`. All
/// five publish one [`Trace`] per operation:
///
/// | | |
/// |---|---|
/// | `start`, `end` | around the synchronous part: the call, or the first poll |
/// | `error` | the operation has returned `Err`, or panicked |
/// | `async_start`, `async_end` | around the continuation of a future or a callback |
///
/// Stores bound to `start` are set in the operation, those bound to `async_start` in the
/// continuation. Whether anybody listens is asked once per operation, when it starts.
///
/// ```
/// use lunation_context::diagnostics_channel::{Trace, TracingChannel, tracing_channel};
/// use std::{cell::RefCell, num::ParseIntError, rc::Rc};
///
/// static PARSE: TracingChannel<&str, i32, ParseIntError> = tracing_channel!("shop.parse");
///
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let log = seen.clone();
/// let _end = PARSE.end().subscribe(move |trace, channel| {
///     log.borrow_mut().push(format!("{channel} {} {:?}", trace.context(), trace.result()));
/// });
/// assert_eq!(PARSE.trace_sync("12", || "12".parse()), Ok(12));
/// assert!(PARSE.trace_sync("x", || "x".parse()).is_err());
/// let expected = ["tracing:shop.parse:end 12 Some(12)", "tracing:shop.parse:end x None"];
/// assert_eq!(*seen.borrow(), expected);
/// ```
#[derive(Debug)]
pub struct TracingChannel<C: 'static, T: 'static, E: 'static> {
    pub(super) call: BoundedChannel<Trace<C, T, E>>,
    pub(super) continuation: BoundedChannel<Trace<C, T, E>>,
    pub(super) error: Channel<Trace<C, T, E>>,
}

/// A [`TracingChannel`](crate::diagnostics_channel::TracingChannel) with Node's names for its
/// channels: `tracing:NAME:start`, `end`, `asyncStart`, `asyncEnd` and `error`. For a `static`.
#[macro_export]
macro_rules! tracing_channel {
    ($name:literal) => {
        $crate::diagnostics_channel::TracingChannel::from_channels(
            $crate::diagnostics_channel::bounded_channel!($name),
            $crate::diagnostics_channel::BoundedChannel::from_channels(
                $crate::diagnostics_channel::Channel::new(concat!(
                    "tracing:",
                    $name,
                    ":asyncStart"
                )),
                $crate::diagnostics_channel::Channel::new(concat!("tracing:", $name, ":asyncEnd")),
            ),
            $crate::diagnostics_channel::Channel::new(concat!("tracing:", $name, ":error")),
        )
    };
}

pub use tracing_channel;

impl<C, T, E> TracingChannel<C, T, E> {
    /// Of channels of any names: `start` and `end`, `async_start` and `async_end`, `error`;
    /// `tracing_channel!` gives them Node's.
    pub const fn from_channels(
        call: BoundedChannel<Trace<C, T, E>>,
        continuation: BoundedChannel<Trace<C, T, E>>,
        error: Channel<Trace<C, T, E>>,
    ) -> Self {
        TracingChannel { call, continuation, error }
    }

    /// The synchronous part begins.
    pub const fn start(&self) -> &Channel<Trace<C, T, E>> {
        self.call.start()
    }

    /// The synchronous part has ended.
    pub const fn end(&self) -> &Channel<Trace<C, T, E>> {
        self.call.end()
    }

    /// The continuation begins.
    pub const fn async_start(&self) -> &Channel<Trace<C, T, E>> {
        self.continuation.start()
    }

    /// The continuation has ended.
    pub const fn async_end(&self) -> &Channel<Trace<C, T, E>> {
        self.continuation.end()
    }

    /// The operation has failed.
    pub const fn error(&self) -> &Channel<Trace<C, T, E>> {
        &self.error
    }

    /// Whether one of the five has subscribers or bound stores on this thread.
    #[inline]
    pub fn has_subscribers(&self) -> bool {
        self.call.has_subscribers()
            || self.continuation.has_subscribers()
            || self.error.has_subscribers()
    }

    /// Subscribes to all five. Dropping one of the handles unsubscribes from one of them.
    pub fn subscribe(
        &self,
        subscriber: impl TracingSubscriber<C, T, E> + 'static,
    ) -> [Subscription; 5] {
        let subscriber = Rc::new(subscriber);
        let [start, end, async_start, async_end, error] = [(); 5].map(|()| Rc::clone(&subscriber));
        [
            self.start().subscribe(move |trace, _| start.start(trace)),
            self.end().subscribe(move |trace, _| end.end(trace)),
            self.async_start().subscribe(move |trace, _| async_start.async_start(trace)),
            self.async_end().subscribe(move |trace, _| async_end.async_end(trace)),
            self.error().subscribe(move |trace, _| error.error(trace)),
        ]
    }

    /// Traces a call: `start`, then `f`, then `error` if it fails, then `end`. Node's `traceSync`.
    ///
    /// # Panics
    /// If `f` does.
    #[track_caller]
    pub fn trace_sync(&self, context: C, f: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if !self.has_subscribers() {
            return f();
        }
        let trace = Trace::new(context);
        let call = self.call.enter(&trace);
        let outcome = trace.watch(f, || self.error.publish(&trace));
        if trace.settle(outcome) {
            self.error.publish(&trace);
        }
        drop(call);
        trace.into_outcome().expect("settled above")
    }
}

/// What listens to all channels of a [`TracingChannel`]; every method is optional.
pub trait TracingSubscriber<C, T, E> {
    /// The synchronous part begins.
    fn start(&self, trace: &Trace<C, T, E>) {
        let _ = trace;
    }

    /// The synchronous part has ended.
    fn end(&self, trace: &Trace<C, T, E>) {
        let _ = trace;
    }

    /// The continuation begins.
    fn async_start(&self, trace: &Trace<C, T, E>) {
        let _ = trace;
    }

    /// The continuation has ended.
    fn async_end(&self, trace: &Trace<C, T, E>) {
        let _ = trace;
    }

    /// The operation has failed.
    fn error(&self, trace: &Trace<C, T, E>) {
        let _ = trace;
    }
}

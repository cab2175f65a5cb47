//! Tracing an operation that ends with a callback.

use std::fmt;
use std::rc::Rc;

use super::trace::Trace;
use super::tracing::TracingChannel;

impl<C, T, E> TracingChannel<C, T, E> {
    /// Traces an operation that ends with a callback: Node's `traceCallback`.
    ///
    /// `start`, then `f` with the traced `callback`, which it calls whenever it likes, then `end`.
    /// The call of the callback is the continuation: `error` if its outcome is one, then
    /// `async_start`, the callback, `async_end`.
    ///
    /// ```
    /// # use lunation_context::diagnostics_channel::{TracingChannel, tracing_channel};
    /// static LOOKUP: TracingChannel<&str, u32, ()> = tracing_channel!("shop.lookup");
    /// let callback = |outcome: Result<&u32, &()>| assert_eq!(outcome, Ok(&3));
    /// LOOKUP.trace_callback("a", callback, |callback| callback.call(Ok(3)));
    /// ```
    ///
    /// # Panics
    /// If `f` does; `error` and `end` are published first.
    #[track_caller]
    pub fn trace_callback<'a, F, R>(
        &'a self,
        context: C,
        callback: F,
        f: impl FnOnce(TracedCallback<'a, C, T, E, F>) -> R,
    ) -> R {
        if !self.has_subscribers() {
            return f(TracedCallback { channel: self, trace: None, callback });
        }
        let trace = Rc::new(Trace::new(context));
        let _call = self.call.enter(&trace);
        let traced = TracedCallback { channel: self, trace: Some(Rc::clone(&trace)), callback };
        trace.watch(|| f(traced), || self.error.publish(&trace))
    }
}

/// A callback whose call is traced: see [`TracingChannel::trace_callback`].
#[must_use = "the operation has not ended before it is called"]
pub struct TracedCallback<'a, C: 'static, T: 'static, E: 'static, F> {
    channel: &'a TracingChannel<C, T, E>,
    /// `None` if nobody listened when the operation started.
    trace: Option<Rc<Trace<C, T, E>>>,
    callback: F,
}

impl<C, T, E, F> TracedCallback<'_, C, T, E, F> {
    /// Calls the callback with what the operation has come to.
    #[track_caller]
    pub fn call<R>(self, outcome: Result<T, E>) -> R
    where
        F: FnOnce(Result<&T, &E>) -> R,
    {
        let TracedCallback { channel, trace, callback } = self;
        let Some(trace) = trace else { return callback(outcome.as_ref()) };
        if trace.settle(outcome) {
            channel.error.publish(&trace);
        }
        let outcome = trace.outcome().expect("settled above");
        channel.continuation.run(&trace, || callback(outcome.as_ref()))
    }
}

impl<C, T, E, F> fmt::Debug for TracedCallback<'_, C, T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedCallback")
            .field("traced", &self.trace.is_some())
            .finish_non_exhaustive()
    }
}

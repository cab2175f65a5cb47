//! Tracing a future.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::trace::Trace;
use super::tracing::TracingChannel;
use crate::flow::Flow;
use crate::frame::Frame;

impl<C, T, E> TracingChannel<C, T, E> {
    /// Traces a future: Node's `tracePromise`.
    ///
    /// The operation starts with the first poll, around which are `start` and `end`. When it is
    /// ready: `error` if it failed, then `async_start` and `async_end`, and then its output is
    /// returned. A panic of the first poll is a failure of the synchronous part, between `start`
    /// and `end`. A future that is dropped before it is ready tells nothing more.
    ///
    /// The traced future is a flow of its own, as in
    /// [`AsyncLocalStorage::scope`](crate::AsyncLocalStorage::scope): it starts in the context of
    /// the first poll with the stores bound to `start`, which it keeps also after its awaits. All
    /// events are published in that flow.
    ///
    /// ```
    /// # use lunation_context::AsyncLocalStorage;
    /// # use lunation_context::diagnostics_channel::{TracingChannel, tracing_channel};
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// static FETCH: TracingChannel<&str, usize, ()> = tracing_channel!("shop.fetch");
    /// static URL: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    ///
    /// FETCH.start().bind_store(&URL, |trace| *trace.context());
    /// let fetch = FETCH.trace_future("a.html", async { Ok(URL.cloned().unwrap_or("").len()) });
    /// let polled = pin!(fetch).poll(&mut Context::from_waker(Waker::noop()));
    /// assert_eq!(polled, Poll::Ready(Ok(6)));
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub fn trace_future<F>(&self, context: C, future: F) -> TracedFuture<'_, C, T, E, F>
    where
        F: Future<Output = Result<T, E>>,
    {
        TracedFuture { channel: self, context: Some(context), traced: None, future: Some(future) }
    }
}

/// The flow of a traced future, from its first poll on.
struct Traced<C, T, E> {
    trace: Trace<C, T, E>,
    branch: Flow,
}

pin_project! {
    /// A future that is traced: see [`TracingChannel::trace_future`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TracedFuture<'a, C: 'static, T: 'static, E: 'static, F> {
        channel: &'a TracingChannel<C, T, E>,
        // `None` from the first poll on.
        context: Option<C>,
        // `None` before the first poll, and if nobody listened then.
        traced: Option<Traced<C, T, E>>,
        // `None` after completion.
        #[pin]
        future: Option<F>,
    }

    impl<C, T, E, F> PinnedDrop for TracedFuture<'_, C, T, E, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(traced) = this.traced {
                traced.branch.run(|| this.future.set(None));
            }
        }
    }
}

impl<C, T, E, F> Future for TracedFuture<'_, C, T, E, F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    /// # Panics
    /// If the future does, or if it is polled after completion.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let mut this = self.project();
        let channel = *this.channel;
        let context = this.context.take().filter(|_| channel.has_subscribers());
        let is_first = context.is_some();
        if let Some(context) = context {
            let branch = Flow::new(Frame::capture(), 0);
            *this.traced = Some(Traced { trace: Trace::new(context), branch });
        }
        let mut poll = || {
            let future = this.future.as_mut().as_pin_mut().expect("polled after completion");
            let poll = future.poll(cx);
            if poll.is_ready() {
                this.future.set(None);
            }
            poll
        };
        let Some(Traced { trace, branch }) = this.traced else { return poll() };
        let is_ready = branch.run(|| match is_first {
            true => channel.first_poll(trace, poll),
            false => channel.later_poll(trace, poll),
        });
        if !is_ready {
            return Poll::Pending;
        }
        let traced = this.traced.take().expect("looked at above");
        Poll::Ready(traced.trace.into_outcome().expect("it is ready"))
    }
}

impl<C, T, E> TracingChannel<C, T, E> {
    /// The synchronous part. Is the future ready?
    fn first_poll(
        &self,
        trace: &Trace<C, T, E>,
        poll: impl FnOnce() -> Poll<Result<T, E>>,
    ) -> bool {
        let call = self.call.enter(trace);
        let polled = trace.watch(poll, || self.error.publish(trace));
        // In the flow of the future alone, which goes on with these stores.
        call.end_but_keep_stores();
        self.settle(trace, polled)
    }

    /// A poll after the first. Is the future ready?
    fn later_poll(
        &self,
        trace: &Trace<C, T, E>,
        poll: impl FnOnce() -> Poll<Result<T, E>>,
    ) -> bool {
        let polled = catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|payload| {
            trace.note_panic(&*payload);
            self.error.publish(trace);
            self.continuation.run(trace, || ());
            resume_unwind(payload)
        });
        self.settle(trace, polled)
    }

    fn settle(&self, trace: &Trace<C, T, E>, polled: Poll<Result<T, E>>) -> bool {
        let Poll::Ready(outcome) = polled else { return false };
        if trace.settle(outcome) {
            self.error.publish(trace);
        }
        self.continuation.run(trace, || ());
        true
    }
}

impl<C, T, E, F> fmt::Debug for TracedFuture<'_, C, T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedFuture")
            .field("traced", &self.traced.is_some())
            .finish_non_exhaustive()
    }
}

//! Futures that end with a signal.

use super::signal::{AbortError, AbortListener, AbortSignal};
use crate::promise::Promise;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

impl AbortSignal {
    /// Waits until the signal is aborted; at once if it is. Node: `events.once(signal, "abort")`.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping it takes its listener back.
    pub fn until_aborted(&self) -> UntilAborted {
        let promise = Promise::new();
        let aborted = Rc::clone(&promise);
        let listener = self.listen(move |error| aborted.settle(error.clone()));
        UntilAborted { promise, _listener: listener }
    }

    /// The future that `make` returns, but only until the signal is aborted: then it is dropped,
    /// where it was polled. If the signal is aborted already, `make` is not called.
    ///
    /// The future is polled first: one that is ready wins over an abort that came meanwhile.
    ///
    /// # Cancel safety
    /// Dropping it drops the future.
    ///
    /// ```
    /// use lunation_executor::{AbortSignal, Runtime, time};
    /// use std::time::Duration;
    ///
    /// Runtime::builder().start_paused(true).build().unwrap().block_on(async {
    ///     let second = AbortSignal::timeout(Duration::from_secs(1));
    ///     let sleep = |seconds| time::sleep(Duration::from_secs(seconds));
    ///     assert!(second.abortable(|| sleep(0)).await.is_ok());
    ///     let error = second.abortable(|| sleep(60)).await.unwrap_err();
    ///     assert!(error.reason().is::<time::Elapsed>());
    /// });
    /// ```
    pub fn abortable<F: Future>(&self, make: impl FnOnce() -> F) -> Abortable<F> {
        let future = (!self.aborted()).then(make);
        Abortable { future, aborted: self.until_aborted() }
    }
}

/// The future of [`AbortSignal::until_aborted`].
#[must_use = "futures do nothing unless polled"]
pub struct UntilAborted {
    promise: Rc<Promise<AbortError>>,
    _listener: AbortListener,
}

impl Future for UntilAborted {
    type Output = AbortError;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<AbortError> {
        self.promise.poll(context)
    }
}

impl fmt::Debug for UntilAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilAborted").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`AbortSignal::abortable`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Abortable<F> {
        #[pin]
        future: Option<F>,
        aborted: UntilAborted,
    }
}

impl<F: Future> Future for Abortable<F> {
    type Output = Result<F::Output, AbortError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut()
            && let Poll::Ready(output) = future.poll(context)
        {
            this.future.set(None);
            return Poll::Ready(Ok(output));
        }
        let aborted = Pin::new(this.aborted).poll(context);
        if aborted.is_ready() {
            this.future.set(None);
        }
        aborted.map(Err)
    }
}

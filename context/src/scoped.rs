//! A frame and flow of its own inside another flow: the ground of `scope` and `Snapshot`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::flow::Flow;
use crate::frame::Frame;
use crate::run::LeavePollHook;

impl Flow {
    /// Runs `f` in this flow, under the current resource, and keeps what it changed.
    #[inline(always)]
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter(|| {
            let _leave = LeavePollHook::enter();
            f()
        })
    }
}

pin_project! {
    /// A future with a frame of its own: see [`AsyncLocalStorage::scope`] and
    /// [`Snapshot::scope`].
    ///
    /// Each poll, and the drop of the inner future, runs in the frame; between polls the frame
    /// keeps what the future has changed. The execution id stays that of the polling task.
    ///
    /// [`AsyncLocalStorage::scope`]: crate::AsyncLocalStorage::scope
    /// [`Snapshot::scope`]: crate::Snapshot::scope
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        branch: Flow,
        // `None` only while the drop is at work.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.branch.run(|| this.future.set(None));
        }
    }
}

impl<F> Scoped<F> {
    /// A flow of its own for `future`, starting from `frame`.
    pub(crate) fn new(frame: Frame, future: F) -> Self {
        Scoped { branch: Flow::new(frame, 0), future: Some(future) }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    // Scopes nest; a call per level costs more than the change of flow.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("present until the drop");
        this.branch.enter_poll(Pin::new(&mut Hooked(future)), cx)
    }
}

/// A future that is polled within the poll hook of its flow.
struct Hooked<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for Hooked<'_, F> {
    type Output = F::Output;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _leave = LeavePollHook::enter();
        self.0.as_mut().poll(cx)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("frame", &self.branch.frame.get()).finish_non_exhaustive()
    }
}

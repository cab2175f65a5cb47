//! A frame and flow of its own inside another flow: the ground of `scope` and `Snapshot`.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::activation::FlowBits;
use crate::current::{settle, with_current};
use crate::frame::Frame;
use crate::run::LeavePollHook;

/// A frame with the number of the flow that lives in it.
pub(crate) struct Branch {
    frame: Frame,
    flow: FlowBits,
}

impl Branch {
    /// A new flow that starts from `frame`.
    #[inline]
    pub(crate) fn new(frame: Frame) -> Branch {
        Branch { frame, flow: FlowBits::default() }
    }

    /// Runs `f` in this flow, under the current resource, and keeps what it changed. In a
    /// thread-local destructor the stores are unset, as everywhere there.
    #[inline(always)]
    pub(crate) fn run<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let _running = self.enter();
        f()
    }

    /// As [`run`](Self::run), until the end of the block: a closure would be one more call.
    #[inline(always)]
    fn enter(&mut self) -> Running<'_> {
        let exchange = Exchange::begin(self);
        Running { _leave: LeavePollHook::enter(), _exchange: exchange }
    }

    /// Swaps the branch with the current flow.
    #[inline(always)]
    fn exchange(&mut self) {
        with_current(|host| host.exchange(&mut self.frame, &mut self.flow));
    }
}

impl Drop for Branch {
    #[inline]
    fn drop(&mut self) {
        mem::take(&mut self.frame).end_flow(self.flow.flow());
    }
}

/// A branch while it runs. Never leaves the function that made it.
struct Running<'a> {
    _leave: LeavePollHook,
    _exchange: Exchange<'a>,
}

/// Swaps the branch with the current flow, and back on drop: entering is scoped, so the current
/// activation is then the same again.
struct Exchange<'a>(Option<&'a mut Branch>);

impl<'a> Exchange<'a> {
    #[inline(always)]
    fn begin(branch: &'a mut Branch) -> Self {
        if !settle() {
            return Exchange(None);
        }
        branch.exchange();
        Exchange(Some(branch))
    }
}

impl Drop for Exchange<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(branch) = &mut self.0 {
            branch.exchange();
        }
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
        branch: Branch,
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
        Scoped { branch: Branch::new(frame), future: Some(future) }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    // Scopes nest; a call per level costs more than the exchange.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("present until the drop");
        let _running = this.branch.enter();
        future.poll(cx)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("frame", &self.branch.frame).finish_non_exhaustive()
    }
}

//! A frame and flow of its own inside another flow: the ground of `scope` and `Snapshot`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::activation::{Activation, FlowBits};
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

    /// Runs `f` in this flow, under the current resource, and keeps what it changed.
    #[inline]
    pub(crate) fn run<R>(&mut self, f: impl FnOnce() -> R) -> R {
        if !settle() {
            return self.run_at_thread_exit(f);
        }
        with_current(|host| {
            let _exchange = Exchange::begin(self, host);
            let _leave = LeavePollHook::enter();
            f()
        })
    }

    /// The current activation must not be written any more: take one on the stack.
    #[cold]
    fn run_at_thread_exit<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let host = Activation::root(Frame::empty());
        host.exchange(&mut self.frame, &mut self.flow);
        let result = host.run_silent(f);
        host.exchange(&mut self.frame, &mut self.flow);
        result
    }
}

/// Swaps the branch with the host's flow, and back on drop.
struct Exchange<'a> {
    branch: &'a mut Branch,
    host: &'a Activation,
}

impl<'a> Exchange<'a> {
    #[inline]
    fn begin(branch: &'a mut Branch, host: &'a Activation) -> Self {
        host.exchange(&mut branch.frame, &mut branch.flow);
        Exchange { branch, host }
    }
}

impl Drop for Exchange<'_> {
    #[inline]
    fn drop(&mut self) {
        self.host.exchange(&mut self.branch.frame, &mut self.branch.flow);
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

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("present until the drop");
        this.branch.run(|| future.poll(cx))
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("frame", &self.branch.frame).finish_non_exhaustive()
    }
}

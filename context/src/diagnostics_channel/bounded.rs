//! `BoundedChannel`: the start and the end of something.

use std::fmt;

use super::channel::{Channel, StoresGuard};

/// Two channels for the start and the end of something synchronous: Node's `BoundedChannel`.
///
/// The stores bound to `start` are set in between. It has no notion of errors: the end is
/// published after a panic as well.
///
/// ```
/// use lunation_context::diagnostics_channel::{BoundedChannel, bounded_channel};
///
/// static RENDER: BoundedChannel<&str> = bounded_channel!("shop.render");
///
/// let _start = RENDER.start().subscribe(|page, _| assert_eq!(*page, "home"));
/// assert_eq!(RENDER.end().name(), "tracing:shop.render:end");
/// assert_eq!(RENDER.run(&"home", || 200), 200);
/// ```
#[derive(Debug)]
pub struct BoundedChannel<M: ?Sized + 'static> {
    start: Channel<M>,
    end: Channel<M>,
}

/// A [`BoundedChannel`](crate::diagnostics_channel::BoundedChannel) with Node's names for its
/// channels: `tracing:NAME:start` and `tracing:NAME:end`. For a `static`.
#[macro_export]
macro_rules! bounded_channel {
    ($name:literal) => {
        $crate::diagnostics_channel::BoundedChannel::from_channels(
            $crate::diagnostics_channel::Channel::new(concat!("tracing:", $name, ":start")),
            $crate::diagnostics_channel::Channel::new(concat!("tracing:", $name, ":end")),
        )
    };
}

pub use bounded_channel;

impl<M: ?Sized + 'static> BoundedChannel<M> {
    /// Of two channels of any names; `bounded_channel!` gives them Node's.
    pub const fn from_channels(start: Channel<M>, end: Channel<M>) -> Self {
        BoundedChannel { start, end }
    }

    /// The channel of the start, to which stores are bound.
    pub const fn start(&self) -> &Channel<M> {
        &self.start
    }

    /// The channel of the end.
    pub const fn end(&self) -> &Channel<M> {
        &self.end
    }

    /// Whether one of the two has subscribers or bound stores on this thread.
    #[inline]
    pub fn has_subscribers(&self) -> bool {
        self.start.has_subscribers() || self.end.has_subscribers()
    }

    /// Sets the stores bound to `start`, publishes the start, calls `f`, publishes the end, also
    /// on unwind, and resets the stores.
    ///
    /// Without subscribers at the start it only calls `f`: the end of what has begun unseen is
    /// not told.
    #[track_caller]
    #[inline]
    pub fn run<R>(&self, message: &M, f: impl FnOnce() -> R) -> R {
        let _bounds = self.enter(message);
        f()
    }

    /// [`run`](Self::run) for the rest of a block, also across `.await`: the end comes with the
    /// guard's drop. Node's `withScope`.
    ///
    /// The guard belongs to the flow that calls this: see
    /// [`AsyncLocalStorage::enter`](crate::AsyncLocalStorage::enter).
    #[track_caller]
    #[inline]
    pub fn enter<'a>(&'a self, message: &'a M) -> BoundedGuard<'a, M> {
        if !self.has_subscribers() {
            return BoundedGuard { end: None, stores: StoresGuard::new() };
        }
        let stores = self.start.enter_stores(message);
        BoundedGuard { end: Some((&self.end, message)), stores }
    }
}

/// Publishes the end when it is dropped: see [`BoundedChannel::enter`].
#[must_use = "the end is published when the guard is dropped"]
pub struct BoundedGuard<'a, M: ?Sized + 'static> {
    end: Option<(&'a Channel<M>, &'a M)>,
    /// Dropped after the end was published.
    stores: StoresGuard,
}

impl<M: ?Sized + 'static> BoundedGuard<'_, M> {
    /// Publishes the end now, and leaves the stores set until the flow ends.
    pub(super) fn end_but_keep_stores(mut self) {
        let stores = std::mem::replace(&mut self.stores, StoresGuard::new());
        stores.keep();
    }
}

impl<M: ?Sized + 'static> Drop for BoundedGuard<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if let Some((end, message)) = self.end.take() {
            end.publish(message);
        }
    }
}

impl<M: ?Sized + 'static> fmt::Debug for BoundedGuard<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedGuard").field("stores", &self.stores).finish_non_exhaustive()
    }
}

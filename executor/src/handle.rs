//! Reaching a loop from elsewhere.

use crate::current;
use crate::task::inbox::Message;
use crate::task::queue::Core;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Reaches a runtime from any thread. Tokio: `Handle`, libuv: `uv_async_t`.
///
/// Nothing of it blocks. After the end of the runtime what is posted is dropped unrun.
#[derive(Clone)]
pub struct Handle {
    core: Arc<Core>,
}

impl Handle {
    pub(crate) fn new(core: Arc<Core>) -> Handle {
        Handle { core }
    }

    /// The handle of the runtime that this thread is inside of.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn current() -> Handle {
        Handle::new(current::current().core.clone())
    }

    /// Calls `callback` on the loop's thread, in the poll phase, in the order of the posts of one
    /// thread.
    ///
    /// It runs as a resource that the loop itself triggered (trigger id 0), with the empty
    /// context. A waiting post does not by itself keep [`Runtime::run_to_idle`] going before it
    /// has been sent: see [`Handle::keep_alive`].
    ///
    /// [`Runtime::run_to_idle`]: crate::Runtime::run_to_idle
    pub fn post(&self, callback: impl FnOnce() + Send + 'static) {
        self.core.send_remote(Message::Post(Box::new(callback)));
    }

    /// Spawns on the loop's thread what `make` returns there; the future need not be `Send`. It is
    /// detached, in the empty context. Tokio: `LocalPoolHandle::spawn_pinned`.
    pub fn spawn_with<F: Future + 'static>(&self, make: impl FnOnce() -> F + Send + 'static) {
        self.post(move || drop(crate::spawn::spawn_detached(make())));
    }

    /// Keeps [`Runtime::run_to_idle`](crate::Runtime::run_to_idle) going until it is dropped.
    pub fn keep_alive(&self) -> KeepAlive {
        self.core.keep_alive.fetch_add(1, Ordering::AcqRel);
        KeepAlive { core: self.core.clone() }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("closed", &self.core.inbox.is_closed()).finish()
    }
}

/// What [`Handle::keep_alive`] returns.
#[must_use = "it keeps the loop alive until it is dropped"]
pub struct KeepAlive {
    core: Arc<Core>,
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.core.keep_alive.fetch_sub(1, Ordering::AcqRel);
        // The loop may be blocked with nothing else to wait for.
        self.core.send_remote(Message::Nudge);
    }
}

impl fmt::Debug for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeepAlive")
    }
}

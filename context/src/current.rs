//! The current pointer: which activation is running on this thread.
//!
//! Rules the `SAFETY` comments cite:
//! 1. *Never null*: it points at the read-only static root, at the thread's own root, or at an
//!    activation that is being entered.
//! 2. *Closure-scoped*: [`Activation::enter`] borrows the activation until it has put the former
//!    pointer back, also on unwind. So the pointee outlives everything that runs meanwhile.
//! 3. *The static root is never written*: it is shared by all threads. Every change of a current
//!    activation comes after [`settle`] has answered true.
#![allow(unsafe_code, reason = "the current pointer is dereferenced here")]

use std::cell::Cell;
use std::ptr;

use crate::activation::Activation;
use crate::frame::Frame;
use crate::id::AsyncId;
use crate::info::ResourceRef;

/// The root of every thread until it writes a store.
struct StaticRoot(Activation);

// SAFETY: rule 3: its cells are only read, so sharing it is sharing constants.
unsafe impl Sync for StaticRoot {}

static STATIC_ROOT: StaticRoot = StaticRoot(Activation::fixed(AsyncId::ROOT));

/// Owns a thread's own root.
struct RootOwner(Cell<Option<ptr::NonNull<Activation>>>);

thread_local! {
    static CURRENT: Cell<*const Activation> = const { Cell::new(&raw const STATIC_ROOT.0) };
    static ROOT: RootOwner = const { RootOwner(Cell::new(None)) };
}

impl Drop for RootOwner {
    fn drop(&mut self) {
        let Some(root) = self.0.take() else { return };
        // From here on reads answer unset and writes are dropped.
        CURRENT.set(&raw const STATIC_ROOT.0);
        // SAFETY: made by `Box::into_raw` in `install`. Thread-local destructors run outside of
        // every `enter`, or inside of `process::exit`, which never returns there: after the line
        // above nobody follows a pointer to it.
        drop(unsafe { Box::from_raw(root.as_ptr()) });
    }
}

/// Calls `f` with the current activation, which `f` must only read unless [`settle`]d.
#[inline(always)]
pub(crate) fn with_current<R>(f: impl FnOnce(&Activation) -> R) -> R {
    // Not by `LocalKey::with`: a large closure would not be inlined into it.
    let current = CURRENT.get();
    // SAFETY: rules 1 and 2: the pointee is alive for as long as anything runs in it.
    f(unsafe { &*current })
}

/// Makes sure that the current activation may be changed; false if the thread is exiting.
#[inline]
pub(crate) fn settle() -> bool {
    !ptr::eq(CURRENT.get(), &STATIC_ROOT.0) || install()
}

#[cold]
#[inline(never)]
fn install() -> bool {
    ROOT.try_with(|owner| {
        let root = Box::into_raw(Box::new(Activation::fixed(AsyncId::ROOT)));
        // The static root was current, so this thread has no root yet: see `RootOwner::drop`.
        owner.0.set(ptr::NonNull::new(root));
        CURRENT.set(root);
    })
    .is_ok()
}

/// Calls `f` with the current activation, to change it; `None` if the thread is exiting.
#[inline]
pub(crate) fn with_settled<R>(f: impl FnOnce(&Activation) -> R) -> Option<R> {
    if settle() { Some(with_current(f)) } else { None }
}

/// Puts the former pointer back.
struct Restore(*const Activation);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl Activation {
    /// Runs `f` with this activation current, and the former one again afterwards, also on
    /// unwind. No hook sees it: this is for drops and for making futures; see `run`.
    #[inline]
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _restore = Restore(CURRENT.replace(self));
        f()
    }
}

/// The id of the running resource: Node's `executionAsyncId()`. 1 outside of a runtime.
#[inline]
pub fn execution_async_id() -> AsyncId {
    with_current(Activation::id)
}

/// The id of the resource that caused the running one: Node's `triggerAsyncId()`.
#[inline]
pub fn trigger_async_id() -> AsyncId {
    with_current(Activation::trigger_id)
}

/// The running resource: Node's `executionAsyncResource()`.
///
/// At the top level that is the thread's root; extensions attached to it stay until the thread
/// ends.
pub fn execution_async_resource() -> ResourceRef {
    with_settled(Activation::resource)
        .unwrap_or_else(|| Activation::fixed(AsyncId::ROOT).resource())
}

impl Frame {
    /// The current frame with everything in it, as `Snapshot` takes it.
    #[inline]
    pub fn capture() -> Frame {
        with_current(|current| current.frame.get())
    }
}

//! The current pointers: which activation is running on this thread, and in which flow.
//!
//! Rules the `SAFETY` comments cite:
//! 1. *Never null*: they point at the read-only static root, at the thread's own root, or at what
//!    is being entered.
//! 2. *Scoped*: [`Activation::enter`] and [`Flow::enter`] borrow what they enter until the former
//!    pointers, or those of the base, are back, also on unwind. So the pointee outlives everything
//!    that runs meanwhile. The base was current when `with_base` was called, which has not
//!    returned.
//! 3. *The static root is never written*: it is shared by all threads. Every change of a current
//!    flow comes after [`settle`] has answered true, and of a current activation after
//!    [`settle_activation`] has, with no user code in between.
//!
//! The flow is that of the activation, or of a branch that runs in it: entering a branch is
//! exchanging this pointer.
//!
//! A loop runs one resource after the other, and between them what was current when it began. It
//! makes that the thread's *base* ([`with_base`]), so that no run has to remember it.
#![allow(unsafe_code, reason = "the current pointer is dereferenced here")]

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use crate::activation::Activation;
use crate::boxes::ValueRef;
use crate::flow::Flow;
use crate::frame::Frame;
use crate::id::AsyncId;
use crate::info::ResourceRef;
use crate::value::Draft;

/// The root of every thread until it writes a store.
struct StaticRoot(Activation);

// SAFETY: rule 3: its cells are only read, so sharing it is sharing constants.
unsafe impl Sync for StaticRoot {}

static STATIC_ROOT: StaticRoot = StaticRoot(Activation::fixed(AsyncId::ROOT));

/// Owns a thread's own root.
struct RootOwner(Cell<Option<ptr::NonNull<Activation>>>);

/// An activation, and the flow of it that runs.
struct Pointers {
    activation: Cell<*const Activation>,
    flow: Cell<*const Flow>,
}

impl Pointers {
    /// To the static root.
    const fn root() -> Pointers {
        Pointers {
            activation: Cell::new(&raw const STATIC_ROOT.0),
            flow: Cell::new(&raw const STATIC_ROOT.0.flow),
        }
    }

    #[inline]
    fn set(&self, activation: *const Activation, flow: *const Flow) {
        self.activation.set(activation);
        self.flow.set(flow);
    }

    #[inline]
    fn copy(&self, other: &Pointers) {
        self.set(other.activation.get(), other.flow.get());
    }
}

thread_local! {
    static CURRENT: Pointers = const { Pointers::root() };
    static BASE: Pointers = const { Pointers::root() };
    static ROOT: RootOwner = const { RootOwner(Cell::new(None)) };
}

impl Drop for RootOwner {
    fn drop(&mut self) {
        let Some(root) = self.0.take() else { return };
        // From here on reads answer unset and writes are dropped.
        CURRENT.with(|current| current.copy(&Pointers::root()));
        BASE.with(|base| base.copy(&Pointers::root()));
        // SAFETY: made by `Box::into_raw` in `root`. Thread-local destructors run outside of
        // every `enter`, or inside of `process::exit`, which never returns there: after the line
        // above nobody follows a pointer to it.
        drop(unsafe { Box::from_raw(root.as_ptr()) });
    }
}

/// Calls `f` with the current activation, which `f` must only read unless
/// [`settle_activation`] has answered true.
#[inline(always)]
pub(crate) fn with_current<R>(f: impl FnOnce(&Activation) -> R) -> R {
    // Not inside of `LocalKey::with`: a large closure would not be inlined into it.
    let current = CURRENT.with(|current| current.activation.get());
    // SAFETY: rules 1 and 2: the pointee is alive for as long as anything runs in it.
    f(unsafe { &*current })
}

/// Calls `f` with the current flow, which `f` must only read unless [`settle`]d.
#[inline(always)]
pub(crate) fn with_flow<R>(f: impl FnOnce(&Flow) -> R) -> R {
    let current = CURRENT.with(|current| current.flow.get());
    // SAFETY: rules 1 and 2, as above.
    f(unsafe { &*current })
}

/// Makes sure that the current flow may be changed; false if the thread is exiting.
#[inline]
pub(crate) fn settle() -> bool {
    with_flow(|flow| !ptr::eq(flow, &STATIC_ROOT.0.flow)) || install()
}

/// Makes sure that the current activation may be changed; false if the thread is exiting.
fn settle_activation() -> bool {
    with_current(|current| !ptr::eq(current, &STATIC_ROOT.0)) || install()
}

/// Puts the thread's own root, made now if need be, where the static one is current.
#[cold]
#[inline(never)]
fn install() -> bool {
    let installed = ROOT.try_with(|owner| {
        let make = || ptr::NonNull::from(Box::leak(Box::new(Activation::fixed(AsyncId::ROOT))));
        let root = owner.0.get().unwrap_or_else(make);
        owner.0.set(Some(root));
        CURRENT.with(|current| {
            if ptr::eq(current.activation.get(), &STATIC_ROOT.0) {
                current.activation.set(root.as_ptr());
            }
            if ptr::eq(current.flow.get(), &STATIC_ROOT.0.flow) {
                // SAFETY: just made, or alive until the thread ends.
                current.flow.set(unsafe { &raw const (*root.as_ptr()).flow });
            }
        });
    });
    installed.is_ok()
}

/// Calls `f` with the current flow, to change it; `None` if the thread is exiting.
#[inline]
pub(crate) fn with_settled<R>(f: impl FnOnce(&Flow) -> R) -> Option<R> {
    if settle() { Some(with_flow(f)) } else { None }
}

/// Puts the former pointers back.
struct Restore {
    activation: *const Activation,
    flow: *const Flow,
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.activation.set(self.activation);
            current.flow.set(self.flow);
        });
    }
}

impl Activation {
    /// Runs `f` with this activation current, and the former one again afterwards, also on
    /// unwind. No hook sees it: this is for drops and for making futures; see `run`.
    #[inline]
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _restore = CURRENT.with(|current| Restore {
            activation: current.activation.replace(self),
            flow: current.flow.replace(&self.flow),
        });
        f()
    }
}

/// Puts the former base back.
struct RestoreBase(Pointers);

impl Drop for RestoreBase {
    #[inline]
    fn drop(&mut self) {
        BASE.with(|base| base.copy(&self.0));
    }
}

/// Calls `f` with what is current now as the base: that to which [`Activation::run_on_base`]
/// returns. For a loop, which runs its resources there and nowhere else.
pub fn with_base<R>(f: impl FnOnce() -> R) -> R {
    // What is set in the base must be there after the next run: it cannot be the static root.
    settle();
    settle_activation();
    let restore = RestoreBase(Pointers::root());
    BASE.with(|base| {
        restore.0.copy(base);
        CURRENT.with(|current| base.copy(current));
    });
    f()
}

fn is_on_base() -> bool {
    CURRENT.with(|current| BASE.with(|base| ptr::eq(current.flow.get(), base.flow.get())))
}

/// Puts the base back.
struct ReturnToBase;

impl Drop for ReturnToBase {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| BASE.with(|base| current.copy(base)));
    }
}

impl Activation {
    /// [`enter`](Self::enter) from the base.
    #[inline]
    pub(crate) fn enter_on_base<R>(&self, f: impl FnOnce() -> R) -> R {
        debug_assert!(is_on_base(), "run_on_base is for the loop inside of with_base alone");
        CURRENT.with(|current| current.set(self, &self.flow));
        let _return = ReturnToBase;
        f()
    }
}

/// Puts the former flow back.
struct RestoreFlow(*const Flow);

impl Drop for RestoreFlow {
    #[inline(always)]
    fn drop(&mut self) {
        CURRENT.with(|current| current.flow.set(self.0));
    }
}

impl Flow {
    /// Runs `f` in this flow, of the same activation, and then in the former one again, also on
    /// unwind.
    #[inline(always)]
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let _restore = RestoreFlow(CURRENT.with(|current| current.flow.replace(self)));
        f()
    }

    /// Sets the base value of a storage in the current flow, or that of its youngest entry.
    #[inline]
    pub(crate) fn set_in_current<T: 'static>(index: usize, value: Draft<T>) -> Option<ValueRef> {
        // The static root has no frame, so that this does nothing there.
        match with_flow(|flow| flow.frame.fill(index, value)) {
            Ok(()) => None,
            Err(value) => Flow::overwrite_in_current(index, value.seal(None)),
        }
    }

    #[inline(never)]
    fn overwrite_in_current(index: usize, value: ValueRef) -> Option<ValueRef> {
        with_settled(|flow| flow.frame.overwrite(index, value, flow.number())).flatten()
    }

    /// Puts an entry into the current flow, which [`settle`] has answered for.
    #[inline]
    pub(crate) fn push_to_current<T: 'static>(index: usize, value: Draft<T>) -> Option<ValueRef> {
        let current = CURRENT.with(|current| current.flow.get());
        // SAFETY: rules 1 and 2. Not by `with_flow`: as a closure it would not be inlined.
        unsafe { &*current }.frame.push(index, value)
    }

    /// [`enter`](Self::enter) for a poll: as a closure it would not be inlined.
    #[inline(always)]
    pub(crate) fn enter_poll<F: Future>(
        &self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let _restore = RestoreFlow(CURRENT.with(|current| current.flow.replace(self)));
        future.poll(cx)
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
    if settle_activation() {
        with_current(Activation::resource)
    } else {
        Activation::fixed(AsyncId::ROOT).resource()
    }
}

impl Frame {
    /// The current frame with everything in it, as `Snapshot` takes it.
    #[inline]
    pub fn capture() -> Frame {
        with_flow(|flow| flow.frame.get())
    }
}

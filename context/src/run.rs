//! The life of a flow: created, run with its hook events, ended.

use std::panic::Location;

use crate::activation::Activation;
use crate::current::with_current;
use crate::frame::Frame;
use crate::hooks;
use crate::id::{AsyncId, next_async_id};
use crate::kind::ResourceKind;
use crate::poll_hook::{enter_poll_hook, leave_poll_hook};

impl Activation {
    /// Creates a resource in the current context: it inherits the current frame, its trigger is
    /// the running resource, and the `init` hooks run.
    #[inline]
    pub fn create(kind: ResourceKind, site: &'static Location<'static>) -> Activation {
        // `Inherit::Map` runs here, before the resource has an id.
        Activation::create_with(kind, site, None, Frame::inherit())
    }

    /// [`create`](Self::create) with a given trigger (`None`: the running resource) and frame
    /// (`Frame::empty()`: detached).
    #[inline]
    pub fn create_with(
        kind: ResourceKind,
        site: &'static Location<'static>,
        trigger: Option<AsyncId>,
        frame: Frame,
    ) -> Activation {
        let created = Activation::prepare_with(kind, site, trigger, frame);
        created.announce();
        created
    }

    /// [`create_with`](Self::create_with) without the hooks: [`announce`](Self::announce) must
    /// follow, when the activation stands where it stays. Until then it can be made right there, in
    /// registers.
    #[inline]
    pub fn prepare_with(
        kind: ResourceKind,
        site: &'static Location<'static>,
        trigger: Option<AsyncId>,
        frame: Frame,
    ) -> Activation {
        let execution = with_current(Activation::id);
        let trigger = trigger.unwrap_or(execution);
        let created = Activation::assemble(next_async_id(), trigger, kind, frame, site);
        if let ResourceKind::User(_) = kind { described(created, kind) } else { created }
    }

    /// Runs the `init` hooks for a prepared resource.
    #[inline]
    pub fn announce(&self) {
        if hooks::expecting() {
            hooks::emit_init(self);
        }
    }

    /// Runs a poll or a callback of the resource: [`enter`](Self::enter), with `before` and
    /// `after` events around it (`after` also on unwind), and with the frame's poll hook.
    #[inline]
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter(|| self.observe::<false, R>(f))
    }

    /// [`run`](Self::run) by a loop, which does nothing else: afterwards its base is current (see
    /// [`with_base`](crate::with_base)). For where it is current already; debug builds panic
    /// elsewhere.
    #[inline]
    pub fn run_on_base<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter_on_base(|| self.observe::<false, R>(f))
    }

    /// [`run_on_base`](Self::run_on_base) and then [`end`](Self::end).
    #[inline]
    pub fn run_last_on_base<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter_on_base(|| self.observe::<true, R>(f))
    }

    /// Calls `f` with its events around it. LAST: the resource ends with it.
    #[inline]
    fn observe<const LAST: bool, R>(&self, f: impl FnOnce() -> R) -> R {
        if hooks::observed() {
            self.arrive();
        }
        // Looked at again at the end: a hook enabled by `f` gets this `after` (Node D.4).
        let _depart = Depart::<LAST>(self);
        f()
    }

    /// [`run`](Self::run) without `before` and `after`: for drops of futures and values.
    #[inline]
    pub fn run_silent<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter(|| {
            let _leave = LeavePollHook::enter();
            f()
        })
    }

    #[cold]
    #[inline(never)]
    fn arrive(&self) {
        hooks::emit_before(self);
        if hooks::has_poll_hooks() {
            enter_poll_hook();
        }
    }

    #[cold]
    #[inline(never)]
    fn depart<const LAST: bool>(&self) {
        if hooks::has_poll_hooks() {
            leave_poll_hook();
        }
        hooks::emit_after(self);
        if LAST {
            self.end();
        }
    }

    /// A task has completed and ended: `promise_resolve`, then [`end`](Self::end).
    #[inline]
    pub fn resolve_and_end(&self) {
        if hooks::enabled() {
            hooks::resolve_and_end(self);
        }
    }

    /// The resource has ended: queues `destroy` if a hook is enabled. Runs no user code.
    #[inline]
    pub fn end(&self) {
        if hooks::enabled() {
            hooks::end(self);
        }
    }
}

// The rare part of a creation, by value so that the common one builds the result in place.

#[cold]
#[inline(never)]
fn described(created: Activation, kind: ResourceKind) -> Activation {
    created.describe_as(kind);
    created
}

struct Depart<'a, const LAST: bool>(&'a Activation);

impl<const LAST: bool> Drop for Depart<'_, LAST> {
    #[inline]
    fn drop(&mut self) {
        if hooks::observed() {
            self.0.depart::<LAST>();
        }
    }
}

/// Leaves the poll hook of the frame that is current then.
pub(crate) struct LeavePollHook(());

impl LeavePollHook {
    /// Enters the current frame's poll hook.
    #[inline]
    pub(crate) fn enter() -> LeavePollHook {
        if hooks::has_poll_hooks() {
            enter_poll_hook();
        }
        LeavePollHook(())
    }
}

impl Drop for LeavePollHook {
    #[inline]
    fn drop(&mut self) {
        if hooks::has_poll_hooks() {
            leave_poll_hook();
        }
    }
}

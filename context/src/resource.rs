//! `Resource`: an identity that is entered several times, or kept outside of a cell.

use std::cell::Cell;
use std::panic::Location;

use crate::activation::Activation;
use crate::current::with_current;
use crate::frame::Frame;
use crate::hooks;
use crate::id::AsyncId;
use crate::info::ResourceRef;
use crate::kind::ResourceKind;
use crate::transfer::TransferSnapshot;

/// A resource with the frame it captured: a timer, an immediate, a socket, a bound function.
///
/// It is never current itself: each call runs under an activation of its own, so the changes
/// of one call do not reach the next, and it may be called while it is being called.
#[derive(Debug)]
pub struct Resource {
    /// Holds the identity and the captured frame; never entered.
    identity: Activation,
    destroyed: Cell<bool>,
}

impl Resource {
    /// Creates a resource in the current context, as [`Activation::create`] does.
    pub fn create(kind: ResourceKind, site: &'static Location<'static>) -> Resource {
        let created = Resource::prepare(kind, site);
        created.announce();
        created
    }

    /// [`create`](Self::create) without the hooks: [`announce`](Self::announce) must follow, when
    /// the resource stands where it stays. Until then it can be made right there.
    #[inline]
    pub fn prepare(kind: ResourceKind, site: &'static Location<'static>) -> Resource {
        let identity = Activation::prepare_with(kind, site, None, Frame::inherit());
        Resource { identity, destroyed: Cell::new(false) }
    }

    /// Runs the `init` hooks for a prepared resource.
    #[inline]
    pub fn announce(&self) {
        self.identity.announce();
    }

    /// [`create`](Self::create) with a given trigger (`None`: the running resource) and frame.
    pub fn create_with(
        kind: ResourceKind,
        site: &'static Location<'static>,
        trigger: Option<AsyncId>,
        frame: Frame,
    ) -> Resource {
        let identity = Activation::create_with(kind, site, trigger, frame);
        Resource { identity, destroyed: Cell::new(false) }
    }

    /// Runs one call in the captured frame, with `before` and `after`.
    pub fn call<R>(&self, f: impl FnOnce() -> R) -> R {
        self.activation().run(f)
    }

    /// [`call`](Self::call) that moves the captured frame into the call: afterwards the resource
    /// holds none. For what runs once; nothing needs a copy then.
    #[inline]
    pub fn call_once<R>(&self, f: impl FnOnce() -> R) -> R {
        let call = self.identity.sibling(self.identity.take_frame());
        let _keep = KeepInfo { resource: self, call: &call };
        call.run(f)
    }

    /// Runs `f` in the captured frame without telling the hooks: for dropping what belongs to the
    /// resource.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.activation().run_silent(f)
    }

    /// A new flow of this resource in the captured frame, for a future that keeps it between its
    /// polls.
    pub fn activation(&self) -> Activation {
        // Made now, so that all flows of the resource share it.
        let _info = self.resource();
        self.identity.sibling(self.identity.flow.frame.get())
    }

    /// One call of this resource on another thread: its ids, and clones of what the captured frame
    /// holds for transferable storages. No hook sees it: hooks belong to the resource's thread.
    pub fn remote(&self) -> RemoteCall {
        let (id, trigger, kind) = (self.id(), self.trigger_id(), self.kind());
        RemoteCall {
            id,
            trigger,
            kind,
            site: self.site(),
            stores: TransferSnapshot::of(&self.frame()),
        }
    }

    /// Drops the captured frame now.
    pub fn release(&self) {
        self.identity.release();
    }

    /// The resource has ended: queues `destroy`, the first time only.
    pub fn destroy(&self) {
        if !self.destroyed.replace(true) {
            self.identity.end();
        }
    }

    /// The resource's id.
    #[inline]
    pub fn id(&self) -> AsyncId {
        self.identity.id()
    }

    /// The id of the resource that caused it.
    #[inline]
    pub fn trigger_id(&self) -> AsyncId {
        self.identity.trigger_id()
    }

    /// The kind.
    pub fn kind(&self) -> ResourceKind {
        self.identity.kind()
    }

    /// Where it was created.
    pub fn site(&self) -> &'static Location<'static> {
        self.identity.site()
    }

    /// A shareable reference to the resource; allocates at the first call.
    pub fn resource(&self) -> ResourceRef {
        if let (false, Some(running)) = (self.identity.is_described(), self.running_info()) {
            self.identity.origin.describe(|| running.0);
        }
        self.identity.resource()
    }

    /// The captured frame; empty after `call_once` or `release`.
    pub fn frame(&self) -> Frame {
        self.identity.flow.frame.get()
    }

    /// What `call_once` has made of it, when called inside of that.
    fn running_info(&self) -> Option<ResourceRef> {
        with_current(|current| (current.id() == self.id()).then(|| current.resource()))
    }
}

/// One call of a [`Resource`] on its way to another thread: see [`Resource::remote`].
#[derive(Debug)]
pub struct RemoteCall {
    id: AsyncId,
    trigger: AsyncId,
    kind: ResourceKind,
    site: &'static Location<'static>,
    stores: TransferSnapshot,
}

impl RemoteCall {
    /// Runs `f` on this thread as the resource: `execution_async_id` and `trigger_async_id` are
    /// those of the thread the resource was created on, transferable stores are set, all others
    /// unset. What `f` creates gets ids of this thread, and is silent; what it attaches to the
    /// running resource stays on this thread.
    pub fn run<R>(self, f: impl FnOnce() -> R) -> R {
        let RemoteCall { id, trigger, kind, site, stores } = self;
        let call = Activation::assemble(id, trigger, kind, stores.into_frame(), site);
        hooks::silence(&call);
        if let ResourceKind::User(_) = kind {
            call.describe_as(kind);
        }
        call.enter(f)
    }
}

/// Hands the description that the code inside of `call_once` has asked for to the resource.
struct KeepInfo<'a> {
    resource: &'a Resource,
    call: &'a Activation,
}

impl Drop for KeepInfo<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(info) = self.call.origin.description() {
            self.resource.identity.origin.describe(|| info);
        }
    }
}

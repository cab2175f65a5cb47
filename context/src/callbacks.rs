//! Callbacks for the life of resources.

use std::rc::Rc;

use crate::id::AsyncId;
use crate::info::ResourceRef;
use crate::kind::ResourceKind;

/// Callbacks for the life of async resources: Node's `createHook` object.
///
/// All are optional. `init` runs in the creator's context, `before` and `after` in the
/// resource's, `destroy` in the empty one with execution id 0. A panic in a callback is printed
/// and aborts the process.
pub trait AsyncHooks {
    /// A resource was created. It need not come to `before`.
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, resource: &ResourceRef) {
        let _ = (id, kind, trigger, resource);
    }

    /// The resource's code is about to run: a poll, or a callback.
    fn before(&self, id: AsyncId) {
        let _ = id;
    }

    /// The resource's code has returned, or is unwinding.
    fn after(&self, id: AsyncId) {
        let _ = id;
    }

    /// The resource has ended. Delivered later, in the check phase.
    fn destroy(&self, id: AsyncId) {
        let _ = id;
    }

    /// A task has completed.
    fn promise_resolve(&self, id: AsyncId) {
        let _ = id;
    }

    /// Whether these hooks get the events of tasks: Node's option `trackPromises`. Asked once, by
    /// [`create_hook`](crate::create_hook). With `false`, no event of a task comes,
    /// `promise_resolve` included; tasks keep their ids, and what they create tells them as its
    /// trigger.
    ///
    /// ```
    /// use lunation_context::{AsyncHooks, AsyncId, ResourceKind, ResourceRef, create_hook};
    ///
    /// struct Callbacks;
    /// impl AsyncHooks for Callbacks {
    ///     fn init(&self, _: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
    ///         assert_ne!(kind, ResourceKind::Task);
    ///     }
    ///
    ///     fn tracks_tasks(&self) -> bool {
    ///         false
    ///     }
    /// }
    /// create_hook(Callbacks).enable();
    /// ```
    fn tracks_tasks(&self) -> bool {
        true
    }
}

/// A set of callbacks.
pub(crate) struct Created<H: ?Sized = dyn AsyncHooks> {
    pub(crate) tracks_tasks: bool,
    pub(crate) hooks: H,
}

pub(crate) type Shared = Rc<Created>;

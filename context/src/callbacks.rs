//! Callbacks for the life of resources, and which of the enabled ones get which events.

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

/// Whose an event is: a task's, as most are, or another resource's. They get code of their own.
pub(crate) const TASK: bool = true;
pub(crate) const OTHER: bool = false;

/// A set of callbacks. The box is for quick calls: no offset has to be worked out from the type.
pub(crate) struct Created {
    pub(crate) tracks_tasks: bool,
    pub(crate) hooks: Box<dyn AsyncHooks>,
}

pub(crate) type Shared = Rc<Created>;

/// Several sets of callbacks as one.
struct Several(Vec<Shared>);

impl Several {
    fn each(&self, deliver: impl Fn(&dyn AsyncHooks)) {
        self.0.iter().for_each(|created| deliver(&*created.hooks));
    }
}

impl AsyncHooks for Several {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, resource: &ResourceRef) {
        self.each(|hooks| hooks.init(id, kind, trigger, resource));
    }

    fn before(&self, id: AsyncId) {
        self.each(|hooks| hooks.before(id));
    }

    fn after(&self, id: AsyncId) {
        self.each(|hooks| hooks.after(id));
    }

    fn destroy(&self, id: AsyncId) {
        self.each(|hooks| hooks.destroy(id));
    }

    fn promise_resolve(&self, id: AsyncId) {
        self.each(|hooks| hooks.promise_resolve(id));
    }
}

/// All of these as one; `None` if there are none.
fn unite(mut all: Vec<Shared>) -> Option<Shared> {
    if all.len() < 2 {
        return all.pop();
    }
    Some(Rc::new(Created { tracks_tasks: true, hooks: Box::new(Several(all)) }))
}

/// The enabled hooks, and who of them gets which events.
pub(crate) struct Enabled {
    /// In the order of enabling.
    pub(crate) all: Vec<Shared>,
    /// For the events of tasks.
    of_tasks: Option<Shared>,
    /// For those of other resources.
    of_others: Option<Shared>,
}

impl Enabled {
    pub(crate) const NONE: Enabled = Enabled { all: Vec::new(), of_tasks: None, of_others: None };

    pub(crate) fn new(all: Vec<Shared>) -> Enabled {
        let tracking = all.iter().filter(|created| created.tracks_tasks).cloned().collect();
        Enabled { of_tasks: unite(tracking), of_others: unite(all.clone()), all }
    }

    /// Who gets the events of tasks, or those of other resources.
    #[inline]
    pub(crate) fn wanting<const IS_TASK: bool>(&self) -> &Option<Shared> {
        if IS_TASK { &self.of_tasks } else { &self.of_others }
    }
}

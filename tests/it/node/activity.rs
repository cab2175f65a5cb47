//! The activity collector of Node's async-hooks tests: per id, what happened in which order.

use lunation::{AsyncHooks, AsyncId, Hook, ResourceKind, ResourceRef, create_hook};
use std::cell::RefCell;
use std::rc::Rc;

/// How often each event came: init, before, after, destroy, promise_resolve.
pub(crate) type Counts = [usize; 5];

pub(crate) const INIT: usize = 0;
pub(crate) const BEFORE: usize = 1;
pub(crate) const AFTER: usize = 2;
pub(crate) const DESTROY: usize = 3;
pub(crate) const RESOLVE: usize = 4;

/// The life of one resource.
#[derive(Clone)]
pub(crate) struct Activity {
    pub(crate) id: AsyncId,
    pub(crate) kind: ResourceKind,
    pub(crate) trigger: AsyncId,
    pub(crate) resource: ResourceRef,
    pub(crate) counts: Counts,
}

impl Activity {
    /// What must hold at any time: begun once, ended at most once, no event after the end.
    fn note(&mut self, event: usize) {
        let [_, before, after, destroy, _] = self.counts;
        assert_eq!(destroy, 0, "{}: an event after destroy", self.id);
        let is_open = before > after;
        assert!(event != AFTER || is_open, "{}: after without before", self.id);
        self.counts[event] += 1;
    }
}

/// Collects the activity of all resources, or of those of some kinds, created while enabled.
#[derive(Clone)]
pub(crate) struct Activities {
    found: Rc<RefCell<Vec<Activity>>>,
    hook: Rc<Hook>,
}

struct Collector {
    found: Rc<RefCell<Vec<Activity>>>,
}

impl Collector {
    fn note(&self, id: AsyncId, event: usize) {
        // Resources from before the hooks are nobody's concern.
        if let Some(activity) = self.found.borrow_mut().iter_mut().find(|it| it.id == id) {
            activity.note(event);
        }
    }
}

impl AsyncHooks for Collector {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, resource: &ResourceRef) {
        let mut found = self.found.borrow_mut();
        assert!(found.iter().all(|it| it.id != id), "{id}: init twice");
        let resource = resource.clone();
        found.push(Activity { id, kind, trigger, resource, counts: [1, 0, 0, 0, 0] });
    }

    fn before(&self, id: AsyncId) {
        self.note(id, BEFORE);
    }

    fn after(&self, id: AsyncId) {
        self.note(id, AFTER);
    }

    fn destroy(&self, id: AsyncId) {
        self.note(id, DESTROY);
    }

    fn promise_resolve(&self, id: AsyncId) {
        self.note(id, RESOLVE);
    }
}

impl Activities {
    /// A collector that is enabled.
    pub(crate) fn enabled() -> Self {
        let found = Rc::default();
        let hook = Rc::new(create_hook(Collector { found: Rc::clone(&found) }));
        hook.enable();
        Self { found, hook }
    }

    pub(crate) fn disable(&self) {
        self.hook.disable();
    }

    /// The resources of a kind, in the order of their creation.
    pub(crate) fn of(&self, kind: &str) -> Vec<Activity> {
        let found = self.found.borrow();
        found.iter().filter(|it| it.kind.as_str() == kind).cloned().collect()
    }

    /// The `nth` resource of a kind.
    pub(crate) fn nth(&self, kind: &str, nth: usize) -> Activity {
        self.of(kind).get(nth).unwrap_or_else(|| panic!("no {kind} number {nth}")).clone()
    }

    /// How often each event of the `nth` resource of a kind has come.
    pub(crate) fn counts(&self, kind: &str, nth: usize) -> Counts {
        self.nth(kind, nth).counts
    }

    /// Who has caused whom, of these kinds: `number:KIND`, and `<number` of the trigger if it is
    /// among them.
    pub(crate) fn graph(&self, kinds: &[&str]) -> String {
        let found = self.found.borrow();
        let known: Vec<_> = found.iter().filter(|it| kinds.contains(&it.kind.as_str())).collect();
        let place = |id| known.iter().position(|it| it.id == id).map(|place| place + 1);
        let lines = known.iter().zip(1..).map(|(it, number)| match place(it.trigger) {
            Some(trigger) => format!("{number}:{}<{trigger}", it.kind),
            None => format!("{number}:{}", it.kind),
        });
        lines.collect::<Vec<_>>().join(" ")
    }
}

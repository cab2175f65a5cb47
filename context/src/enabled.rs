//! The enabled hooks of a thread, and which of them get which events.
//!
//! The rule that the `SAFETY` comment cites: what `hearing` points at is a constant or belongs to
//! `owners`, and both are replaced together, while no emission is counted.
#![allow(unsafe_code, reason = "see the unsafe fence in ARCHITECTURE.md")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::activation::{OTHER, TASK, Voice};
use crate::callbacks::{AsyncHooks, Created, Shared};
use crate::id::AsyncId;
use crate::info::ResourceRef;
use crate::kind::ResourceKind;

/// In `emissions`: one that is under way.
const EMISSION: usize = 2;
/// In `emissions`: changes wait for the end of the outermost one.
const CHANGES: usize = 1;

/// Several sets of callbacks as one.
struct Several(Vec<Shared>);

impl Several {
    fn each(&self, deliver: impl Fn(&dyn AsyncHooks)) {
        self.0.iter().for_each(|created| deliver(&created.hooks));
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

struct Nobody;

impl AsyncHooks for Nobody {}

/// All of these as one; `None` if there are none.
fn unite(mut all: Vec<Shared>) -> Option<Shared> {
    if all.len() < 2 {
        return all.pop();
    }
    Some(Rc::new(Created { tracks_tasks: true, hooks: Several(all) }))
}

/// The enabled hooks of a thread. They stay as they are while an emission is under way: it reaches
/// them by a plain pointer.
pub(crate) struct Enabled {
    /// How many emissions are under way, nested ones included, and whether changes wait for them.
    emissions: Cell<usize>,
    /// By voice: who hears it. They belong to `owners`, or are nobody.
    hearing: [Cell<*const dyn AsyncHooks>; 4],
    owners: Cell<[Option<Shared>; 2]>,
    /// In the order of enabling.
    all: RefCell<Vec<Shared>>,
}

const NOBODY: *const dyn AsyncHooks = &Nobody;

impl Enabled {
    pub(crate) const fn none() -> Enabled {
        Enabled {
            emissions: Cell::new(0),
            hearing: [Cell::new(NOBODY), Cell::new(NOBODY), Cell::new(NOBODY), Cell::new(NOBODY)],
            owners: Cell::new([None, None]),
            all: RefCell::new(Vec::new()),
        }
    }

    /// In the order of enabling.
    pub(crate) fn all(&self) -> Vec<Shared> {
        self.all.borrow().clone()
    }

    /// Enables these instead and returns the former ones: their drop may run user code.
    ///
    /// # Panics
    /// No emission must be under way.
    pub(crate) fn replace(&self, all: Vec<Shared>) -> impl Sized + use<> {
        assert!(!self.is_emitting(), "hooks change between emissions");
        let tracking = all.iter().filter(|created| created.tracks_tasks).cloned().collect();
        let owners = [unite(tracking), unite(all.clone())];
        for (voice, owner) in [TASK, OTHER].into_iter().zip(&owners) {
            let hooks = owner.as_ref().map_or(NOBODY, |created| &raw const created.hooks);
            self.hearing[usize::from(voice)].set(hooks);
        }
        (self.owners.replace(owners), self.all.replace(all))
    }

    #[inline]
    pub(crate) fn is_emitting(&self) -> bool {
        self.emissions.get() >= EMISSION
    }

    /// Delivers an event to those that hear this voice. Returns whether more is to be seen to: an
    /// outer emission goes on, or changes have waited for this one.
    #[inline(always)]
    pub(crate) fn emit(&self, voice: Voice, deliver: impl FnOnce(&dyn AsyncHooks)) -> bool {
        self.emissions.set(self.emissions.get() + EMISSION);
        let hearing = self.hearing[usize::from(voice)].get();
        // SAFETY: the rule above: this emission is counted until `deliver` has returned, and for
        // ever if it unwinds.
        deliver(unsafe { &*hearing });
        self.emissions.set(self.emissions.get() - EMISSION);
        self.emissions.get() != 0
    }

    /// Changes are to be made when the outermost emission, which is under way, ends.
    pub(crate) fn note_changes(&self) {
        self.emissions.set(self.emissions.get() | CHANGES);
    }

    /// Whether changes are to be made now; says so once.
    pub(crate) fn take_changes(&self) -> bool {
        let now = self.emissions.get() == CHANGES;
        if now {
            self.emissions.set(0);
        }
        now
    }
}

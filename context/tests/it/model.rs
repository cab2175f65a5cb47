//! The restoring rule against a model, over random histories of flows, guards and captures.

use std::cell::Cell;
use std::panic::Location;
use std::rc::Rc;

use lunation_context::{
    Activation, AsyncLocalStorage, ResourceKind, Snapshot, StoreGuard, misplaced_guards,
};
use proptest::prelude::*;

const STORAGES: usize = 3;
const FLOWS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Enter {
        flow: usize,
        storage: usize,
        overwrite: bool,
    },
    /// Drops the guard at this position (modulo their number) in this flow.
    Leave {
        guard: usize,
        flow: usize,
    },
    /// Drops it in its own flow.
    LeaveAtHome {
        guard: usize,
    },
    EnterWith {
        flow: usize,
        storage: usize,
    },
    Capture {
        flow: usize,
    },
    Forget {
        snapshot: usize,
    },
    /// Ends flow `to`; a new one takes its place that starts from `from`.
    Spawn {
        from: usize,
        to: usize,
    },
    Disable {
        storage: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (flow, storage) = (0..FLOWS, 0..STORAGES);
    prop_oneof![
        4 => (flow.clone(), storage.clone(), any::<bool>())
            .prop_map(|(flow, storage, overwrite)| Step::Enter { flow, storage, overwrite }),
        1 => (any::<usize>(), flow.clone()).prop_map(|(guard, flow)| Step::Leave { guard, flow }),
        4 => any::<usize>().prop_map(|guard| Step::LeaveAtHome { guard }),
        3 => (flow.clone(), storage.clone())
            .prop_map(|(flow, storage)| Step::EnterWith { flow, storage }),
        2 => flow.clone().prop_map(|flow| Step::Capture { flow }),
        1 => any::<usize>().prop_map(|snapshot| Step::Forget { snapshot }),
        1 => (flow.clone(), flow).prop_map(|(from, to)| Step::Spawn { from, to }),
        1 => storage.prop_map(|storage| Step::Disable { storage }),
    ]
}

/// A value that knows its number and counts the living.
struct Numbered(u32, Rc<Cell<i32>>);

impl Drop for Numbered {
    fn drop(&mut self) {
        self.1.set(self.1.get() - 1);
    }
}

/// A value's number and the storage's epoch in which it was set.
type Set = Option<(u32, u32)>;

#[derive(Clone, Default)]
struct ModelSlot {
    base: Set,
    /// Number of the guard, and the value.
    entries: Vec<(u32, Set)>,
}

impl ModelSlot {
    fn top(&self) -> Set {
        self.entries.last().map_or(self.base, |(_, set)| *set)
    }
}

#[derive(Clone, Default)]
struct ModelFlow {
    number: u32,
    slots: [ModelSlot; STORAGES],
}

struct Held<'a> {
    guard: StoreGuard<'a, Numbered>,
    number: u32,
    place: usize,
    flow: u32,
    storage: usize,
}

struct World<'a> {
    storages: &'a [AsyncLocalStorage<Numbered>; STORAGES],
    alive: Rc<Cell<i32>>,
    flows: Vec<Activation>,
    model: Vec<ModelFlow>,
    epochs: [u32; STORAGES],
    guards: Vec<Held<'a>>,
    snapshots: Vec<(Snapshot, [Set; STORAGES])>,
    next: u32,
    misplaced: u64,
}

fn spawn() -> Activation {
    Activation::create(ResourceKind::Task, Location::caller())
}

impl<'a> World<'a> {
    fn new(storages: &'a [AsyncLocalStorage<Numbered>; STORAGES]) -> Self {
        World {
            storages,
            alive: Rc::default(),
            flows: (0..FLOWS).map(|_| spawn()).collect(),
            model: (1..).map(|number| ModelFlow { number, ..Default::default() }).take(3).collect(),
            epochs: [0; STORAGES],
            guards: Vec::new(),
            snapshots: Vec::new(),
            next: 100,
            misplaced: misplaced_guards(),
        }
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn value(&mut self) -> (Numbered, u32) {
        let number = self.number();
        self.alive.set(self.alive.get() + 1);
        (Numbered(number, Rc::clone(&self.alive)), number)
    }

    fn enter(&mut self, place: usize, storage: usize, overwrite: bool) {
        let ((value, set), number) = (self.value(), self.number());
        let target = &self.storages[storage];
        let guard = self.flows[place].enter(|| {
            let guard = target.enter(value);
            // The value of a guard is no entry of its own: this replaces it.
            if overwrite {
                self.alive.set(self.alive.get() + 1);
                target.enter_with(Numbered(set, Rc::clone(&self.alive)));
            }
            guard
        });
        let flow = self.model[place].number;
        let entry = (number, Some((set, self.epochs[storage])));
        self.model[place].slots[storage].entries.push(entry);
        self.guards.push(Held { guard, number, place, flow, storage });
    }

    fn leave(&mut self, position: usize, place: Option<usize>) {
        if self.guards.is_empty() {
            return;
        }
        let held = self.guards.swap_remove(position % self.guards.len());
        let place = place.unwrap_or(held.place);
        self.flows[place].enter(|| drop(held.guard));
        let flow = &mut self.model[place];
        if flow.number == held.flow {
            flow.slots[held.storage].entries.retain(|(number, _)| *number != held.number);
        } else {
            self.misplaced += 1;
        }
    }

    fn enter_with(&mut self, place: usize, storage: usize) {
        let (value, set) = self.value();
        self.flows[place].enter(|| self.storages[storage].enter_with(value));
        let set = Some((set, self.epochs[storage]));
        let slot = &mut self.model[place].slots[storage];
        match slot.entries.last_mut() {
            Some((_, top)) => *top = set,
            None => slot.base = set,
        }
    }

    fn visible(&self, place: usize) -> [Set; STORAGES] {
        [0, 1, 2].map(|storage| self.model[place].slots[storage].top())
    }

    fn spawn(&mut self, from: usize, to: usize) {
        let number = self.number();
        let visible = self.visible(from);
        self.flows[to] = self.flows[from].enter(spawn);
        let slots = visible.map(|base| ModelSlot { base, entries: Vec::new() });
        self.model[to] = ModelFlow { number, slots };
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Enter { flow, storage, overwrite } => self.enter(flow, storage, overwrite),
            Step::Leave { guard, flow } => self.leave(guard, Some(flow)),
            Step::LeaveAtHome { guard } => self.leave(guard, None),
            Step::EnterWith { flow, storage } => self.enter_with(flow, storage),
            Step::Capture { flow } => {
                let snapshot = self.flows[flow].enter(Snapshot::capture);
                self.snapshots.push((snapshot, self.visible(flow)));
            }
            Step::Forget { snapshot } if !self.snapshots.is_empty() => {
                self.snapshots.swap_remove(snapshot % self.snapshots.len());
            }
            Step::Forget { .. } => {}
            Step::Spawn { from, to } => self.spawn(from, to),
            Step::Disable { storage } => {
                self.storages[storage].disable();
                self.epochs[storage] += 1;
            }
        }
    }

    fn read(&self) -> [Option<u32>; STORAGES] {
        [0, 1, 2].map(|storage| self.storages[storage].with(|value| value.map(|value| value.0)))
    }

    fn expected(&self, sets: [Set; STORAGES]) -> [Option<u32>; STORAGES] {
        [0, 1, 2].map(|storage| {
            let readable = sets[storage].filter(|(_, epoch)| *epoch == self.epochs[storage]);
            readable.map(|(number, _)| number)
        })
    }

    fn check(&self) {
        for (place, flow) in self.flows.iter().enumerate() {
            assert_eq!(flow.enter(|| self.read()), self.expected(self.visible(place)));
        }
        for (snapshot, sets) in &self.snapshots {
            assert_eq!(snapshot.run(|| self.read()), self.expected(*sets));
        }
        assert_eq!(misplaced_guards(), self.misplaced);
    }
}

proptest! {
    #[test]
    fn histories_agree_with_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let storages = [const { AsyncLocalStorage::new() }; STORAGES];
        let mut world = World::new(&storages);
        for step in steps {
            world.apply(step);
            world.check();
        }
        let alive = Rc::clone(&world.alive);
        drop(world);
        prop_assert_eq!(alive.get(), 0);
    }
}

//! The tables of a running program: small integers naming things at run time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use lunation::AsyncResource;

use super::events::{Channel, Emitter};
use super::program::Slot;
use super::task::{Event, Task};
use super::timers::Alarm;

/// One kind of thing. Storing into a used slot replaces what was there.
pub(super) struct Table<T: ?Sized>(RefCell<HashMap<Slot, Rc<T>>>);

impl<T: ?Sized> Table<T> {
    pub(super) fn get(&self, slot: Slot) -> Option<Rc<T>> {
        self.0.borrow().get(&slot).cloned()
    }

    /// A statement that names an empty slot does nothing.
    pub(super) fn with(&self, slot: Slot, f: impl FnOnce(&T)) {
        if let Some(thing) = self.get(slot) {
            f(&thing);
        }
    }

    pub(super) fn put(&self, slot: Slot, thing: Rc<T>) {
        // The replaced thing may run code of its own when it is dropped: not while the table is
        // borrowed.
        let replaced = self.0.borrow_mut().insert(slot, thing);
        drop(replaced);
    }

    fn clear(&self) {
        drop(self.0.take());
    }
}

impl<T> Table<T> {
    /// What is in the slot; an empty one first gets a new thing.
    pub(super) fn named(&self, slot: Slot) -> Rc<T>
    where
        T: Default,
    {
        self.0.borrow_mut().entry(slot).or_default().clone()
    }
}

impl<T: ?Sized> Default for Table<T> {
    fn default() -> Self {
        Table(RefCell::default())
    }
}

impl<T: ?Sized> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.borrow().keys()).finish()
    }
}

/// A bound function: runs its body in the context it was made in.
pub(super) type Bound = dyn Fn();

/// A snapshot: runs the body it is given in the context it was made in.
pub(super) type Restore = dyn Fn(&mut dyn FnMut());

#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Timeouts, intervals and immediates.
    pub(super) timers: Table<Alarm>,
    pub(super) tasks: Table<Task>,
    pub(super) events: Table<Event>,
    pub(super) snapshots: Table<Restore>,
    pub(super) bound: Table<Bound>,
    pub(super) resources: Table<AsyncResource>,
    pub(super) emitters: Table<Emitter>,
    pub(super) channels: Table<Channel>,
    /// Every task of the program, in order of spawn.
    pub(super) spawned: RefCell<Vec<Rc<Task>>>,
}

impl Slots {
    /// The slots of the tasks that have not finished, in order of spawn.
    pub(super) fn unfinished(&self) -> Vec<Slot> {
        let spawned = self.spawned.borrow();
        spawned.iter().filter(|task| !task.is_finished()).map(|task| task.slot).collect()
    }

    /// Empties the tables: the closures of a program hold the tables that hold them.
    pub(super) fn clear(&self) {
        self.timers.clear();
        self.tasks.clear();
        self.events.clear();
        self.snapshots.clear();
        self.bound.clear();
        self.resources.clear();
        self.emitters.clear();
        self.channels.clear();
        drop(self.spawned.take());
    }
}

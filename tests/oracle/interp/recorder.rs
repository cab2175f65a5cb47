//! The trace of a run: hook events as the runtime emits them, with ids renumbered in order of
//! `init`.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use lunation::{AsyncHooks, AsyncId, ResourceKind, ResourceRef};
use serde_json::json;

use super::trace::Entry;

/// The kind of the completion `yieldIo` waits for: FORMAT.md does not trace what a wait creates.
pub(super) const UNTRACED: ResourceKind = ResourceKind::User("oracle wait");

/// Main is 1, so the first resource of a program is 2.
const FIRST_NUMBER: u64 = 2;

#[derive(Debug, Default)]
pub(super) struct Recorder {
    trace: RefCell<Vec<Entry>>,
    numbers: RefCell<HashMap<AsyncId, u64>>,
    /// Resources whose destroy event depends on when the last reference goes: FORMAT.md leaves it
    /// out.
    collected: RefCell<HashSet<AsyncId>>,
    closed: Cell<bool>,
}

impl Recorder {
    pub(super) fn push(&self, entry: Entry) {
        if !self.closed.get() {
            self.trace.borrow_mut().push(entry);
        }
    }

    /// The number of a resource in the trace. With hooks off nothing was numbered, and ids stay as
    /// they are.
    pub(super) fn number(&self, id: AsyncId) -> u64 {
        self.numbers.borrow().get(&id).copied().unwrap_or_else(|| id.get())
    }

    /// Ends the trace: what the program's remains do from now on is not recorded.
    pub(super) fn close(&self) -> Vec<Entry> {
        self.closed.set(true);
        self.trace.take()
    }

    fn event(&self, name: &str, id: AsyncId) {
        let number = self.numbers.borrow().get(&id).copied();
        if let Some(number) = number {
            self.push(json!([name, number]));
        }
    }
}

/// The hooks of a run.
#[derive(Debug)]
pub(super) struct Hooks(pub(super) Rc<Recorder>);

impl AsyncHooks for Hooks {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
        if kind == UNTRACED {
            return;
        }
        let number = FIRST_NUMBER + self.0.numbers.borrow().len() as u64;
        self.0.numbers.borrow_mut().insert(id, number);
        if kind == ResourceKind::BoundAnonymousFn {
            self.0.collected.borrow_mut().insert(id);
        }
        let name = if kind == ResourceKind::Task { "Task" } else { kind.as_str() };
        self.0.push(json!(["init", number, name, self.0.number(trigger)]));
    }

    fn before(&self, id: AsyncId) {
        self.0.event("before", id);
    }

    fn after(&self, id: AsyncId) {
        self.0.event("after", id);
    }

    fn destroy(&self, id: AsyncId) {
        if !self.0.collected.borrow().contains(&id) {
            self.0.event("destroy", id);
        }
    }
}

//! What a running program has: its stores, slots and fuel, and the entries its statements write.

use std::cell::Cell;
use std::rc::Rc;

use lunation::AsyncLocalStorage;
use serde_json::{Value as Json, json};

use super::on_time::OnTime;
use super::program::{Instance, Program, Value};
use super::recorder::Recorder;
use super::slots::Slots;

/// Statements a program may execute.
const FUEL: u32 = 5000;

/// What the program's stores hold. The runtime decides when a default shows; its number is the
/// program's affair.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stored {
    Int(i64),
    Undefined,
    Default,
}

impl From<Value> for Stored {
    fn from(value: Value) -> Stored {
        value.map_or(Stored::Undefined, Stored::Int)
    }
}

/// One instance of the program: a storage of its own for each run.
#[derive(Debug)]
pub(super) struct Store {
    /// Counted, since channels of the program keep it too.
    pub(super) storage: Rc<AsyncLocalStorage<Stored>>,
    default: Value,
}

impl Store {
    fn new(instance: &Instance) -> Store {
        let storage = match instance.default {
            Some(_) => AsyncLocalStorage::builder().default_value(|| Stored::Default).build(),
            None => AsyncLocalStorage::new(),
        };
        Store { storage: Rc::new(storage), default: instance.default }
    }

    pub(super) fn get(&self) -> Value {
        match *self.storage.get_store()? {
            Stored::Int(value) => Some(value),
            Stored::Undefined => None,
            Stored::Default => self.default,
        }
    }

    pub(super) fn enter_with(&self, value: Value) {
        self.storage.enter_with(value.into());
    }
}

/// A running program.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) recorder: Rc<Recorder>,
    pub(super) stores: Vec<Store>,
    pub(super) slots: Slots,
    pub(super) on_time: OnTime,
    /// Whether the program refreshes timers: a plain timeout cannot be armed again once it has
    /// fired.
    pub(super) rearms: bool,
    fuel: Cell<u32>,
    out_of_fuel: Cell<bool>,
}

impl Machine {
    pub(super) fn new(program: &Program, recorder: Rc<Recorder>, on_time: OnTime) -> Rc<Machine> {
        Rc::new(Machine {
            recorder,
            stores: program.als.iter().map(Store::new).collect(),
            slots: Slots::default(),
            on_time,
            rearms: program.needs("rearm"),
            fuel: Cell::new(FUEL),
            out_of_fuel: Cell::new(false),
        })
    }

    /// Pays for one statement. `false`: the fuel is used up, and the body ends here.
    pub(super) fn burn(&self) -> bool {
        if let Some(left) = self.fuel.get().checked_sub(1) {
            self.fuel.set(left);
            return true;
        }
        if !self.out_of_fuel.replace(true) {
            self.recorder.push(json!(["fuel"]));
        }
        false
    }

    /// Writes `[kind, ...fields, stores, id, trigger]` as seen from where it is called.
    pub(super) fn entry(&self, kind: &str, fields: &[Json]) {
        let mut entry = vec![json!(kind)];
        entry.extend_from_slice(fields);
        entry.push(self.stores.iter().map(Store::get).collect());
        entry.push(json!(self.recorder.number(lunation::execution_async_id())));
        entry.push(json!(self.recorder.number(lunation::trigger_async_id())));
        self.recorder.push(Json::Array(entry));
    }
}

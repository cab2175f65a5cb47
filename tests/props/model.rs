//! The naive model: a flow is a map from storage to a base value and the entries of its guards.
//!
//! It knows design 4's restoring rule and nothing of the runtime: no frame, no pointer, no sharing.
//! A capture copies what is visible.

use std::collections::{HashMap, HashSet};

/// How many storages there are.
pub(crate) const STORES: usize = 6;

/// What a new resource gets of a storage's value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Always,
    Never,
    Map,
}

const RULES: [Rule; STORES] =
    [Rule::Always, Rule::Always, Rule::Always, Rule::Never, Rule::Map, Rule::Map];
const DEFAULTS: [Option<u64>; STORES] = [None, None, Some(2), None, None, Some(5)];

/// The numbers of values begin here; below are the default values and the quiet one.
pub(crate) const FIRST_NUMBER: u64 = 100;

/// What the `Inherit::Map` storages make of a value.
pub(crate) fn mapped(number: u64) -> Option<u64> {
    (!number.is_multiple_of(4)).then_some(number + (1 << 32))
}

/// A value that was set while its storage had this many `disable`s behind it; None: hidden.
#[derive(Clone, Copy, Debug)]
struct Setting {
    epoch: u32,
    value: Option<u64>,
}

/// One storage in one flow.
#[derive(Default)]
struct Slot {
    base: Option<Setting>,
    guards: Vec<(u64, Setting)>,
}

impl Slot {
    fn youngest(&self) -> Option<Setting> {
        self.guards.last().map(|(_, setting)| *setting).or(self.base)
    }
}

/// What a capture holds.
#[derive(Clone, Default)]
pub(crate) struct Values(HashMap<usize, Setting>);

#[derive(Default)]
struct Flow {
    slots: HashMap<usize, Slot>,
    /// What keeps its values: a running body, a future, an output nobody has read.
    holders: usize,
}

/// Names a flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct FlowId(usize);

/// The guard of an `enter`, or a `run`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuardId {
    flow: FlowId,
    store: usize,
    number: u64,
}

/// All flows of a program.
#[derive(Default)]
pub(crate) struct Model {
    flows: Vec<Flow>,
    captures: HashMap<u64, Values>,
    epochs: [u32; STORES],
    numbers: u64,
    /// Guards that were dropped in another flow than their own.
    pub(crate) misplaced: u64,
}

impl Model {
    /// A number that was not used yet: for values and names.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        FIRST_NUMBER + self.numbers
    }

    /// A new flow with these values as its base.
    pub(crate) fn start(&mut self, values: &Values) -> FlowId {
        let base = |(&store, &setting): (&usize, &Setting)| {
            (store, Slot { base: Some(setting), guards: Vec::new() })
        };
        let slots = values.0.iter().map(base).collect();
        self.flows.push(Flow { slots, holders: 0 });
        FlowId(self.flows.len() - 1)
    }

    pub(crate) fn hold(&mut self, flow: FlowId) {
        self.flows[flow.0].holders += 1;
    }

    pub(crate) fn let_go(&mut self, flow: FlowId) {
        self.flows[flow.0].holders -= 1;
    }

    /// What is visible in a flow.
    pub(crate) fn visible(&self, flow: FlowId) -> Values {
        let slots = self.flows[flow.0].slots.iter();
        Values(slots.filter_map(|(&store, slot)| Some((store, slot.youngest()?))).collect())
    }

    /// One of them.
    pub(crate) fn visible_of(&self, flow: FlowId, store: usize) -> Values {
        let mut values = self.visible(flow);
        values.0.retain(|other, _| *other == store);
        values
    }

    /// What a resource made in this flow starts with.
    pub(crate) fn inherited(&self, flow: FlowId) -> Values {
        let mut heir = Values::default();
        for (store, setting) in self.visible(flow).0 {
            let value = match (RULES[store], setting.value) {
                (Rule::Never, _) => continue,
                (Rule::Map, Some(value)) => match mapped(value) {
                    Some(value) => Some(value),
                    None => continue,
                },
                // A hidden store has nothing to map and stays hidden.
                (Rule::Always | Rule::Map, value) => value,
            };
            heir.0.insert(store, Setting { value, ..setting });
        }
        heir
    }

    /// What `scope` starts with.
    pub(crate) fn visible_with(&self, flow: FlowId, store: usize, value: u64) -> Values {
        let mut values = self.visible(flow);
        values.0.insert(store, self.setting(store, Some(value)));
        values
    }

    fn setting(&self, store: usize, value: Option<u64>) -> Setting {
        Setting { epoch: self.epochs[store], value }
    }

    fn slot(&mut self, flow: FlowId, store: usize) -> &mut Slot {
        self.flows[flow.0].slots.entry(store).or_default()
    }

    /// `enter`, `run` and (None) `exit`.
    pub(crate) fn push(&mut self, flow: FlowId, store: usize, value: Option<u64>) -> GuardId {
        let (number, setting) = (self.number(), self.setting(store, value));
        self.slot(flow, store).guards.push((number, setting));
        GuardId { flow, store, number }
    }

    /// A guard or `run` leaves, while `flow` is running.
    pub(crate) fn leave(&mut self, flow: FlowId, guard: GuardId) {
        if guard.flow == flow {
            self.slot(flow, guard.store).guards.retain(|(number, _)| *number != guard.number);
        } else {
            self.misplaced += 1;
        }
    }

    /// `enter_with`.
    pub(crate) fn overwrite(&mut self, flow: FlowId, store: usize, value: u64) {
        let setting = self.setting(store, Some(value));
        let slot = self.slot(flow, store);
        match slot.guards.last_mut() {
            Some((_, youngest)) => *youngest = setting,
            None => slot.base = Some(setting),
        }
    }

    pub(crate) fn disable(&mut self, store: usize) {
        self.epochs[store] += 1;
    }

    /// What `get_store` must give.
    pub(crate) fn read(&self, flow: FlowId, store: usize) -> Option<u64> {
        let youngest = self.flows[flow.0].slots.get(&store).and_then(Slot::youngest);
        match youngest.filter(|setting| setting.epoch == self.epochs[store]) {
            Some(setting) => setting.value,
            None => DEFAULTS[store],
        }
    }

    // ---- which values may be alive ----

    /// Remembers that something holds these values.
    pub(crate) fn register(&mut self, values: Values) -> u64 {
        let name = self.number();
        self.captures.insert(name, values);
        name
    }

    pub(crate) fn unregister(&mut self, name: u64) {
        self.captures.remove(&name);
    }

    pub(crate) fn captured(&self, name: u64) -> Values {
        self.captures[&name].clone()
    }

    /// The values in captures and in flows that can still run.
    pub(crate) fn reachable(&self) -> HashSet<u64> {
        let flows = self.flows.iter().filter(|flow| flow.holders > 0);
        let slots = flows.flat_map(|flow| flow.slots.values());
        let set = slots.flat_map(|slot| {
            slot.base.iter().chain(slot.guards.iter().map(|(_, setting)| setting))
        });
        let captured = self.captures.values().flat_map(|values| values.0.values());
        set.chain(captured).filter_map(|setting| setting.value).collect()
    }
}

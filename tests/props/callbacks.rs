//! Closures given to the loop: what they hold, the flow of each call, and where they are dropped.

use crate::body::Code;
use crate::desk::{choose, desk};
use crate::lockstep::{Capture, Hold, Ident, Probe, check, check_alive, enter, in_flow, nesting};
use lunation::Timeout;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// A timer is called so often at most.
const CALLS: u32 = 3;

/// A closure that runs once, or is dropped unrun in its resource.
pub(crate) struct Once {
    capture: Option<Capture>,
    ident: Rc<Ident>,
    code: Code,
}

impl Once {
    pub(crate) fn new(capture: Capture, ident: &Rc<Ident>, code: Code) -> Once {
        Once { capture: Some(capture), ident: ident.clone(), code }
    }

    pub(crate) fn call(mut self) {
        if nesting() == 0 {
            check_alive("before a callback");
        }
        let Some(capture) = self.capture.take() else { return };
        let hold = Hold::new(capture.start());
        // The one call has taken the captured values over.
        drop(capture);
        in_flow(hold.0, Some(&self.ident), || {
            let _probe = Probe("the drop of a closure that has run");
            self.code.call();
        });
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        if let Some(capture) = self.capture.take() {
            let _entered = enter(capture.start(), Some(&self.ident));
            check("the drop of a closure unrun");
        }
    }
}

/// What the model knows of a timer that can be called several times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Running { refreshed: bool },
    Fired,
    Cleared,
}

/// Where the closure is dropped.
enum Grave {
    /// In a call of the resource.
    Resource,
    /// At the end of its last call, in that call's flow.
    LastCall(Hold),
    /// Where the last handle is dropped: the timer's resource has ended.
    Here,
}

/// A timer on the model's side.
pub(crate) struct Plan {
    code: Code,
    repeats: bool,
    slot: usize,
    calls: Cell<u32>,
    state: Cell<State>,
    capture: RefCell<Option<Capture>>,
    ident: RefCell<Rc<Ident>>,
    grave: RefCell<Grave>,
}

/// A timer's handle and its plan; a timer that runs once has none.
#[derive(Clone)]
pub(crate) struct TimerSlot {
    pub(crate) handle: Option<Timeout>,
    pub(crate) plan: Option<Rc<Plan>>,
}

impl TimerSlot {
    /// Whether it has fired and its closure is kept, for a refresh.
    pub(crate) fn is_fired(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.state.get() == State::Fired)
    }

    /// Whether it can be called again and is being called.
    pub(crate) fn is_running(&self) -> bool {
        let running = |plan: &Rc<Plan>| matches!(plan.state.get(), State::Running { .. });
        self.plan.as_ref().is_some_and(running)
    }
}

/// The closure of an interval or of a refreshable timeout.
pub(crate) struct Many(Rc<Plan>);

impl Many {
    pub(crate) fn new(capture: Capture, ident: &Rc<Ident>, code: Code, repeats: bool) -> Many {
        Many(Rc::new(Plan {
            code,
            repeats,
            slot: desk(|desk| desk.timers.len()),
            calls: Cell::new(0),
            state: Cell::new(State::Pending),
            capture: RefCell::new(Some(capture)),
            ident: RefCell::new(ident.clone()),
            grave: RefCell::new(Grave::Resource),
        }))
    }

    pub(crate) fn plan(&self) -> Rc<Plan> {
        self.0.clone()
    }

    pub(crate) fn call(&mut self) {
        if nesting() == 0 {
            check_alive("before a timer");
        }
        let plan = &*self.0;
        plan.calls.set(plan.calls.get() + 1);
        plan.state.set(State::Running { refreshed: false });
        let hold = Hold::new(plan.start());
        let ident = plan.ident.borrow().clone();
        let result = catch_unwind(AssertUnwindSafe(|| {
            in_flow(hold.0, Some(&ident), || plan.code.call());
        }));
        if plan.repeats && plan.calls.get() >= CALLS {
            let slot = desk(|desk| desk.timers[plan.slot].clone());
            clear(&slot);
        }
        plan.finish(hold);
        if let Err(payload) = result {
            resume_unwind(payload);
        }
    }
}

impl Plan {
    fn start(&self) -> crate::model::FlowId {
        self.capture.borrow().as_ref().expect("until the end of the timer").start()
    }

    fn release(&self) {
        let capture = self.capture.take();
        drop(capture);
    }

    /// The end of a call.
    fn finish(&self, hold: Hold) {
        let refreshed = match self.state.get() {
            State::Running { refreshed } => refreshed,
            _ => {
                self.release();
                self.grave.replace(Grave::LastCall(hold));
                return;
            }
        };
        if self.repeats || refreshed {
            self.state.set(State::Pending);
            return;
        }
        self.state.set(State::Fired);
        self.release();
        let handle = desk(|desk| desk.timers[self.slot].handle.is_some());
        self.grave.replace(if handle { Grave::Here } else { Grave::LastCall(hold) });
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        let plan = &*self.0;
        let grave = plan.grave.replace(Grave::Here);
        let flow = match &grave {
            Grave::Resource => Some(plan.start()),
            Grave::LastCall(hold) => Some(hold.0),
            Grave::Here => None,
        };
        let ident = plan.ident.borrow().clone();
        let _entered = flow.map(|flow| enter(flow, Some(&ident)));
        check("the drop of a timer's closure");
        plan.release();
    }
}

/// Clears a timer. One that has fired has let its context go.
pub(crate) fn clear(slot: &TimerSlot) {
    let Some(handle) = &slot.handle else { return };
    if let Some(plan) = &slot.plan {
        if plan.state.get() == State::Fired {
            plan.capture.replace(Some(Capture::empty()));
            plan.grave.replace(Grave::Resource);
        }
        plan.state.set(State::Cleared);
    }
    handle.clear();
}

/// Arms a timer anew; false if it was called often enough.
pub(crate) fn refresh(slot: &TimerSlot) -> bool {
    let Some(handle) = &slot.handle else { return false };
    let Some(plan) = &slot.plan else {
        handle.refresh();
        return true;
    };
    let (state, tired) = (plan.state.get(), plan.calls.get() >= CALLS);
    match state {
        State::Running { .. } | State::Fired if tired => return false,
        State::Running { .. } => {
            plan.state.set(State::Running { refreshed: true });
            handle.refresh();
        }
        State::Fired => {
            // A new resource, in the context of the refresh.
            plan.capture.replace(Some(Capture::inherited()));
            let ident = Ident::here();
            plan.ident.replace(ident.clone());
            plan.grave.replace(Grave::Resource);
            plan.state.set(State::Pending);
            handle.refresh();
            ident.set(handle.async_id());
        }
        State::Pending | State::Cleared => {
            handle.refresh();
        }
    }
    true
}

/// Drops the handle of a refreshable timeout.
pub(crate) fn drop_handle(pick: usize) -> bool {
    let handle = desk(|desk| {
        let refreshable = |slot: &&mut TimerSlot| {
            slot.handle.is_some() && slot.plan.as_ref().is_some_and(|plan| !plan.repeats)
        };
        let mut slots: Vec<_> = desk.timers.iter_mut().filter(refreshable).collect();
        choose(slots.len(), pick).and_then(|place| slots[place].handle.take())
    });
    handle.is_some()
}

//! The statements that are allowed everywhere (FORMAT.md, section 4).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Mutex;

use lunation::{AsyncResource, Completion, ResourceKind};
use serde_json::json;

use super::machine::Machine;
use super::program::{Body, Slot, Stmt, Value};

/// The panic payload of a `throw`.
#[derive(Clone, Debug)]
pub(super) struct Thrown(pub(super) String);

/// Throws as a user's code would panic, without the message of the panic hook.
pub(super) fn throw(thrown: Thrown) -> ! {
    resume_unwind(Box::new(thrown))
}

/// Runs `f` up to its end or a `throw`. Other panics are bugs and go on.
pub(super) fn catch(f: impl FnOnce()) -> Result<(), Thrown> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| match payload.downcast::<Thrown>() {
        Ok(thrown) => *thrown,
        Err(other) => resume_unwind(other),
    })
}

/// Type names live for ever in a `ResourceKind`; each is kept once for the process.
pub(super) fn user_kind(name: &str) -> ResourceKind {
    static NAMES: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let known = names.get(name).copied();
    ResourceKind::User(known.unwrap_or_else(|| {
        let kept: &'static str = Box::leak(name.into());
        names.insert(kept);
        kept
    }))
}

impl Machine {
    pub(super) fn exec(self: &Rc<Self>, body: &Body) {
        for stmt in body.iter() {
            if !self.burn() {
                return;
            }
            self.step(stmt);
        }
    }

    /// A body the loop calls. What it throws is the business of the runtime's handler of unhandled
    /// panics.
    pub(super) fn callback(self: &Rc<Self>, body: &Body) -> impl FnOnce() + 'static {
        let (machine, body) = (self.clone(), body.clone());
        move || {
            machine.on_time.check();
            machine.exec(&body);
        }
    }

    pub(super) fn caught(&self, thrown: &Thrown) {
        self.entry("catch", &[json!(thrown.0)]);
    }

    pub(super) fn uncaught(&self, thrown: &Thrown) {
        self.entry("uncaught", &[json!(thrown.0)]);
    }

    /// One statement of a synchronous body.
    pub(super) fn step(self: &Rc<Self>, stmt: &Stmt) {
        match stmt {
            Stmt::Log { label } => self.entry("log", &[json!(label)]),

            Stmt::Run { als, value, body } => self.run(*als, *value, body),
            Stmt::Exit { als, body } => self.exit(*als, body),
            Stmt::EnterWith { als, value } => self.stores[*als].enter_with(*value),
            Stmt::Scope { als, value, body } => {
                let _guard = self.stores[*als].storage.enter((*value).into());
                self.exec(body);
            }
            Stmt::Disable { als } => self.stores[*als].storage.disable(),
            Stmt::Snapshot { slot } => self.snapshot(*slot),
            Stmt::Restore { slot, body } => {
                self.slots.snapshots.with(*slot, |snapshot| snapshot(&mut || self.exec(body)));
            }
            Stmt::Bind { slot, body } => self.bind(*slot, body),
            Stmt::Call { slot } => self.slots.bound.with(*slot, |bound| bound()),

            Stmt::NextTick { body } => lunation::next_tick(self.callback(body)),
            Stmt::Microtask { body } => lunation::queue_microtask(self.callback(body)),
            Stmt::Immediate { slot, body } => self.immediate(*slot, body),
            Stmt::Timeout { ms, slot, body } => self.timeout(*ms, *slot, body),
            Stmt::Interval { ms, times, slot, body } => self.interval(*ms, *times, *slot, body),
            Stmt::Clear { slot } => self.clear(*slot),
            Stmt::Refresh { slot } => self.refresh(*slot),
            Stmt::Unref { slot } => self.unref(*slot),
            Stmt::Ref { slot } => self.ref_(*slot),
            Stmt::Io { body } => self.io(body),
            Stmt::Closing { body } => {
                lunation::queue_close(ResourceKind::User("Close"), self.callback(body));
            }

            Stmt::Spawn { slot, body } => self.spawn(*slot, body),
            Stmt::Set { slot } => self.slots.events.named(*slot).set(),

            Stmt::Throw { value } => throw(Thrown(value.clone())),
            Stmt::Try { body, handler } => {
                if let Err(thrown) = catch(|| self.exec(body)) {
                    self.caught(&thrown);
                    self.exec(handler);
                }
            }
            Stmt::Repeat { times, body } => (0..*times).for_each(|_| self.exec(body)),

            Stmt::Resource { slot, kind } => self.resource(*slot, kind),
            Stmt::RunIn { slot, body } => {
                let run = |resource: &AsyncResource| {
                    resource.run_in_async_scope(|| self.exec(body));
                };
                self.slots.resources.with(*slot, run);
            }
            Stmt::Destroy { slot } => self.slots.resources.with(*slot, |resource| {
                resource.emit_destroy();
            }),

            Stmt::Tick
            | Stmt::Sleep { .. }
            | Stmt::YieldImmediate
            | Stmt::YieldIo
            | Stmt::Join { .. }
            | Stmt::Wait { .. }
            | Stmt::Arun { .. }
            | Stmt::Acall { .. } => panic!("{stmt:?} waits, and its body may not"),

            _ => self.step_event(stmt),
        }
    }

    fn run(self: &Rc<Self>, als: usize, value: Value, body: &Body) {
        let store = &self.stores[als];
        // Node calls the body as it is if the value is set already.
        if store.get() == value {
            self.exec(body);
        } else {
            store.storage.run(value.into(), || self.exec(body));
        }
    }

    fn exit(self: &Rc<Self>, als: usize, body: &Body) {
        let store = &self.stores[als];
        if store.get().is_none() {
            self.exec(body);
        } else {
            store.storage.exit(|| self.exec(body));
        }
    }

    fn snapshot(&self, slot: Slot) {
        let snapshot = lunation::snapshot();
        self.slots.snapshots.put(slot, Rc::new(move |body| snapshot.run(body)));
    }

    fn bind(self: &Rc<Self>, slot: Slot, body: &Body) {
        let (machine, body) = (self.clone(), body.clone());
        let bound = RefCell::new(lunation::bind(move || machine.exec(&body)));
        self.slots.bound.put(slot, Rc::new(move || bound.borrow_mut().call()));
    }

    /// An I/O completion that is there when the loop polls next.
    fn io(self: &Rc<Self>, body: &Body) {
        let (completion, completer) = Completion::new(ResourceKind::User("IO"));
        let callback = self.callback(body);
        completion.on_complete(move |_| callback());
        completer.complete(());
    }

    fn resource(&self, slot: Slot, kind: &str) {
        let resource = AsyncResource::builder(user_kind(kind)).manual_destroy(true).build();
        self.slots.resources.put(slot, Rc::new(resource));
    }
}

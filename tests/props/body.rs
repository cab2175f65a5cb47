//! Bodies: what runs operations, and what it has on its stack.

use crate::desk;
use crate::drive;
use crate::lockstep::{Held, Injected, check};
use crate::program::{Body, KINDS, Kind, Op};
use crate::{simple, waits};
use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::thread;

/// So many operations are run in one program: intervals and refreshed timers multiply.
const FUEL: u32 = 2000;

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(0) };
    static PANICS: Cell<Panics> = const { Cell::new(Panics::Some) };
    /// Whether the runtime is being dropped.
    static ENDING: Cell<bool> = const { Cell::new(false) };
    /// How often each kind was run, and how often at depth 3 or more.
    static COUNTS: RefCell<Vec<(u32, u32)>> = RefCell::new(vec![(0, 0); KINDS.len()]);
}

pub(crate) fn refuel() {
    LEFT.set(FUEL);
    PANICS.set(Panics::Some);
}

pub(crate) fn is_ending() -> bool {
    ENDING.get()
}

/// Drops the runtime.
pub(crate) fn end(runtime: lunation::Runtime) {
    ENDING.set(true);
    drop(runtime);
    ENDING.set(false);
}

/// Each kind with its counts over all programs so far.
pub(crate) fn counts() -> Vec<(Kind, u32, u32)> {
    COUNTS.with_borrow(|counts| {
        KINDS.iter().zip(counts).map(|((kind, ..), (all, deep))| (*kind, *all, *deep)).collect()
    })
}

/// Which panics may begin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panics {
    /// In drop code.
    None,
    /// Where they end a task or a callback: not main, and not all, or little else would run.
    Some,
    /// Where they are caught.
    All,
}

impl Panics {
    /// Whether a panic may begin here, in a body of this task.
    pub(crate) fn allow(task: u64, pick: usize) -> bool {
        let allowed = match PANICS.get() {
            Panics::None => false,
            Panics::Some => task != 0 && pick.is_multiple_of(2),
            Panics::All => true,
        };
        allowed && !thread::panicking()
    }

    /// Until the result is dropped.
    pub(crate) fn set(self) -> PanicsBefore {
        PanicsBefore(PANICS.replace(self))
    }
}

pub(crate) struct PanicsBefore(Panics);

impl Drop for PanicsBefore {
    fn drop(&mut self) {
        PANICS.set(self.0);
    }
}

/// What a body is, apart from where it runs.
#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) body: Body,
    pub(crate) depth: usize,
    /// Of the task it belongs to: a task joins only those that were spawned after it, so that
    /// no two wait for each other.
    pub(crate) task: u64,
}

impl Code {
    /// Runs it as a callback, a closure or a call, in the flow that was entered.
    pub(crate) fn call(&self) {
        let mut stack = Stack::new(self);
        stack.run(&self.body);
    }

    /// Runs it as a future.
    pub(crate) async fn future(self) {
        let mut stack = Stack::new(&self);
        for op in &*self.body {
            stack.step_async(op).await;
        }
    }
}

/// Code that runs in a drop.
pub(crate) struct DropCode(Code);

impl Drop for DropCode {
    fn drop(&mut self) {
        let _calm = Panics::None.set();
        check("drop code begins");
        self.0.call();
        check("drop code ends");
    }
}

/// Panics when it is dropped, if a panic may begin there.
struct DropPanic {
    task: u64,
    pick: usize,
}

impl Drop for DropPanic {
    fn drop(&mut self) {
        if Panics::allow(self.task, self.pick) {
            resume_unwind(Box::new(Injected::default()));
        }
    }
}

/// What a running body has: its guards and its drop code.
pub(crate) struct Stack {
    pub(crate) depth: usize,
    pub(crate) task: u64,
    pub(crate) guards: Vec<Held>,
    drops: Vec<DropCode>,
    panics: Vec<DropPanic>,
}

impl Stack {
    fn new(code: &Code) -> Stack {
        let (guards, drops, panics) = (Vec::new(), Vec::new(), Vec::new());
        Stack { depth: code.depth, task: code.task, guards, drops, panics }
    }

    /// A body of an operation of this one, to be run elsewhere.
    pub(crate) fn code(&self, op: &Op, body: usize) -> Code {
        Code { body: op.bodies[body].clone(), depth: self.depth + 1, task: self.task }
    }

    /// Runs a body in this flow and with this stack.
    pub(crate) fn nested(&mut self, body: &Body) {
        self.depth += 1;
        self.run(body);
        self.depth -= 1;
    }

    fn run(&mut self, body: &Body) {
        for op in &**body {
            self.step(op);
        }
    }

    fn step(&mut self, op: &Op) {
        if LEFT.get() == 0 {
            return;
        }
        if waits::is_wait(op.kind) {
            // A callback cannot wait: a task does it.
            drive::spawn_wait(self, op);
            return;
        }
        LEFT.set(LEFT.get() - 1);
        let depth = self.depth;
        if simple::step(self, op) || desk::step(self, op) || drive::step(self, op) {
            count(op.kind, depth);
        }
        check("after an operation");
    }

    async fn step_async(&mut self, op: &Op) {
        if !waits::is_wait(op.kind) {
            self.step(op);
        } else if LEFT.get() > 0 {
            LEFT.set(LEFT.get() - 1);
            if waits::step(self, op).await {
                count(op.kind, self.depth);
            }
            check("after a wait");
        }
    }

    pub(crate) fn add_drop_code(&mut self, code: Code) {
        self.drops.push(DropCode(code));
    }

    pub(crate) fn add_drop_panic(&mut self, pick: usize) {
        self.panics.push(DropPanic { task: self.task, pick });
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Half of the bodies leave their guards in the wrong order.
        if self.depth.is_multiple_of(2) {
            while self.guards.pop().is_some() {}
        }
    }
}

pub(crate) fn count(kind: Kind, depth: usize) {
    COUNTS.with_borrow_mut(|counts| {
        let (all, deep) = &mut counts[kind as usize];
        *all += 1;
        *deep += u32::from(depth >= 3);
    });
}

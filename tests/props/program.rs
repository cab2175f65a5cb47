//! Programs: trees of operations, and how they are made at random.

use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt;
use std::rc::Rc;

/// Bodies nest this deep at most.
pub(crate) const MAX_DEPTH: usize = 7;

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Read,
    // Stores.
    Run,
    Exit,
    Enter,
    EnterWith,
    With,
    Disable,
    Keep,
    ReadKept,
    // Guards of this body, in any order; the shared ones in any flow.
    DropGuard,
    DropYoungest,
    ForgetGuard,
    ShareGuard,
    DropShared,
    // Captures.
    Capture,
    SnapshotRun,
    SnapshotScope,
    DropSnapshot,
    SnapshotFn,
    CallSnapshotFn,
    Bind,
    CallBound,
    // Resources of the user's own.
    Resource,
    ResourceRun,
    ResourceScope,
    ResourceBind,
    DropResource,
    // Tasks.
    Spawn,
    SpawnDetached,
    SpawnScoped,
    Join,
    Abort,
    Detach,
    // Waiting.
    Sleep,
    Tick,
    Microtask,
    Yield,
    AwaitCompletion,
    // Callbacks.
    NextTick,
    QueueMicrotask,
    Immediate,
    Timeout,
    DetachedTimeout,
    Interval,
    Refreshable,
    Close,
    Post,
    PostSpawn,
    OnComplete,
    ClearTimer,
    Refresh,
    /// Of a timer that has fired; `RefreshRunning`, `ClearRunning`: inside of its own call.
    RefreshFired,
    RefreshRunning,
    ClearRunning,
    DropTimer,
    ClearImmediate,
    // Futures inside of a flow.
    Scope,
    Join2,
    Race,
    TimeLimit,
    // Failures and drop code.
    Catch,
    Panic,
    DropCode,
    DropPanic,
    Advance,
}

/// All kinds in their order, each with its weight and its number of bodies.
pub(crate) const KINDS: &[(Kind, u32, usize)] = &[
    (Kind::Read, 5, 0),
    (Kind::Run, 4, 1),
    (Kind::Exit, 5, 1),
    (Kind::Enter, 26, 0),
    (Kind::EnterWith, 10, 0),
    (Kind::With, 3, 1),
    (Kind::Disable, 4, 0),
    (Kind::Keep, 9, 0),
    (Kind::ReadKept, 14, 0),
    (Kind::DropGuard, 34, 0),
    (Kind::DropYoungest, 26, 0),
    (Kind::ForgetGuard, 26, 0),
    (Kind::ShareGuard, 24, 0),
    (Kind::DropShared, 32, 0),
    (Kind::Capture, 4, 0),
    (Kind::SnapshotRun, 6, 1),
    (Kind::SnapshotScope, 5, 1),
    (Kind::DropSnapshot, 5, 0),
    (Kind::SnapshotFn, 3, 0),
    (Kind::CallSnapshotFn, 4, 1),
    (Kind::Bind, 4, 1),
    (Kind::CallBound, 5, 0),
    (Kind::Resource, 4, 0),
    (Kind::ResourceRun, 6, 1),
    (Kind::ResourceScope, 5, 1),
    (Kind::ResourceBind, 5, 1),
    (Kind::DropResource, 6, 0),
    (Kind::Spawn, 5, 1),
    (Kind::SpawnDetached, 3, 1),
    (Kind::SpawnScoped, 3, 1),
    (Kind::Join, 6, 0),
    (Kind::Abort, 4, 0),
    (Kind::Detach, 4, 0),
    (Kind::Sleep, 4, 0),
    (Kind::Tick, 4, 0),
    (Kind::Microtask, 4, 0),
    (Kind::Yield, 4, 0),
    (Kind::AwaitCompletion, 4, 0),
    (Kind::NextTick, 3, 1),
    (Kind::QueueMicrotask, 3, 1),
    (Kind::Immediate, 5, 1),
    (Kind::Timeout, 3, 1),
    (Kind::DetachedTimeout, 3, 1),
    (Kind::Interval, 7, 1),
    (Kind::Refreshable, 9, 1),
    (Kind::Close, 3, 1),
    (Kind::Post, 3, 1),
    (Kind::PostSpawn, 3, 1),
    (Kind::OnComplete, 3, 1),
    (Kind::ClearTimer, 5, 0),
    (Kind::Refresh, 5, 0),
    (Kind::RefreshFired, 54, 0),
    (Kind::RefreshRunning, 30, 0),
    (Kind::ClearRunning, 36, 0),
    (Kind::DropTimer, 13, 0),
    (Kind::ClearImmediate, 18, 0),
    (Kind::Scope, 4, 1),
    (Kind::Join2, 4, 2),
    (Kind::Race, 4, 2),
    (Kind::TimeLimit, 4, 1),
    (Kind::Catch, 5, 1),
    (Kind::Panic, 11, 0),
    (Kind::DropCode, 5, 1),
    (Kind::DropPanic, 8, 0),
    (Kind::Advance, 4, 0),
];

/// A program has fewer operations than this, a body fewer than that.
const LENGTH: usize = 1300;
const BODY: usize = 9;

/// The operations of a body, in order.
pub(crate) type Body = Rc<[Op]>;

/// One operation; what `pick` chooses depends on the kind.
#[derive(Clone)]
pub(crate) struct Op {
    pub(crate) kind: Kind,
    pub(crate) store: usize,
    pub(crate) pick: usize,
    pub(crate) bodies: Vec<Body>,
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(store {}, pick {})", self.kind, self.store, self.pick)?;
        self.bodies.iter().try_for_each(|body| {
            f.write_str(" ")?;
            body.fmt(f)
        })
    }
}

/// How a program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The loop runs until nothing is left.
    Idle,
    /// It runs some turns; then the runtime is dropped with what is left.
    Turns(usize),
    /// What the program keeps (guards, handles, snapshots) is dropped before the runtime.
    KeptFirst,
}

/// A tree of operations.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) main: Body,
    pub(crate) ending: Ending,
}

/// One operation before its bodies are known: kind, store, pick, sizes of the bodies.
type Code = (Kind, usize, usize, [usize; 2]);

fn code() -> impl Strategy<Value = Code> {
    let total: u32 = KINDS.iter().map(|(_, weight, _)| weight).sum();
    let kind = (0..total).prop_map(|mut at| {
        let chosen = KINDS.iter().find(|(_, weight, _)| {
            let found = at < *weight;
            at = at.wrapping_sub(*weight);
            found
        });
        chosen.expect("`at` is less than the sum of the weights").0
    });
    // Few storages are used often, so that entries pile up.
    let store = prop_oneof![3 => 0..2_usize, 4 => 0..crate::model::STORES];
    (kind, store, 0..32_usize, [1..BODY, 1..BODY])
}

/// Any program.
pub(crate) fn program() -> impl Strategy<Value = Program> {
    let ending = prop_oneof![
        3 => Just(Ending::Idle),
        1 => (0..4_usize).prop_map(Ending::Turns),
        1 => Just(Ending::KeptFirst),
    ];
    (vec(code(), 1..LENGTH), ending)
        .prop_map(|(codes, ending)| Program { main: main_body(&codes), ending })
}

fn main_body(codes: &[Code]) -> Body {
    let mut codes = codes.iter();
    let mut main = Vec::new();
    while let Some(op) = operation(&mut codes, 0) {
        main.push(op);
    }
    main.into()
}

/// The next operation, with the codes that follow it as its bodies.
fn operation(codes: &mut std::slice::Iter<'_, Code>, depth: usize) -> Option<Op> {
    let &(kind, store, pick, sizes) = codes.next()?;
    let (_, _, bodies) = KINDS[kind as usize];
    let bodies = sizes.iter().take(bodies).map(|&size| {
        let size = if depth + 1 < MAX_DEPTH { size } else { 0 };
        (0..size).map_while(|_| operation(codes, depth + 1)).collect()
    });
    Some(Op { kind, store, pick, bodies: bodies.collect() })
}

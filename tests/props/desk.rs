//! What a program keeps outside of its bodies, and the operations on it: shared guards, kept
//! values, snapshots, bound functions, resources.
//!
//! Nothing is borrowed here while the runtime is called: it may run code that comes back.

use crate::body::{Code, Stack};
use crate::callbacks::TimerSlot;
use crate::drive::Task;
use crate::lockstep::{Capture, Held, Ident, expect, in_flow};
use crate::program::{Kind, Op};
use lunation::{AsyncResource, Immediate, Snapshot, context, task};
use std::cell::RefCell;
use std::rc::Rc;

/// A value kept from `get_store`.
pub(crate) struct Kept {
    pub(crate) read: Box<dyn Fn() -> u64>,
    pub(crate) number: u64,
    pub(crate) _alive: Capture,
}

/// A snapshot and what the model says it holds. Dropped in this order.
pub(crate) struct Snap {
    pub(crate) real: Snapshot,
    pub(crate) capture: Capture,
}

struct SnapFn {
    real: context::SnapshotFn,
    capture: Capture,
    ident: Rc<Ident>,
}

/// A resource of the user's own.
pub(crate) struct Own {
    pub(crate) real: AsyncResource,
    pub(crate) capture: Capture,
    pub(crate) ident: Rc<Ident>,
}

type Bound = Rc<RefCell<context::Bound<Box<dyn FnMut()>>>>;

/// What a program keeps.
#[derive(Default)]
pub(crate) struct Desk {
    shared: Vec<Held>,
    kept: Vec<Kept>,
    pub(crate) snapshots: Vec<Rc<Snap>>,
    snapshot_fns: Vec<Rc<SnapFn>>,
    bounds: Vec<Bound>,
    pub(crate) resources: Vec<Rc<Own>>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) aborts: Vec<task::AbortHandle>,
    pub(crate) timers: Vec<TimerSlot>,
    pub(crate) immediates: Vec<Immediate>,
    /// Bodies of posts, whose closures must be `Send`.
    pub(crate) posts: Vec<Option<Code>>,
    /// Of completions that were cancelled: the loop holds them a little longer.
    pub(crate) captures: Vec<Capture>,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

pub(crate) fn desk<R>(f: impl FnOnce(&mut Desk) -> R) -> R {
    DESK.with_borrow_mut(f)
}

/// Drops everything, in some order.
pub(crate) fn clear() {
    let desk = DESK.take();
    drop(desk);
}

/// One of `len` places.
pub(crate) fn choose(len: usize, pick: usize) -> Option<usize> {
    pick.checked_rem(len)
}

fn chosen<T: Clone>(list: &[T], pick: usize) -> Option<T> {
    choose(list.len(), pick).map(|place| list[place].clone())
}

pub(crate) fn taken<T>(list: &mut Vec<T>, pick: usize) -> Option<T> {
    choose(list.len(), pick).map(|place| list.swap_remove(place))
}

pub(crate) fn share(guard: Held) {
    desk(|desk| desk.shared.push(guard));
}

pub(crate) fn drop_shared(pick: usize) -> bool {
    let guard = desk(|desk| taken(&mut desk.shared, pick));
    guard.is_some()
}

pub(crate) fn keep(kept: Kept) {
    desk(|desk| desk.kept.push(kept));
}

/// Reads a kept value again, and lets it go or not.
pub(crate) fn read_kept(pick: usize) -> bool {
    let Some(kept) = desk(|desk| taken(&mut desk.kept, pick)) else { return false };
    let read = (kept.read)();
    expect(read == kept.number, || format!("a kept value {} has become {read}", kept.number));
    if pick.is_multiple_of(2) {
        keep(kept);
    }
    true
}

/// Runs the operation if it is one of these and there is something to do it to.
pub(crate) fn step(stack: &mut Stack, op: &Op) -> bool {
    match op.kind {
        Kind::Capture => drop(capture()),
        Kind::SnapshotRun => {
            let snap = snapshot(op.pick);
            let code = stack.code(op, 0);
            snap.real.run(|| in_flow(snap.capture.start(), None, || code.call()));
        }
        Kind::DropSnapshot => return desk(|desk| taken(&mut desk.snapshots, op.pick)).is_some(),
        Kind::SnapshotFn => drop(snapshot_fn()),
        Kind::CallSnapshotFn => {
            let snap = desk(|desk| chosen(&desk.snapshot_fns, op.pick));
            let snap = snap.unwrap_or_else(snapshot_fn);
            let code = stack.code(op, 0);
            snap.real.run(|| in_flow(snap.capture.start(), Some(&snap.ident), || code.call()));
        }
        Kind::Bind => bind(stack.code(op, 0)),
        Kind::CallBound => return call_bound(op.pick),
        _ => return resource_step(stack, op),
    }
    true
}

fn capture() -> Rc<Snap> {
    let snap = Rc::new(Snap { real: Snapshot::capture(), capture: Capture::all() });
    desk(|desk| desk.snapshots.push(snap.clone()));
    snap
}

/// A snapshot of before, or of now if there is none.
pub(crate) fn snapshot(pick: usize) -> Rc<Snap> {
    desk(|desk| chosen(&desk.snapshots, pick)).unwrap_or_else(capture)
}

fn snapshot_fn() -> Rc<SnapFn> {
    let (capture, ident) = (Capture::all(), Ident::here());
    let real = lunation::snapshot();
    ident.set(real.resource().async_id());
    let snap = Rc::new(SnapFn { real, capture, ident });
    desk(|desk| desk.snapshot_fns.push(snap.clone()));
    snap
}

fn new_resource() -> Rc<Own> {
    let (capture, ident) = (Capture::inherited(), Ident::here());
    let real = AsyncResource::new("PROPS");
    ident.set(real.async_id());
    let own = Rc::new(Own { real, capture, ident });
    desk(|desk| desk.resources.push(own.clone()));
    own
}

/// A resource of before, or a new one if there is none.
pub(crate) fn resource(pick: usize) -> Rc<Own> {
    desk(|desk| chosen(&desk.resources, pick)).unwrap_or_else(new_resource)
}

fn bind(code: Code) {
    let (capture, ident) = (Capture::all(), Ident::here());
    let own = ident.clone();
    let body = move || in_flow(capture.start(), Some(&own), || code.call());
    let bound = context::bind(Box::new(body) as Box<dyn FnMut()>);
    ident.set(bound.resource().async_id());
    desk(|desk| desk.bounds.push(Rc::new(RefCell::new(bound))));
}

fn call_bound(pick: usize) -> bool {
    let Some(bound) = desk(|desk| chosen(&desk.bounds, pick)) else { return false };
    // It may be running: it is an FnMut.
    let Ok(mut bound) = bound.try_borrow_mut() else { return false };
    bound.call();
    true
}

fn resource_step(stack: &mut Stack, op: &Op) -> bool {
    match op.kind {
        Kind::Resource => drop(new_resource()),
        Kind::ResourceRun => {
            let own = resource(op.pick);
            let code = stack.code(op, 0);
            own.real.run_in_async_scope(|| {
                in_flow(own.capture.start(), Some(&own.ident), || code.call());
            });
        }
        Kind::ResourceBind => {
            let own = resource(op.pick);
            let (code, of) = (stack.code(op, 0), own.clone());
            let body = move || in_flow(of.capture.start(), Some(&of.ident), || code.call());
            let bound = own.real.bind(Box::new(body) as Box<dyn FnMut()>);
            desk(|desk| desk.bounds.push(Rc::new(RefCell::new(bound))));
        }
        Kind::DropResource => return desk(|desk| taken(&mut desk.resources, op.pick)).is_some(),
        _ => return false,
    }
    true
}

//! Operations that give something to the loop: tasks and callbacks.

use crate::body::{self, Code, Stack};
use crate::callbacks::{self, Many, Once, Plan, TimerSlot};
use crate::desk::{choose, desk, taken};
use crate::lockstep::{
    Capture, Hold, Ident, InFlow, Output, check_alive, in_flow, model, nesting, quietly,
};
use crate::program::{Kind, Op};
use crate::stores::ALL;
use lunation::{Completer, Completion, Handle, JoinHandle, ResourceKind, Timeout};
use std::rc::Rc;
use std::time::Duration;

/// A task whose handle is kept.
pub(crate) struct Task {
    pub(crate) number: u64,
    pub(crate) handle: JoinHandle<Output>,
}

/// Runs the operation if it is one of these and there is something to do it to.
pub(crate) fn step(stack: &mut Stack, op: &Op) -> bool {
    match op.kind {
        Kind::Detach => {
            let task = desk(|desk| taken(&mut desk.tasks, op.pick));
            task.is_some()
        }
        Kind::ClearImmediate => {
            let immediate = desk(|desk| taken(&mut desk.immediates, op.pick));
            immediate.is_some_and(|immediate| {
                immediate.clear();
                true
            })
        }
        Kind::ClearTimer
        | Kind::ClearRunning
        | Kind::Refresh
        | Kind::RefreshFired
        | Kind::RefreshRunning
        | Kind::DropTimer => timer_step(op),
        // While the runtime ends, what is queued is dropped at once.
        _ if body::is_ending() => queue(stack, op),
        _ => quietly(|| queue(stack, op)),
    }
}

/// Operations that only queue something.
fn queue(stack: &mut Stack, op: &Op) -> bool {
    match op.kind {
        Kind::Spawn => spawn(stack.code(op, 0)),
        Kind::SpawnDetached => spawn_detached(stack.code(op, 0)),
        Kind::SpawnScoped => spawn_scoped(stack.code(op, 0), op.store),
        Kind::Abort => {
            let abort = desk(|desk| taken(&mut desk.aborts, op.pick));
            let Some(abort) = abort else { return false };
            abort.abort();
        }
        Kind::Post | Kind::PostSpawn => post(stack.code(op, 0), op.kind),
        Kind::Interval | Kind::Refreshable => repeated(stack.code(op, 0), op),
        Kind::NextTick
        | Kind::QueueMicrotask
        | Kind::Close
        | Kind::Immediate
        | Kind::OnComplete
        | Kind::Timeout
        | Kind::DetachedTimeout => callback(stack.code(op, 0), op),
        _ => return false,
    }
    true
}

// ---- tasks ----

/// A task with this body; `enter` makes the body's future run in a flow of its own.
fn start(
    code: Code,
    capture: Capture,
    spawn: impl FnOnce(std::pin::Pin<Box<InFlow<Output>>>) -> JoinHandle<Output>,
    enter: impl FnOnce(Code) -> crate::stores::Boxed,
) {
    let (flow, ident) = (capture.start(), Ident::here());
    let number = model(|model, _| model.number());
    let body = enter(Code { task: number, ..code });
    let own = ident.clone();
    let future = InFlow::new(flow, Some(ident.clone()), async move {
        body.await;
        Output::new(flow, own)
    });
    drop(capture);
    let handle = spawn(future);
    ident.set(handle.async_id());
    desk(|desk| {
        desk.aborts.push(handle.abort_handle());
        desk.tasks.push(Task { number, handle });
    });
}

fn spawn(code: Code) {
    start(
        code,
        Capture::inherited(),
        |future| lunation::spawn(future),
        |code| Box::pin(code.future()),
    );
}

fn spawn_detached(code: Code) {
    start(
        code,
        Capture::empty(),
        |future| lunation::spawn_detached(future),
        |code| Box::pin(code.future()),
    );
}

fn spawn_scoped(code: Code, store: usize) {
    let (number, capture) = model(|model, flow| {
        let number = model.number();
        (number, model.visible_with(flow, store, number))
    });
    let scope = Capture::of(capture).start();
    start(
        code,
        Capture::inherited(),
        |future| lunation::spawn(future),
        |code| ALL[store].scope(number, InFlow::new(scope, None, code.future())),
    );
}

/// A callback comes to an operation that waits: a task does it.
pub(crate) fn spawn_wait(stack: &Stack, op: &Op) {
    let body = [op.clone()].into();
    spawn(Code { body, depth: stack.depth + 1, task: stack.task });
}

// ---- callbacks ----

fn millis(op: &Op) -> Duration {
    Duration::from_millis(op.pick as u64 % 5)
}

fn callback(code: Code, op: &Op) {
    let ident = Ident::here();
    let capture = match op.kind {
        Kind::DetachedTimeout => Capture::empty(),
        _ => Capture::inherited(),
    };
    let once = Once::new(capture, &ident, code);
    match op.kind {
        Kind::NextTick => lunation::next_tick(|| once.call()),
        Kind::QueueMicrotask => lunation::queue_microtask(|| once.call()),
        Kind::Close => lunation::queue_close(ResourceKind::TcpWrap, || once.call()),
        Kind::Immediate => {
            let immediate = lunation::set_immediate(|| once.call());
            ident.set(immediate.async_id());
            desk(|desk| desk.immediates.push(immediate));
        }
        Kind::OnComplete => {
            let (completion, completer) = Completion::new(ResourceKind::User("WORK"));
            ident.set(completion.async_id());
            completion.on_complete(|_| once.call());
            finish(completer, (), op);
        }
        Kind::Timeout => {
            keep_timer(lunation::set_timeout(millis(op), || once.call()), &ident, None);
        }
        Kind::DetachedTimeout => {
            keep_timer(Timeout::detached(millis(op), || once.call()), &ident, None);
        }
        kind => unreachable!("{kind:?} is no callback"),
    }
}

fn keep_timer(handle: Timeout, ident: &Ident, plan: Option<Rc<Plan>>) {
    ident.set(handle.async_id());
    desk(|desk| desk.timers.push(TimerSlot { handle: Some(handle), plan }));
}

fn repeated(code: Code, op: &Op) {
    let (capture, ident) = (Capture::inherited(), Ident::here());
    let repeats = op.kind == Kind::Interval;
    let mut many = Many::new(capture, &ident, code, repeats);
    let plan = Some(many.plan());
    let call = move || many.call();
    let handle = if repeats {
        lunation::set_interval(millis(op), call)
    } else {
        lunation::refreshable_timeout(millis(op), call)
    };
    keep_timer(handle, &ident, plan);
}

/// Completes a completion: at once, later, or by giving up.
pub(crate) fn finish<T: Send + 'static>(completer: Completer<T>, value: T, op: &Op) {
    match op.pick % 3 {
        0 => completer.complete(value),
        1 => {
            Timeout::detached(millis(op), || completer.complete(value));
        }
        _ => drop(completer),
    }
}

/// A posted closure is `Send`: its body waits on the desk. It starts from nothing.
fn post(code: Code, kind: Kind) {
    let place = desk(|desk| {
        desk.posts.push(Some(code));
        desk.posts.len() - 1
    });
    let take = move || desk(|desk| desk.posts[place].take()).expect("a post runs once");
    let handle = Handle::current();
    if kind == Kind::Post {
        handle.post(move || {
            if nesting() == 0 {
                check_alive("before a post");
            }
            let hold = Hold::new(Capture::empty().start());
            in_flow(hold.0, Some(&Ident::fixed(0, 0)), || take().call());
        });
    } else {
        handle.spawn_with(move || {
            let flow = Capture::empty().start();
            let number = model(|model, _| model.number());
            let code = Code { task: number, ..take() };
            InFlow::new(flow, Some(Ident::here()), code.future())
        });
    }
}

// ---- timers ----

fn timer_step(op: &Op) -> bool {
    if op.kind == Kind::DropTimer {
        return callbacks::drop_handle(op.pick);
    }
    let slot = desk(|desk| {
        let wanted = |slot: &&TimerSlot| {
            slot.handle.is_some()
                && match op.kind {
                    Kind::RefreshFired => slot.is_fired(),
                    Kind::RefreshRunning | Kind::ClearRunning => slot.is_running(),
                    _ => true,
                }
        };
        let slots: Vec<_> = desk.timers.iter().filter(wanted).collect();
        choose(slots.len(), op.pick).map(|place| slots[place].clone())
    });
    let Some(slot) = slot else { return false };
    if !matches!(op.kind, Kind::ClearTimer | Kind::ClearRunning) {
        return callbacks::refresh(&slot);
    }
    callbacks::clear(&slot);
    true
}

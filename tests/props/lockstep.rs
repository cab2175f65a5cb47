//! Both sides in step: which flow the program says is running, and whether every read agrees.
//!
//! Flows come from the program's structure alone: a body, a closure or a future enters its flow
//! here, and the real runtime must have done the same.

use crate::model::{FlowId, GuardId, Model, STORES, Values};
use crate::stores::{self, Guard};
use lunation::{context, execution_async_id, trigger_async_id};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The resource of a flow. 0: the id is not known yet.
pub(crate) struct Ident {
    id: Cell<u64>,
    trigger: u64,
}

impl Ident {
    /// A resource made here, whose id is learnt when it first runs.
    pub(crate) fn here() -> Rc<Ident> {
        Rc::new(Ident { id: Cell::new(0), trigger: execution_async_id().get() })
    }

    pub(crate) fn fixed(id: u64, trigger: u64) -> Rc<Ident> {
        Rc::new(Ident { id: Cell::new(id), trigger })
    }

    pub(crate) fn set(&self, id: lunation::AsyncId) {
        self.id.set(id.get());
    }
}

struct World {
    model: Model,
    /// The running flows, the innermost last.
    running: Vec<(FlowId, Rc<Ident>)>,
    /// The resources that flows ran in last, for the failure handler.
    idents: HashMap<FlowId, Rc<Ident>>,
    failure: Option<String>,
    /// Whether nothing of the program may run: inside of a call that only queues.
    quiet: bool,
    /// What `misplaced_guards` was at the beginning.
    misplaced_before: u64,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Calls `f` with the model and the running flow. `f` must not touch the runtime.
pub(crate) fn model<R>(f: impl FnOnce(&mut Model, FlowId) -> R) -> R {
    WORLD.with_borrow_mut(|world| {
        let world = world.as_mut().expect("inside of a program");
        let flow = world.running.last().expect("there is always the root").0;
        f(&mut world.model, flow)
    })
}

/// Begins a program, outside of every runtime.
pub(crate) fn begin() {
    stores::forget_values();
    let mut model = Model::default();
    let root = model.start(&Values::default());
    model.hold(root);
    let running = vec![(root, Ident::fixed(1, 0))];
    let misplaced_before = context::misplaced_guards();
    WORLD.set(Some(World {
        model,
        running,
        idents: HashMap::new(),
        failure: None,
        quiet: false,
        misplaced_before,
    }));
}

/// Ends it: the first thing that was not equal.
pub(crate) fn end() -> Option<String> {
    check("the end");
    let alive = stores::live_values();
    expect(alive.is_empty(), || format!("values were not dropped: {alive:?}"));
    WORLD.take().expect("inside of a program").failure
}

/// Notes a failure. Not a panic: this is called while unwinding and in drops.
pub(crate) fn expect(condition: bool, message: impl FnOnce() -> String) {
    if condition {
        return;
    }
    let message = message();
    WORLD.with_borrow_mut(|world| {
        if let Some(world) = world
            && world.failure.is_none()
        {
            world.failure = Some(message);
        }
    });
}

/// Compares everything that can be read here.
pub(crate) fn check(place: &str) {
    let real = stores::read_all();
    let (id, trigger) = (execution_async_id().get(), trigger_async_id().get());
    let misplaced = context::misplaced_guards();
    WORLD.with_borrow_mut(|world| {
        let Some(world) = world else { return };
        let (flow, ident) = world.running.last().expect("there is always the root");
        let modelled: [_; STORES] = std::array::from_fn(|store| world.model.read(*flow, store));
        if ident.id.get() == 0 {
            ident.id.set(id);
        }
        let ids = (ident.id.get(), ident.trigger);
        let misplaced = misplaced - world.misplaced_before;
        let equal = real == modelled && ids == (id, trigger) && misplaced == world.model.misplaced;
        if !equal && world.failure.is_none() {
            world.failure = Some(format!(
                "{place}: read {real:?}, the model {modelled:?}; resource {id} triggered by \
                 {trigger}, the model {ids:?}; {misplaced} misplaced guards, the model {}",
                world.model.misplaced
            ));
        }
    });
}

/// No value lives that nothing can read any more. Only where nothing else runs: between two
/// callbacks the runtime may still hold what the last one has left.
pub(crate) fn check_alive(place: &str) {
    let alive = stores::live_values();
    let reachable = model(|model, _| model.reachable());
    let lost: Vec<_> = alive.iter().filter(|value| !reachable.contains(value)).collect();
    expect(lost.is_empty(), || format!("{place}: values {lost:?} are kept alive by nothing"));
}

/// How many flows are entered, the root apart.
pub(crate) fn nesting() -> usize {
    WORLD.with_borrow(|world| world.as_ref().map_or(0, |world| world.running.len() - 1))
}

/// Calls what must run nothing of the program: it only queues.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> R {
    set_quiet(true);
    let result = f();
    set_quiet(false);
    result
}

fn set_quiet(quiet: bool) {
    WORLD.with_borrow_mut(|world| {
        if let Some(world) = world {
            world.quiet = quiet;
        }
    });
}

/// Keeps a flow entered.
pub(crate) struct Entered(FlowId);

/// The program enters a flow; None: under the resource that is running.
pub(crate) fn enter(flow: FlowId, ident: Option<&Rc<Ident>>) -> Entered {
    WORLD.with_borrow_mut(|world| {
        let world = world.as_mut().expect("inside of a program");
        if world.quiet && world.failure.is_none() {
            world.failure = Some("something ran inside of a call that only queues".to_owned());
        }
        let ident = ident.unwrap_or(&world.running.last().expect("the root").1).clone();
        world.idents.insert(flow, ident.clone());
        world.running.push((flow, ident));
    });
    Entered(flow)
}

impl Drop for Entered {
    fn drop(&mut self) {
        let nested = WORLD.with_borrow_mut(|world| {
            let left = world.as_mut().and_then(|world| world.running.pop());
            left.is_some_and(|(flow, _)| flow == self.0)
        });
        expect(nested, || "bodies are not nested".to_owned());
    }
}

/// Keeps the values of a flow.
pub(crate) struct Hold(pub(crate) FlowId);

impl Hold {
    pub(crate) fn new(flow: FlowId) -> Hold {
        model(|model, _| model.hold(flow));
        Hold(flow)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        model(|model, _| model.let_go(self.0));
    }
}

/// The values that a thing holds.
pub(crate) struct Capture(u64);

impl Capture {
    pub(crate) fn of(values: Values) -> Capture {
        Capture(model(|model, _| model.register(values)))
    }

    /// As a snapshot does.
    pub(crate) fn all() -> Capture {
        Capture::of(model(|model, flow| model.visible(flow)))
    }

    /// As a new resource does.
    pub(crate) fn inherited() -> Capture {
        Capture::of(model(|model, flow| model.inherited(flow)))
    }

    pub(crate) fn empty() -> Capture {
        Capture::of(Values::default())
    }

    /// A new flow that starts from them.
    pub(crate) fn start(&self) -> FlowId {
        model(|model, _| {
            let values = model.captured(self.0);
            model.start(&values)
        })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        model(|model, _| model.unregister(self.0));
    }
}

/// Looks at the stores when it is dropped.
pub(crate) struct Probe(pub(crate) &'static str);

impl Drop for Probe {
    fn drop(&mut self) {
        check(self.0);
    }
}

/// A guard on both sides.
pub(crate) struct Held {
    real: Option<Box<dyn Guard>>,
    id: GuardId,
}

impl Held {
    pub(crate) fn new(real: Box<dyn Guard>, id: GuardId) -> Held {
        Held { real: Some(real), id }
    }

    pub(crate) fn forget(mut self) {
        if let Some(real) = self.real.take() {
            real.forget();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.real.is_some() {
            model(|model, flow| model.leave(flow, self.id));
            self.real = None;
            check("after the drop of a guard");
        }
    }
}

/// The payload of the panics of a program: the outermost flow that it has left.
#[derive(Default)]
pub(crate) struct Injected(Option<Hold>);

impl Injected {
    /// The failure handler runs in the resource that failed.
    pub(crate) fn handle(&self) {
        match &self.0 {
            Some(hold) => {
                let ident = WORLD.with_borrow(|world| {
                    world.as_ref().and_then(|world| world.idents.get(&hold.0).cloned())
                });
                let _entered = enter(hold.0, ident.as_ref());
                check("the failure handler");
            }
            None => expect(false, || "a panic was handled in no flow".to_owned()),
        }
    }
}

/// Whether a panic is one of the program's own.
pub(crate) fn is_injected(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Injected>()
}

/// Runs the body of a callback in its flow. A panic leaves it under the flow's name.
pub(crate) fn in_flow<R>(flow: FlowId, ident: Option<&Rc<Ident>>, f: impl FnOnce() -> R) -> R {
    let _hold = Hold::new(flow);
    let result = {
        let _entered = enter(flow, ident);
        check("a body begins");
        let result = catch_unwind(AssertUnwindSafe(f));
        check("a body ends");
        result
    };
    result.unwrap_or_else(|payload| resume_unwind(renamed(payload, flow)))
}

/// A panic that leaves the outermost flow is handled in it.
fn renamed(payload: Box<dyn Any + Send>, flow: FlowId) -> Box<dyn Any + Send> {
    if is_injected(&*payload) { Box::new(Injected(Some(Hold::new(flow)))) } else { payload }
}

/// A future in its flow: polls and drop.
pub(crate) struct InFlow<T> {
    hold: Hold,
    ident: Option<Rc<Ident>>,
    future: Option<Pin<Box<dyn Future<Output = T>>>>,
}

impl<T: 'static> InFlow<T> {
    pub(crate) fn new(
        flow: FlowId,
        ident: Option<Rc<Ident>>,
        future: impl Future<Output = T> + 'static,
    ) -> Pin<Box<InFlow<T>>> {
        Box::pin(InFlow { hold: Hold::new(flow), ident, future: Some(Box::pin(future)) })
    }
}

impl<T> Future for InFlow<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let flow = self.hold.0;
        if nesting() == 0 {
            check_alive("before a poll");
        }
        let result = {
            let _entered = enter(flow, self.ident.clone().as_ref());
            check("a poll begins");
            let future = self.future.as_mut().expect("present until the drop").as_mut();
            let result = catch_unwind(AssertUnwindSafe(|| future.poll(context)));
            check("a poll ends");
            result
        };
        result.unwrap_or_else(|payload| resume_unwind(renamed(payload, flow)))
    }
}

impl<T> Drop for InFlow<T> {
    fn drop(&mut self) {
        let result = {
            let _entered = enter(self.hold.0, self.ident.as_ref());
            check("the drop of a future begins");
            let future = self.future.take();
            let result = catch_unwind(AssertUnwindSafe(|| drop(future)));
            check("the drop of a future ends");
            result
        };
        result.unwrap_or_else(|payload| resume_unwind(renamed(payload, self.hold.0)));
    }
}

/// The output of a task. Unread it is dropped in the task's flow.
pub(crate) struct Output {
    hold: Hold,
    ident: Rc<Ident>,
    pub(crate) joined: bool,
}

impl Output {
    pub(crate) fn new(flow: FlowId, ident: Rc<Ident>) -> Output {
        Output { hold: Hold::new(flow), ident, joined: false }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.joined {
            check("the drop of a joined output");
        } else {
            let _entered = enter(self.hold.0, Some(&self.ident));
            check("the drop of an unread output");
        }
    }
}

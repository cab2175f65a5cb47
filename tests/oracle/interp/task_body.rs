//! The bodies of tasks: every statement, and those that wait.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use lunation::{Completion, JoinHandle};
use serde_json::json;

use super::inline::inline;
use super::machine::Machine;
use super::program::{Body, Slot, Stmt, Value};
use super::recorder::UNTRACED;
use super::sync::{Thrown, catch, throw};
use super::task::{Outcome, Task};

/// In what an async body runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flow {
    /// In the flow of its task.
    Task,
    /// In `arun` or `acall`: from the second poll on, in a frame of its own.
    Inline,
}

pub(super) type BodyFuture = Pin<Box<dyn Future<Output = Outcome>>>;

impl Machine {
    pub(super) fn spawn(self: &Rc<Self>, slot: Slot, body: &Body) {
        let machine = self.clone();
        let body = run_body(self, body, Flow::Task);
        let handle: JoinHandle<()> = lunation::spawn(async move {
            match body.await {
                Ok(()) => machine.entry("done", &[json!(slot)]),
                Err(thrown) => {
                    machine.entry("fail", &[json!(slot), json!(thrown.0)]);
                    throw(thrown);
                }
            }
        });
        let task = Rc::new(Task::new(slot, handle));
        self.slots.spawned.borrow_mut().push(task.clone());
        self.slots.tasks.put(slot, task);
    }
}

/// An async body. A `throw` that leaves it is an `Err`.
pub(super) fn run_body(machine: &Rc<Machine>, body: &Body, flow: Flow) -> BodyFuture {
    let (machine, body) = (machine.clone(), body.clone());
    Box::pin(async move {
        for stmt in body.iter() {
            if !machine.burn() {
                break;
            }
            step(&machine, stmt, flow).await?;
        }
        Ok(())
    })
}

async fn step(machine: &Rc<Machine>, stmt: &Stmt, flow: Flow) -> Outcome {
    match stmt {
        Stmt::Tick => lunation::microtask().await,
        Stmt::Sleep { ms } => machine.sleep(*ms).await,
        Stmt::YieldImmediate => lunation::immediate().await,
        Stmt::YieldIo => yield_io().await,
        Stmt::Join { slot } => {
            if let Some(task) = machine.slots.tasks.get(*slot) {
                task.join().await?;
            }
        }
        Stmt::Wait { slot } => machine.slots.events.named(*slot).wait().await,
        Stmt::Arun { als, value, body } => inline(machine, Some((*als, *value)), body).await?,
        Stmt::Acall { body } => inline(machine, None, body).await?,

        Stmt::Scope { als, value, body } => scope(machine, *als, *value, body, flow).await?,
        Stmt::Throw { value } => return Err(Thrown(value.clone())),
        Stmt::Try { body, handler } => {
            if let Err(thrown) = run_body(machine, body, flow).await {
                machine.caught(&thrown);
                run_body(machine, handler, flow).await?;
            }
        }
        Stmt::Repeat { times, body } => {
            for _ in 0..*times {
                run_body(machine, body, flow).await?;
            }
        }
        _ => catch(|| machine.step(stmt))?,
    }
    Ok(())
}

async fn yield_io() {
    let (completion, completer) = Completion::new(UNTRACED);
    completer.complete(());
    completion.await.expect("it was completed");
}

async fn scope(
    machine: &Rc<Machine>,
    als: usize,
    value: Value,
    body: &Body,
    flow: Flow,
) -> Outcome {
    let store = &machine.stores[als];
    match flow {
        Flow::Task => {
            let _guard = store.storage.enter(value.into());
            run_body(machine, body, flow).await
        }
        // A guard belongs to the flow it was made in, and this body changes its flow at its first
        // wait.
        Flow::Inline => {
            let prior = store.get();
            store.enter_with(value);
            let outcome = run_body(machine, body, flow).await;
            store.enter_with(prior);
            outcome
        }
    }
}

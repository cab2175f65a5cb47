//! Operations that wait, and futures that run others inside of the same task.

use crate::body::{Code, Stack};
use crate::desk::{self, choose, desk};
use crate::drive;
use crate::lockstep::{Capture, InFlow, check, expect, is_injected, model};
use crate::program::{Kind, Op};
use crate::stores::{ALL, Boxed};
use lunation::{Completion, JoinError, ResourceKind, time};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Whether only a future can do this.
pub(crate) fn is_wait(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        SnapshotScope
            | ResourceScope
            | Join
            | Sleep
            | Tick
            | Microtask
            | Yield
            | AwaitCompletion
            | Scope
            | Join2
            | Race
            | TimeLimit
    )
}

fn millis(op: &Op) -> Duration {
    Duration::from_millis(op.pick as u64 % 4)
}

/// Runs the operation if there is something to do it to.
pub(crate) async fn step(stack: &mut Stack, op: &Op) -> bool {
    match op.kind {
        Kind::Sleep => time::sleep(millis(op)).await,
        Kind::Tick => lunation::tick().await,
        Kind::Microtask => lunation::microtask().await,
        Kind::Yield => lunation::yield_now().await,
        Kind::Join => return join(stack, op).await,
        Kind::AwaitCompletion => await_completion(op).await,
        Kind::Scope => scoped(stack.code(op, 0), op.store).await,
        Kind::SnapshotScope => {
            let snap = desk::snapshot(op.pick);
            let body = stack.code(op, 0).future();
            snap.real.scope(InFlow::new(snap.capture.start(), None, body)).await;
        }
        Kind::ResourceScope => {
            let own = desk::resource(op.pick);
            let code = stack.code(op, 0);
            let (flow, ident) = (own.capture.start(), own.ident.clone());
            let keep = own.clone();
            let body = async move {
                let _keep = keep;
                code.future().await;
            };
            own.real.scope(InFlow::new(flow, Some(ident), body)).await;
        }
        Kind::TimeLimit => {
            let body = branch(stack.code(op, 0), op, op.pick & 1 == 0);
            let _ = time::timeout(millis(op), body).await;
        }
        Kind::Join2 | Kind::Race => {
            let one = branch(stack.code(op, 0), op, op.pick & 1 == 0);
            let two = branch(stack.code(op, 1), op, op.pick & 2 == 0);
            let wanted = if op.kind == Kind::Join2 { 2 } else { 1 };
            Branches { branches: vec![one, two], wanted }.await;
        }
        kind => unreachable!("{kind:?} does not wait"),
    }
    true
}

async fn join(stack: &Stack, op: &Op) -> bool {
    let task = desk(|desk| {
        let later = desk.tasks.iter().enumerate().filter(|(_, task)| task.number > stack.task);
        let places: Vec<_> = later.map(|(place, _)| place).collect();
        choose(places.len(), op.pick).map(|place| desk.tasks.swap_remove(places[place]))
    });
    let Some(task) = task else { return false };
    match task.handle.await {
        Ok(mut output) => output.joined = true,
        Err(JoinError::Cancelled) => {}
        Err(JoinError::Panicked(payload)) => {
            expect(is_injected(&*payload), || "a task failed by itself".to_owned());
        }
    }
    true
}

/// Waits for work that carries the capture of its resource, which lives as long.
async fn await_completion(op: &Op) {
    let capture = Capture::inherited();
    let (completion, completer) = Completion::<Option<Capture>>::new(ResourceKind::User("WORK"));
    let value = if op.pick % 3 == 2 {
        desk(|desk| desk.captures.push(capture));
        None
    } else {
        Some(capture)
    };
    drive::finish(completer, value, op);
    let _ = completion.await;
}

/// `scope` around a body.
fn scoped(code: Code, store: usize) -> Boxed {
    let (number, values) = model(|model, flow| {
        let number = model.number();
        (number, model.visible_with(flow, store, number))
    });
    let flow = Capture::of(values).start();
    ALL[store].scope(number, InFlow::new(flow, None, code.future()))
}

/// A body that shares this flow, or has one of its own.
fn branch(code: Code, op: &Op, own_flow: bool) -> Boxed {
    if own_flow { scoped(code, op.store) } else { Box::pin(code.future()) }
}

/// Polls branches in turn until so many have ended; the others are dropped then.
struct Branches {
    branches: Vec<Boxed>,
    wanted: usize,
}

impl Future for Branches {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut place = 0;
        while place < self.branches.len() && self.wanted > 0 {
            if self.branches[place].as_mut().poll(context).is_ready() {
                self.wanted -= 1;
                drop(self.branches.remove(place));
                check("a branch has ended");
            } else {
                place += 1;
            }
        }
        if self.wanted > 0 {
            return Poll::Pending;
        }
        self.branches.clear();
        Poll::Ready(())
    }
}

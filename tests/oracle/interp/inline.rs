//! `arun` and `acall`: `await als.run(value, async () => body)` and `await (async () => body)()`.
//!
//! A Rust future awaited in place shares the frame of its task. In Node the inner function has a
//! context of its own from its first wait on, and its caller goes on one tick after its end. This
//! is written in user's terms: the frame the inner body goes on with is a `Snapshot`.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use lunation::Snapshot;

use super::machine::Machine;
use super::program::{Body, Value};
use super::task::Outcome;
use super::task_body::{BodyFuture, Flow, run_body};

/// Runs the body in place up to its first wait, then in the frame it had there; `set` as `als.run`
/// does.
pub(super) async fn inline(
    machine: &Rc<Machine>,
    set: Option<(usize, Value)>,
    body: &Body,
) -> Outcome {
    let mut restore = None;
    if let Some((als, value)) = set {
        let store = &machine.stores[als];
        let prior = store.get();
        if prior != value {
            store.enter_with(value);
            restore = Some((als, prior));
        }
    }
    let body = run_body(machine, body, Flow::Inline);
    let outcome = Inner { machine: machine.clone(), body, restore, kept: None }.await;
    lunation::microtask().await;
    outcome
}

struct Inner {
    machine: Rc<Machine>,
    body: BodyFuture,
    /// What the caller's instance is set back to at the first wait.
    restore: Option<(usize, Value)>,
    /// The frame the body goes on with; none before its first poll.
    kept: Option<Snapshot>,
}

impl Inner {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let polled = self.body.as_mut().poll(cx);
        self.kept = Some(Snapshot::capture());
        polled
    }
}

impl Future for Inner {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        if let Some(kept) = self.kept.take() {
            return kept.run(|| self.poll_body(cx));
        }
        let polled = self.poll_body(cx);
        if let Some((als, prior)) = self.restore.take() {
            self.machine.stores[als].enter_with(prior);
        }
        polled
    }
}

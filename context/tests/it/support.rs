//! An ordered journal, a drop counter and a hand-driven poll.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::process::{Command, Output};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What happened, in order; compared whole.
#[derive(Clone, Default)]
pub(crate) struct Journal(Rc<RefCell<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, what: impl Display) {
        self.0.borrow_mut().push(what.to_string());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Adds one to its counter on drop.
#[derive(Clone)]
pub(crate) struct Counted(pub(crate) Rc<Cell<u32>>);

impl Counted {
    pub(crate) fn new(counter: &Rc<Cell<u32>>) -> Counted {
        Counted(Rc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Calls its closure on drop.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Polls once without a waker.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Is pending once.
#[derive(Default)]
pub(crate) struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// What a test that [`run_child`] has started is to do; `None` in the ordinary run.
pub(crate) fn child_role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Runs one test of this binary in a process of its own.
pub(crate) fn run_child(test: &str, role: &str) -> Output {
    Command::new(std::env::current_exe().expect("a test binary"))
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role)
        .output()
        .expect("the child runs")
}

const ROLE: &str = "LUNATION_TEST_ROLE";

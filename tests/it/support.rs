//! A journal of what happened, and runtimes to make it happen in.

use lunation::{AsyncHooks, AsyncId, ResourceKind, ResourceRef, Runtime};
use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;

/// An ordered list of what happened. Clones are the same journal.
#[derive(Clone, Default)]
pub(crate) struct Journal(Rc<RefCell<Vec<String>>>);

impl Journal {
    pub(crate) fn add(&self, entry: impl Display) {
        self.0.borrow_mut().push(entry.to_string());
    }

    /// A callback that adds an entry.
    pub(crate) fn adds(&self, entry: &'static str) -> impl Fn() + Clone + 'static + use<> {
        let journal = self.clone();
        move || journal.add(entry)
    }

    /// Something that adds an entry when it is dropped.
    pub(crate) fn on_drop(&self, entry: &'static str) -> OnDrop {
        OnDrop(self.clone(), entry)
    }

    /// All entries so far, joined by spaces; the journal is empty then.
    pub(crate) fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

pub(crate) struct OnDrop(Journal, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// A runtime with a virtual clock.
pub(crate) fn paused() -> Runtime {
    Runtime::builder().start_paused(true).build().expect("a runtime")
}

/// Runs `main` as a script, then the loop to its end; returns what the journal says.
pub(crate) fn script(main: impl FnOnce(&Journal)) -> String {
    let journal = Journal::default();
    let runtime = paused();
    runtime.enter(|| main(&journal));
    runtime.run_to_idle();
    journal.take()
}

/// The text of the panic that `result` must be.
pub(crate) fn message(result: std::thread::Result<()>) -> String {
    *result.expect_err("a panic").downcast::<String>().expect("a text")
}

/// Whether this process runs one test alone, with one thread in the pool. If not, starts one that
/// runs `test`, and expects it to pass.
pub(crate) fn alone(test: &str) -> bool {
    const POOL: &str = "BLOCKING_MAX_THREADS";
    if std::env::var(POOL).is_ok_and(|threads| threads == "1") {
        return true;
    }
    let this = std::env::current_exe().expect("the test binary");
    let child = std::process::Command::new(this).args(["--exact", test]).env(POOL, "1").output();
    let child = child.expect("the test binary runs");
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
    false
}

/// What a child process of [`in_child_with`] is to do; None in the test itself.
pub(crate) fn case() -> Option<String> {
    std::env::var(CASE).ok()
}

const CASE: &str = "LUNATION_TEST_CASE";

/// Runs `test` of this binary in a process of its own, where [`case`] is set; how that has ended.
pub(crate) fn in_child_with(test: &str, case: &str) -> std::process::Output {
    let this = std::env::current_exe().expect("the test binary");
    let mut child = std::process::Command::new(this);
    child.args(["--exact", test, "--nocapture"]).env(CASE, case);
    // Its failures are wanted, their backtraces are not.
    child.env("RUST_BACKTRACE", "0").output().expect("the test binary runs")
}

/// Adds what hooks see: kind and creating file of each new resource, and the events without ids.
pub(crate) struct HookEvents(pub(crate) Journal);

impl AsyncHooks for HookEvents {
    fn init(&self, _: AsyncId, kind: ResourceKind, _: AsyncId, resource: &ResourceRef) {
        self.0.add(format_args!("{kind} {}", resource.location().file()));
    }

    fn before(&self, _: AsyncId) {
        self.0.add("before");
    }

    fn after(&self, _: AsyncId) {
        self.0.add("after");
    }

    fn destroy(&self, _: AsyncId) {
        self.0.add("destroy");
    }
}

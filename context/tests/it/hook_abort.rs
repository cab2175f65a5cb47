//! A panic in a hook prints the resource and aborts the process: tried in a child process.

use lunation_context::{
    AsyncHooks, AsyncId, AsyncResource, ResourceKind, ResourceRef, create_hook, hooks,
};

use crate::support::{child_role, run_child};

const CHILD: &str = "hook_abort::child_process";

struct Panicking(String);

impl Panicking {
    fn on(&self, event: &str) {
        assert!(self.0 != event, "boom in {event}");
    }
}

impl AsyncHooks for Panicking {
    fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.on("init");
    }
    fn before(&self, _: AsyncId) {
        self.on("before");
    }
    fn after(&self, _: AsyncId) {
        self.on("after");
    }
    fn destroy(&self, _: AsyncId) {
        self.on("destroy");
    }
}

/// Does nothing unless it is the child process of the test below.
#[test]
fn child_process() {
    let Some(event) = child_role() else { return };
    create_hook(Panicking(event)).enable();
    let resource = AsyncResource::new("DOOMED");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        resource.run_in_async_scope(|| ());
    }));
    drop(caught);
    drop(resource);
    hooks::flush_destroys();
}

#[test]
fn a_panic_in_a_hook_aborts() {
    let expected = [
        ("init", "hook panicked in init of DOOMED(2): boom in init"),
        ("before", "hook panicked in before of DOOMED(2): boom in before"),
        ("after", "hook panicked in after of DOOMED(2): boom in after"),
        ("destroy", "hook panicked in destroy of DOOMED(2): boom in destroy"),
    ];
    for (event, message) in expected {
        let output = run_child(CHILD, event);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{event}: {stderr}");
        assert_eq!(output.status.code(), None, "{event} ended without a signal: {stderr}");
        assert!(stderr.contains(message), "{event}: {stderr}");
    }
    assert!(run_child(CHILD, "none").status.success());
}

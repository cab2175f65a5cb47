//! The running resource as an object: in all that runs in it, the one that `init` was given.
//!
//! ```text
//! main: id 1: nothing attached
//! init FSREQCALLBACK
//! before: the FSREQCALLBACK that init saw
//! after: the FSREQCALLBACK that init saw
//! init Timeout
//! before: the Timeout that init saw
//! callback: the Timeout that init saw
//! after: the Timeout that init saw
//! ```

use lunation::fs::File;
use lunation::{
    AsyncHooks, AsyncId, ResourceKind, ResourceRef, Runtime, create_hook, execution_async_resource,
    set_timeout,
};
use std::time::Duration;

/// What `init` attaches to a resource.
struct Seen(ResourceKind);

fn print(place: &str) {
    match execution_async_resource().extensions().get::<Seen>() {
        Some(seen) => println!("{place}: the {} that init saw", seen.0),
        None => println!("{place}: nothing attached"),
    }
}

struct Attach;

impl AsyncHooks for Attach {
    fn init(&self, _: AsyncId, kind: ResourceKind, _: AsyncId, resource: &ResourceRef) {
        resource.extensions().insert(Seen(kind));
        println!("init {kind}");
    }

    fn before(&self, _: AsyncId) {
        print("before");
    }

    fn after(&self, _: AsyncId) {
        print("after");
    }
}

pub(crate) fn main() {
    let runtime = Runtime::new();
    create_hook(Attach).enable();
    runtime.block_on(async {
        print(&format!("main: id {}", execution_async_resource().id()));
        File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).await.expect("a file");
    });
    runtime.enter(|| set_timeout(Duration::from_millis(1), || print("callback")));
    runtime.run_to_idle();
}

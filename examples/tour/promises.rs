//! Promises and their hooks. Here a task is what a promise is there, and it always has an id.
//!
//! ```text
//! without hooks: a task has an id and a trigger
//! init TASK 1, trigger main
//! init TASK 2, trigger 1
//! before 1
//! resolve 1
//! after 1
//! before 2
//! id - trigger = 1
//! resolve 2
//! after 2
//! ```
//!
//! Node gives a promise an id only while a hook is enabled, and the function that makes one runs
//! in its caller, without `before` and `after`:
//!
//! ```text node
//! without hooks: id 0, trigger 0
//! init PROMISE 1, trigger main
//! resolve 1
//! init PROMISE 2, trigger 1
//! before 2
//! id - trigger = 1
//! resolve 2
//! after 2
//! ```

use lunation::{
    AsyncHooks, AsyncId, ResourceKind, ResourceRef, create_hook, execution_async_id, spawn, task,
    trigger_async_id,
};
use std::cell::Cell;

/// Prints events, with ids counted from the first task it sees.
#[derive(Default)]
struct Promises {
    first: Cell<u64>,
}

impl Promises {
    fn number(&self, id: AsyncId) -> u64 {
        id.get() - self.first.get() + 1
    }
}

impl AsyncHooks for Promises {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
        if self.first.get() == 0 {
            self.first.set(id.get());
            return println!("init {kind} 1, trigger main");
        }
        println!("init {kind} {}, trigger {}", self.number(id), self.number(trigger));
    }

    fn before(&self, id: AsyncId) {
        println!("before {}", self.number(id));
    }

    fn after(&self, id: AsyncId) {
        println!("after {}", self.number(id));
    }

    fn promise_resolve(&self, id: AsyncId) {
        println!("resolve {}", self.number(id));
    }
}

fn ids() -> (u64, u64) {
    (execution_async_id().get(), trigger_async_id().get())
}

#[lunation::main]
pub(crate) async fn main() {
    let (id, trigger) = spawn(async { ids() }).await.expect("no panic");
    assert!(id > 1 && trigger == 1);
    println!("without hooks: a task has an id and a trigger");

    create_hook(Promises::default()).enable();
    let promise = spawn(async { true });
    let then = task::Builder::new().trigger(promise.async_id()).spawn(async {
        promise.await.expect("no panic");
        let (id, trigger) = ids();
        println!("id - trigger = {}", id - trigger);
    });
    then.await.expect("no panic");
}

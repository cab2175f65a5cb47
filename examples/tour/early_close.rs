//! Resources may end before anything has run in them: `init` does not promise a `before`.
//!
//! ```text
//! init Timeout
//! init TCPSERVERWRAP
//! destroy Timeout
//! destroy TCPSERVERWRAP
//! ```

use lunation::net::TcpListener;
use lunation::{
    AsyncHooks, AsyncId, ResourceKind, ResourceRef, Runtime, clear_timeout, create_hook,
    set_timeout,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
struct Life(RefCell<HashMap<AsyncId, ResourceKind>>);

impl Life {
    fn print(&self, event: &str, id: AsyncId) {
        println!("{event} {}", self.0.borrow()[&id]);
    }
}

impl AsyncHooks for Life {
    fn init(&self, id: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.0.borrow_mut().insert(id, kind);
        self.print("init", id);
    }

    fn before(&self, id: AsyncId) {
        self.print("before", id);
    }

    fn after(&self, id: AsyncId) {
        self.print("after", id);
    }

    fn destroy(&self, id: AsyncId) {
        self.print("destroy", id);
    }
}

pub(crate) fn main() {
    let runtime = Runtime::new();
    create_hook(Life::default()).enable();
    runtime.block_on(async {
        clear_timeout(&set_timeout(Duration::from_millis(10), || {}));
        drop(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
    });
    runtime.run_to_idle();
}

//! The trace that explains ids: kind, id, trigger and execution id of all that is made, indented by
//! what was running. By execution: main, tick, timeout. By trigger: main, server, tick, timeout.
//!
//! ```text
//! TCPSERVERWRAP(2): trigger: 1 execution: 1
//! TickObject(3): trigger: 2 execution: 1
//! before:  3
//!   Timeout(4): trigger: 3 execution: 3
//! after:  3
//! destroy:  3
//! before:  4
//! >>> 4
//!   TickObject(5): trigger: 4 execution: 4
//! after:  4
//! before:  5
//! after:  5
//! destroy:  4
//! destroy:  5
//! ```

use lunation::net::TcpListener;
use lunation::{
    AsyncHooks, AsyncId, AsyncResource, ResourceKind, ResourceRef, Runtime, create_hook,
    execution_async_id, next_tick, set_timeout, tick,
};
use std::cell::Cell;
use std::time::Duration;

#[derive(Default)]
struct Indented(Cell<usize>);

impl Indented {
    fn print(&self, line: &str) {
        println!("{:indent$}{line}", "", indent = self.0.get());
    }
}

impl AsyncHooks for Indented {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
        let execution = execution_async_id();
        self.print(&format!("{kind}({id}): trigger: {trigger} execution: {execution}"));
    }

    fn before(&self, id: AsyncId) {
        self.print(&format!("before:  {id}"));
        self.0.set(self.0.get() + 2);
    }

    fn after(&self, id: AsyncId) {
        self.0.set(self.0.get() - 2);
        self.print(&format!("after:  {id}"));
    }

    fn destroy(&self, id: AsyncId) {
        self.print(&format!("destroy:  {id}"));
    }
}

/// Node's `net.createServer().listen(callback)`: the callback is a tick that the server triggers.
async fn listen(callback: impl FnOnce()) -> TcpListener {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let listening = AsyncResource::builder(ResourceKind::TickObject).trigger(server.async_id());
    let listening = listening.build();
    tick().await;
    listening.run_in_async_scope(callback);
    server
}

/// Node's `console.log`: a tick ends the write.
fn log(message: &str) {
    println!("{message}");
    next_tick(|| {});
}

pub(crate) fn main() {
    let runtime = Runtime::new();
    let hook = create_hook(Indented::default());
    hook.enable();
    let _server = runtime.block_on(listen(|| {
        set_timeout(Duration::from_millis(10), || log(&format!(">>> {}", execution_async_id())));
    }));
    runtime.run_to_idle();
    hook.disable();
}

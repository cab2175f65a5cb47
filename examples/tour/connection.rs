//! Who caused it, and where was it made? A connection is triggered by the server, and made by the
//! loop, which is 0: no code of the program is running then.
//!
//! ```text
//! TCPSERVERWRAP: made in main, triggered by main
//! TCPWRAP: made in the loop, triggered by the server
//! ```

use lunation::net::TcpListener;
use lunation::{AsyncHooks, AsyncId, ResourceKind, ResourceRef, create_hook, execution_async_id};
use std::cell::Cell;
use std::net::TcpStream;

#[derive(Default)]
struct Print {
    server: Cell<Option<AsyncId>>,
}

impl Print {
    fn name(&self, id: AsyncId) -> &'static str {
        match id.get() {
            0 => "the loop",
            1 => "main",
            _ if self.server.get() == Some(id) => "the server",
            _ => "something else",
        }
    }
}

impl AsyncHooks for Print {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
        let (made, trigger) = (self.name(execution_async_id()), self.name(trigger));
        println!("{kind}: made in {made}, triggered by {trigger}");
        if kind == ResourceKind::TcpServerWrap {
            self.server.set(Some(id));
        }
    }
}

#[lunation::main]
pub(crate) async fn main() {
    create_hook(Print::default()).enable();
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = server.local_addr().expect("a bound listener has an address");
    let _client = TcpStream::connect(address).expect("the server listens"); // unknown to the loop
    server.accept().await.expect("a connection");
}

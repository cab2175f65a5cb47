//! Storage made by hand, of hooks and resources: whatever is made takes over the state of what is
//! running. This is how `AsyncLocalStorage` once worked in Node.
//!
//! ```text
//! {"state":"/a"}
//! {"state":"/b"}
//! ```

use crate::client::get;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use lunation::net::TcpListener;
use lunation::{
    AsyncHooks, AsyncId, ResourceKind, ResourceRef, create_hook, execution_async_resource, http,
    spawn, time,
};
use std::convert::Infallible;
use std::time::Duration;

#[derive(Clone)]
struct State(String);

struct Inherit;

impl AsyncHooks for Inherit {
    fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, resource: &ResourceRef) {
        if let Some(state) = execution_async_resource().extensions().get::<State>() {
            resource.extensions().insert(State::clone(&state));
        }
    }
}

/// The state of whatever is running now.
async fn answer() -> String {
    time::sleep(Duration::from_millis(10)).await;
    let state = execution_async_resource().extensions().get::<State>();
    format!("{{\"state\":\"{}\"}}", state.map_or_else(String::new, |state| state.0.clone()))
}

async fn handle(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let state = State(request.uri().path().to_owned());
    execution_async_resource().extensions().insert(state);
    let body = spawn(answer()).await.expect("no panic");
    Ok(Response::new(body.into()))
}

#[lunation::main]
pub(crate) async fn main() {
    create_hook(Inherit).enable();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let server = spawn(http::serve(listener, service_fn(handle)).into_future());

    let (a, b) = (spawn(get(address, "/a")), spawn(get(address, "/b")));
    for body in [a, b] {
        println!("{}", body.await.expect("no panic").expect("an answer"));
    }
    server.abort();
}

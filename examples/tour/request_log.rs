//! An HTTP server whose log knows the request, though nothing is passed to it.
//!
//! ```text
//! 0: start
//! 0: finish
//! 1: start
//! 1: finish
//! ```

use crate::client::get;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use lunation::net::TcpListener;
use lunation::{AsyncLocalStorage, http, immediate, spawn};
use std::cell::Cell;
use std::convert::Infallible;

static REQUEST_ID: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

fn log_with_id(message: &str) {
    match REQUEST_ID.cloned() {
        Some(id) => println!("{id}: {message}"),
        None => println!("-: {message}"),
    }
}

async fn handle(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    log_with_id("start");
    immediate().await; // here may stand any number of asynchronous calls
    log_with_id("finish");
    Ok(Response::default())
}

#[lunation::main]
pub(crate) async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let next_id = Cell::new(0);
    let server = http::serve(listener, service_fn(handle))
        .on_request(move |_| REQUEST_ID.enter_with(next_id.replace(next_id.get() + 1)));
    let server = spawn(server.into_future());

    for _ in 0..2 {
        get(address, "/").await.expect("an answer");
    }
    server.abort();
}

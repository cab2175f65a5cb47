//! An HTTP/1.1 server and client on hyper in which each request is an async resource.
//!
//! [`serve`] answers the connections of a listener with a hyper service. One request is one
//! `HTTPINCOMINGMESSAGE` resource, whose trigger is its socket, and one flow: the service's call,
//! its future, the response body, which hyper polls after the future has ended, and the drops of
//! all of them run in it. So a store that is set at the beginning of a request is read everywhere
//! in it and in nothing else, on one keep-alive connection as on many. A [`Client`] does the same
//! for the requests that are sent; what both tell is in [`channels`].
//!
//! ```
//! use std::convert::Infallible;
//!
//! use ::hyper::{Request, Response, body::Incoming, service::service_fn};
//! use lunation::{AsyncLocalStorage, Runtime, http, net::TcpListener, net::TcpStream};
//!
//! static PATH: AsyncLocalStorage<String> = AsyncLocalStorage::new();
//!
//! async fn answer(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new(PATH.cloned().unwrap_or_default()))
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! Runtime::new().block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = http::serve(listener, service_fn(answer))
//!         .on_request(|parts| PATH.enter_with(parts.uri.path().to_owned()));
//!     lunation::spawn(server.into_future());
//!
//!     let mut client = TcpStream::connect(address).await?;
//!     client.write_all(b"GET /moon HTTP/1.1\r\nConnection: close\r\n\r\n").await?;
//!     let mut answer = vec![0; 500];
//!     let length = client.read(&mut answer).await?;
//!     assert!(answer[..length].ends_with(b"/moon"));
//!     Ok(())
//! })
//! # }
//! ```

// In reading order: a module imports only from the ones above it.
pub mod channels;

mod failure;

mod progress;

mod deadline;
mod watched;

mod flow;

mod stop;

mod shared;

mod answer;

mod connection;

mod server;

mod client;

pub use client::{Client, ClientBuilder, Error, ResponseBody};
pub use failure::Failure;
pub use server::{Serve, serve};

//! Opening a connection, and the task that drives it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use hyper::client::conn::http1;
use lunation_executor::{TaskBuilder, lookup_host};
use lunation_reactor::net::TcpStream;

use crate::http::client::exchange::RequestBody;
use crate::http::client::pool::{Connection, Lease, Permit};

/// Opens a connection in the caller's context. What drives it starts from the empty one: it
/// outlives the request that happened to need it.
pub(super) async fn connect(permit: Permit) -> io::Result<Lease> {
    let host = permit.host().clone();
    let addresses = lookup_host(&*host.name).await?;
    let stream = TcpStream::connect(&*addresses).await?;
    // Requests are written whole: nothing is gained by waiting for more. Not a reason to fail.
    let _ = stream.set_nodelay(true);
    let connection = Rc::new(Connection::new(host, stream.pooled()));
    let (sender, driver) = http1::handshake(stream).await.map_err(io::Error::other)?;
    let driven = drive(permit, Driven(connection.clone()), driver);
    drop(TaskBuilder::new().name("http client connection").detached(true).spawn(driven));
    Ok(Lease::new(connection, sender))
}

/// The driver's hold on its connection: however the driver ends, also with its runtime, nobody gets
/// the connection again.
struct Driven(Rc<Connection>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs a connection to its end. What goes wrong is told to the request that it goes wrong for.
async fn drive(_permit: Permit, driven: Driven, driver: http1::Connection<TcpStream, RequestBody>) {
    let mut driver = pin!(driver);
    poll_fn(|cx| {
        let polled = driver.as_mut().poll(cx);
        driven.0.settle(cx);
        polled.map(|_told| ())
    })
    .await;
}

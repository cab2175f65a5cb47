//! A client on hyper that keeps its connections for the next request, and no request's context.

// A module imports only from the ones above it.
mod error;

mod exchange;

mod pool;

mod connect;

mod response;

mod request;

use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::{Body, Bytes};
use hyper::{Request, Response};

use pool::{Limits, Pool};
use request::Call;

pub use error::Error;
pub use response::ResponseBody;

/// A client for `http://` addresses that keeps connections alive: Node's `http.request` with an
/// `http.Agent`. Clones share the connections.
///
/// One request is one `HTTPCLIENTREQUEST` resource, triggered by the caller, in the context of the
/// call of [`request`](Self::request): it starts when the request has a socket, its body is polled
/// in it, and it ends with the response. A connection belongs to one request after the other: with
/// each it becomes a new resource in that request's context, and between them it has none. So no
/// request meets the context of another, however they share connections, and the pool keeps no
/// context alive.
///
/// ```
/// use ::hyper::{Request, Response, body::Incoming, service::service_fn};
/// use lunation::{Runtime, http, net::TcpListener, spawn};
/// use std::convert::Infallible;
///
/// async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
///     Ok(Response::new(format!("you asked for {}", request.uri())))
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// Runtime::new().block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     spawn(http::serve(listener, service_fn(answer)).into_future());
///
///     let client = http::Client::new();
///     let request = Request::get(format!("http://{address}/moon")).body(String::new())?;
///     let response = client.request(request).await?;
///     assert_eq!(response.status(), 200);
///     assert_eq!(response.into_body().bytes().await?, "you asked for /moon");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    pool: Rc<Pool>,
}

impl Client {
    /// A client with the settings of [`Client::builder`], which are Node's.
    pub fn new() -> Client {
        Client::builder().build()
    }

    /// Settings for a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder(Limits {
            keep_alive: true,
            max_sockets: usize::MAX,
            max_free_sockets: 256,
            idle_timeout: Duration::from_secs(5),
        })
    }

    /// Sends a request when there is a socket for it, and returns the response when its head has
    /// arrived. The URI is absolute, without a user: `http://host:port/path?query`; a `Host` header
    /// is added. Node: `http.request`.
    ///
    /// The context is that of this call, wherever the future is polled. The body is polled in the
    /// request's resource; a panic of it is an error. The connection it was sent on lies among the
    /// response's extensions as a [`PooledSocket`](crate::net::PooledSocket).
    ///
    /// There is no time limit: use [`time::timeout`](crate::time::timeout). A request that meets a
    /// kept connection which the server has just closed is sent again on another one, if nothing
    /// of it has been sent.
    ///
    /// Dropping the future cancels the request and closes its connection.
    ///
    /// # Errors
    /// The URI is not absolute or not `http`, names a user or no possible port; the host is unknown
    /// or cannot be reached; the exchange breaks off. See [`Error`].
    ///
    /// # Panics
    /// The future panics outside of a runtime.
    #[track_caller]
    pub fn request<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Error>> + use<B>
    where
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Call::begin(Location::caller(), self.pool.clone(), request)
    }

    /// Closes the connections that wait for a next request. Node: `agent.destroy()`, which closes
    /// those in use as well.
    pub fn close_idle(&self) {
        self.pool.close_idle();
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

/// Settings of a [`Client`]. Node: the options of `http.Agent`.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder(Limits);

impl ClientBuilder {
    /// Whether connections are kept for the next request; true by default. If not, each request
    /// says `Connection: close`. Node: `keepAlive`.
    pub fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.0.keep_alive = keep_alive;
        self
    }

    /// How many connections to one host there may be; further requests wait for one, in order.
    /// Without a limit by default; zero counts as one. Node: `maxSockets`.
    pub fn max_sockets(mut self, sockets: usize) -> Self {
        self.0.max_sockets = sockets.max(1);
        self
    }

    /// How many connections to one host may wait for a next request; 256 by default. Node:
    /// `maxFreeSockets`.
    pub fn max_free_sockets(mut self, sockets: usize) -> Self {
        self.0.max_free_sockets = sockets;
        self
    }

    /// How long a connection may wait for its next request; 5 s by default. Node: `timeout`.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.0.idle_timeout = timeout;
        self
    }

    /// Makes the client.
    pub fn build(self) -> Client {
        Client { pool: Rc::new(Pool::new(self.0)) }
    }
}

//! The server: accepts until it is told to stop, then lets its connections finish.

use std::error::Error;
use std::future::{pending, poll_fn};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::service::Service;
use hyper::{Request, Response};
use lunation_context::Frame;
use lunation_executor::{JoinError, JoinSet, TaskBuilder, time};
use lunation_reactor::net::{TcpListener, TcpStream};

use crate::http::connection::drive;
use crate::http::deadline::Limits;
use crate::http::failure::Failure;
use crate::http::shared::Shared;
use crate::http::stop::Stop;

/// The pause after a connection could not be accepted.
const RETRY: Duration = Duration::from_millis(100);

/// Limits beyond this are cut to it, so that deadlines stay within what an `Instant` can say.
const LONGEST_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

type Signal = Pin<Box<dyn Future<Output = ()>>>;

/// Answers the connections of `listener` with `service`: Node's `http.createServer`.
///
/// The service is hyper's, usually [`service_fn`](hyper::service::service_fn) of an async function;
/// neither it nor its futures and bodies need be `Send`. Await the result, or spawn it: it runs
/// until its [graceful shutdown](Serve::with_graceful_shutdown). Dropping it ends the server and
/// all its connections.
///
/// The context is captured once, by this call. Connections and requests start from it; what one
/// request sets is seen in it alone. See the [module](crate::http) for what runs in a request.
///
/// A panic of the service or its future is a response 500; one of the response body, and an error
/// of either, ends the connection. The server goes on after all of them, and also when the process
/// runs out of descriptors: it tries to accept again after a pause.
#[track_caller]
pub fn serve<S, B>(listener: TcpListener, service: S) -> Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let shared = Shared {
        service,
        on_request: None,
        report: Rc::new(Failure::report),
        frame: Frame::inherit(),
        site: Location::caller(),
        limits: Limits { header: Duration::from_secs(10), idle: Duration::from_secs(75) },
        stop: Stop::default(),
    };
    Serve { listener, shared, signal: None, grace: Duration::from_secs(5) }
}

/// A server: see [`serve`].
#[must_use = "a server does nothing unless awaited"]
pub struct Serve<S> {
    listener: TcpListener,
    shared: Shared<S>,
    signal: Option<Signal>,
    grace: Duration,
}

impl<S> Serve<S> {
    /// Runs `f` first in every request: the place to set stores with
    /// [`enter_with`](crate::AsyncLocalStorage::enter_with). They last until the end of the
    /// response body. A panic is a response 500.
    ///
    /// The first lines of a handler are as good a place, and spare taking the request apart.
    pub fn on_request(mut self, f: impl Fn(&Parts) + 'static) -> Self {
        self.shared.on_request = Some(Box::new(f));
        self
    }

    /// Runs `f` when something has failed; a panic is told inside the request that panicked.
    /// Default: failures to accept are a [`Warning`](crate::Warning), nothing else is told.
    pub fn on_failure(mut self, f: impl Fn(&Failure) + 'static) -> Self {
        self.shared.report = Rc::new(f);
        self
    }

    /// How long a request's head may take from its first byte; then the connection is closed.
    /// Default: 10 s; more than a year is a year.
    ///
    /// What comes after a response counts as the next head, also if it is the rest of the request's
    /// body: whoever reads a long body in a task of its own should not respond before its end.
    ///
    /// Neither this nor the [idle limit](Self::idle_timeout) counts while a request is answered or
    /// its response waits for the client: nothing limits how long that may take to read. A response
    /// body can: it is polled only when there is room, so it may fail when that is too late. Of a
    /// client that reads nothing it does not learn; against those, put a proxy in front.
    pub fn header_timeout(mut self, limit: Duration) -> Self {
        self.shared.limits.header = limit.min(LONGEST_LIMIT);
        self
    }

    /// How long a connection may wait for its next request to begin. Default: 75 s; more than a
    /// year is a year. It does not limit how long a client takes to read a response: see
    /// [`header_timeout`](Self::header_timeout).
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.shared.limits.idle = limit.min(LONGEST_LIMIT);
        self
    }

    /// Stops when `signal` is ready: accepts no more, closes idle connections, lets the requests
    /// that run finish, but not longer than the [grace period](Self::grace_period).
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + 'static) -> Self {
        self.signal = Some(Box::pin(signal));
        self
    }

    /// How long running requests may take after the stop; then they are dropped. Default: 5 s.
    pub fn grace_period(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }
}

impl<S> std::fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("shared", &self.shared)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

impl<S, B> IntoFuture for Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// An error if the listener belongs to another runtime, or its own has ended.
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run(self))
    }
}

async fn run<S, B>(server: Serve<S>) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Serve { listener, shared, signal, grace } = server;
    let shared = Rc::new(shared);
    let mut signal = signal.unwrap_or_else(|| Box::pin(pending()));
    let mut connections = JoinSet::new();
    while let Some(accepted) = poll_fn(|cx| {
        if signal.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        while let Poll::Ready(Some(ended)) = connections.poll_join_next(cx) {
            note_end(&shared, ended);
        }
        poll_accept(&listener, cx).map(Some)
    })
    .await
    {
        match accepted {
            Ok(stream) => {
                let task = TaskBuilder::new().trigger(stream.async_id());
                let task = task.frame(shared.frame.clone());
                connections.build(task, drive(shared.clone(), stream));
            }
            // No runtime will ever give it a connection.
            Err(error) if error.kind() == io::ErrorKind::Other => return Err(error),
            Err(error) => {
                (shared.report)(&Failure::Accept(error));
                time::sleep(RETRY).await;
            }
        }
    }
    drop(listener);
    shared.stop.begin();
    let finish = async {
        while let Some(ended) = connections.join_next().await {
            note_end(&shared, ended);
        }
    };
    // Whether all have finished or not, it is over.
    let _ = time::timeout(grace, finish).await;
    connections.shutdown().await;
    Ok(())
}

fn poll_accept(listener: &TcpListener, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
    listener.poll_accept(cx).map_ok(|(stream, _peer)| stream)
}

/// A connection's task has ended. It may have panicked, if a report did.
fn note_end<S>(shared: &Shared<S>, ended: Result<(), JoinError>) {
    if let Err(JoinError::Panicked(payload)) = ended {
        (shared.report)(&Failure::Panic(payload));
    }
}

//! One connection: hyper's driver with our limits, and the service that begins each request.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use lunation_context::{AsyncId, Frame};
use lunation_executor::time;
use lunation_reactor::net::TcpStream;

use crate::http::answer::{Answer, AnswerBody};
use crate::http::channels;
use crate::http::deadline::{HeadTimer, Limits, Progress};
use crate::http::failure::Failure;
use crate::http::flow::{Flow, Report};
use crate::http::stop::{Registered, Stop};
use crate::http::watched::Watched;

/// What runs first in each request.
pub(super) type OnRequest = Box<dyn Fn(&Parts)>;

/// What all connections of a server share.
pub(super) struct Shared<S> {
    pub(super) service: S,
    pub(super) on_request: Option<OnRequest>,
    pub(super) report: Report,
    /// What connections and requests start from.
    pub(super) frame: Frame,
    pub(super) site: &'static Location<'static>,
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) stop: Stop,
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("site", &format_args!("{}", self.site))
            .field("header_timeout", &self.header_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish_non_exhaustive()
    }
}

/// Serves one connection to its end.
pub(super) async fn drive<S, B>(shared: Rc<Shared<S>>, stream: TcpStream)
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let socket = stream.async_id();
    // Responses are written whole: nothing is gained by waiting for more. Not a reason to fail.
    let _ = stream.set_nodelay(true);
    let progress = Arc::new(Progress::new());
    let mut limits = Limits::new(shared.header_timeout, shared.idle_timeout);
    let mut stop = shared.stop.register(socket);
    match first_byte(&stream, &progress, &mut limits, &mut stop).await {
        Wake::Go => {}
        Wake::Stop => return,
        Wake::Timeout => return (shared.report)(&Failure::Timeout),
    }
    let timer = HeadTimer { progress: progress.clone(), made: time::now() };
    let requests = Requests { shared: shared.clone(), socket, progress: progress.clone() };
    let connection = http1::Builder::new()
        .timer(timer)
        .header_read_timeout(shared.idle_timeout)
        .serve_connection(Watched::new(stream, progress.clone()), requests)
        .with_upgrades();
    // Apart, so that connections on which nothing was sent yet stay small.
    let mut connection = Box::pin(connection);
    let mut told = false;
    let result = poll_fn(|cx| {
        if !told && stop.has_begun(cx) {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Failure::Connection)),
            Poll::Pending => limits.poll_exceeded(&progress, cx).map(|()| Err(Failure::Timeout)),
        }
    })
    .await;
    if let Err(failure) = result {
        (shared.report)(&failure);
    }
}

/// Why a connection does not wait for its first byte any more.
enum Wake {
    /// It is there, or the end, or an error: reading will tell.
    Go,
    Stop,
    Timeout,
}

/// Waits for the first byte of a connection, before anything is built for it.
async fn first_byte(
    stream: &TcpStream,
    progress: &Progress,
    limits: &mut Limits,
    stop: &mut Registered<'_>,
) -> Wake {
    let mut byte = [0];
    // Not `readable`, of which nothing is known yet.
    let mut peek = pin!(stream.peek(&mut byte));
    poll_fn(|cx| {
        if stop.has_begun(cx) {
            return Poll::Ready(Wake::Stop);
        }
        if peek.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Wake::Go);
        }
        limits.poll_exceeded(progress, cx).map(|()| Wake::Timeout)
    })
    .await
}

/// The service as hyper sees it: begins a resource for each request and calls the user's.
struct Requests<S> {
    shared: Rc<Shared<S>>,
    socket: AsyncId,
    progress: Arc<Progress>,
}

impl<S, B> Service<Request<Incoming>> for Requests<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.progress.begin_request(!request.body().is_end_stream());
        let shared = &self.shared;
        let frame = shared.frame.clone();
        let flow = Flow::begin(shared.site, self.socket, frame, shared.report.clone());
        let future = flow.run(|| {
            channels::server_start(request.method(), request.uri());
            let request = match &shared.on_request {
                Some(on_request) => {
                    let (parts, body) = request.into_parts();
                    on_request(&parts);
                    Request::from_parts(parts, body)
                }
                None => request,
            };
            shared.service.call(request)
        });
        Answer::new(flow, future)
    }
}

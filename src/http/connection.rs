//! One connection: hyper's driver with our limits, and the service that begins each request.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use lunation_context::{AsyncId, Frame};
use lunation_reactor::net::TcpStream;

use crate::http::answer::{Answer, AnswerBody};
use crate::http::channels;
use crate::http::deadline::{HeadTimer, Progress};
use crate::http::failure::Failure;
use crate::http::flow::{Flow, Report};
use crate::http::stop::Stop;
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
    let progress = Arc::new(Progress::default());
    let timer = HeadTimer { progress: progress.clone(), limit: shared.header_timeout };
    let requests = Requests { shared: shared.clone(), socket, progress: progress.clone() };
    let connection = http1::Builder::new()
        .timer(timer)
        .header_read_timeout(shared.idle_timeout)
        .serve_connection(Watched::new(stream, progress), requests)
        .with_upgrades();
    let mut connection = pin!(connection);
    let registered = Registered { stop: &shared.stop, socket };
    let mut told = false;
    let result = poll_fn(|cx| {
        if !told && registered.stop.has_begun(socket, cx) {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = result {
        (shared.report)(&Failure::Connection(error));
    }
}

/// Leaves when the connection ends, however it does.
struct Registered<'a> {
    stop: &'a Stop,
    socket: AsyncId,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.stop.leave(self.socket);
    }
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

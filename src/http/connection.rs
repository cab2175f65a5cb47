//! One connection: hyper's driver with our limits, and the service that begins each request.

use std::cell::Cell;
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use lunation_executor::time;
use lunation_reactor::net::TcpStream;

use crate::http::answer::{Answer, AnswerBody};
use crate::http::deadline::Deadline;
use crate::http::failure::Failure;
use crate::http::flow::{Flow, Link};
use crate::http::progress::Progress;
use crate::http::shared::Shared;
use crate::http::stop::Registered;
use crate::http::watched::{Line, Watched};

/// Serves one connection to its end.
// No async function: those have two places for each argument, and silent connections stay small.
pub(super) fn drive<S, B>(shared: Rc<Shared<S>>, stream: TcpStream) -> impl Future<Output = ()>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Responses are written whole: nothing is gained by waiting for more. Not a reason to fail.
    let _ = stream.set_nodelay(true);
    let mut idle = time::sleep(shared.limits.idle);
    async move {
        let mut stop = shared.stop.register(stream.async_id());
        match first_byte(&stream, &mut idle, &mut stop).await {
            // Apart, for the same reason.
            Wake::Go => Box::pin(answer_all(&shared, stream, idle, stop)).await,
            Wake::Stop => {}
            Wake::Timeout => (shared.report)(&Failure::Timeout),
        }
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
fn first_byte(
    stream: &TcpStream,
    idle: &mut time::Sleep,
    stop: &mut Registered<'_>,
) -> impl Future<Output = Wake> {
    poll_fn(move |cx| {
        if stop.has_begun(cx) {
            return Poll::Ready(Wake::Stop);
        }
        // Not `poll_read_ready`: nothing is known yet.
        if stream.poll_peek(cx, &mut [0]).is_ready() {
            return Poll::Ready(Wake::Go);
        }
        Pin::new(&mut *idle).poll(cx).map(|()| Wake::Timeout)
    })
}

/// Answers requests until the connection ends.
fn answer_all<S, B>(
    shared: &Rc<Shared<S>>,
    stream: TcpStream,
    idle: time::Sleep,
    mut stop: Registered<'_>,
) -> impl Future<Output = ()>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let link = Rc::new(Link {
        socket: stream.async_id(),
        line: Arc::new(Line { stream, progress: Progress::new() }),
        report: shared.report.clone(),
        site: shared.site,
        frame: shared.frame.clone(),
        blank: Cell::default(),
    });
    let (mut deadline, mut told) = (Deadline::new(idle), false);
    async move {
        let requests = Requests { shared: shared.clone(), link: link.clone() };
        let mut connection = pin!(
            http1::Builder::new()
                .header_read_timeout(None)
                // Hyper would look for the stream's end while it answers, and take another buffer
                // for that. We do it below.
                .half_close(true)
                .serve_connection(Watched::new(link.line.clone()), requests)
                .with_upgrades()
        );
        let result = poll_fn(|cx| {
            let Line { stream, progress } = &*link.line;
            if !told && stop.has_begun(cx) {
                told = true;
                progress.note_idle();
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                // If hyper has given the stream away, it is not for us to watch any more.
                progress.hand_over();
                return Poll::Ready(result.map_err(Failure::Connection));
            }
            if !progress.is_busy() {
                let exceeded = deadline.poll_exceeded(progress, shared.limits, cx);
                return exceeded.map(|()| Err(Failure::Timeout));
            }
            // A whole answer is of use to a client that has ended its side. That it is gone the
            // writes will tell.
            if !progress.is_answering() {
                return Poll::Pending;
            }
            match stream.poll_peek(cx, &mut [0]) {
                Poll::Pending | Poll::Ready(Ok(1..)) => Poll::Pending,
                Poll::Ready(_) => Poll::Ready(Err(Failure::Disconnected)),
            }
        })
        .await;
        if let Err(failure) = result {
            (shared.report)(&failure);
        }
    }
}

/// The service as hyper sees it: begins a flow for each request, in which the user's is called.
struct Requests<S> {
    shared: Rc<Shared<S>>,
    link: Rc<Link>,
}

impl<S, B> Service<Request<Incoming>> for Requests<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = Answer<S>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Answer<S> {
        let flow = Flow::begin(&self.link, !request.body().is_end_stream());
        Answer::new(flow, self.shared.clone(), request)
    }
}

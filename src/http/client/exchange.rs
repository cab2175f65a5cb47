//! One request and its response as a resource, and the parts of it that run.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame as Piece, SizeHint};
use lunation_context::{Activation, AsyncId, Frame, Resource, ResourceKind, ResourceRef};
use lunation_executor::panic_message;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A request, an `HTTPCLIENTREQUEST`; it ends when all its parts have.
struct Exchange(Resource);

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.destroy();
        self.0.enter(|| self.0.release());
    }
}

/// A part of a request that runs: the sending and its body, or the response. Each is a flow of its
/// own.
pub(super) struct Part {
    activation: Activation,
    exchange: Rc<Exchange>,
}

impl Part {
    /// A new request.
    pub(super) fn begin(site: &'static Location<'static>, trigger: AsyncId, frame: Frame) -> Part {
        let kind = ResourceKind::HttpClientRequest;
        let resource = Resource::create_with(kind, site, Some(trigger), frame);
        Part { activation: resource.activation(), exchange: Rc::new(Exchange(resource)) }
    }

    /// Another part of the same request.
    pub(super) fn sibling(&self) -> Part {
        let activation = self.exchange.0.activation();
        Part { activation, exchange: self.exchange.clone() }
    }

    pub(super) fn resource(&self) -> ResourceRef {
        self.exchange.0.resource()
    }

    /// Runs code of this part, with `before` and `after`.
    pub(super) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.activation.run(f)
    }

    /// The same without the hooks: for drops and for questions.
    pub(super) fn run_silent<R>(&self, f: impl FnOnce() -> R) -> R {
        self.activation.run_silent(f)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // What the stores hold is dropped in the request as well.
        self.run_silent(|| self.activation.release());
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.activation.fmt(f)
    }
}

/// The body of a request, in the request's context: hyper polls it in the task of the connection.
pub(super) struct RequestBody {
    /// Both are there until the body has ended.
    part: Option<Part>,
    body: Option<Pin<Box<DynBody>>>,
}

type DynBody = dyn Body<Data = Bytes, Error = BoxError>;

impl RequestBody {
    pub(super) fn new<B>(body: B) -> RequestBody
    where
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<BoxError>,
    {
        RequestBody { part: None, body: Some(Box::pin(Boxed { body })) }
    }

    /// It is sent as a part of this request.
    pub(super) fn set_part(&mut self, part: Part) {
        self.part = Some(part);
    }

    /// Asks the body while there is one.
    fn ask<R>(&self, question: impl FnOnce(&DynBody) -> R) -> Option<R> {
        let body = self.body.as_ref()?;
        Some(match &self.part {
            Some(part) => part.run_silent(|| question(body)),
            None => question(body),
        })
    }

    fn end(&mut self) {
        let body = self.body.take();
        match self.part.take() {
            Some(part) => part.run_silent(|| drop(body)),
            None => drop(body),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.end();
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, BoxError>>> {
        let RequestBody { part: Some(part), body: Some(body) } = &mut *self else {
            return Poll::Ready(None);
        };
        let poll = AssertUnwindSafe(|| body.as_mut().poll_frame(cx));
        let polled = part.run(|| catch_unwind(poll));
        let piece = polled.unwrap_or_else(|payload| {
            let text = format!("the request's body panicked: {}", panic_message(&*payload));
            Poll::Ready(Some(Err(text.into())))
        });
        if let Poll::Ready(None | Some(Err(_))) = piece {
            self.end();
        }
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.ask(|body| body.is_end_stream()).unwrap_or(true)
    }

    fn size_hint(&self) -> SizeHint {
        self.ask(|body| body.size_hint()).unwrap_or(SizeHint::with_exact(0))
    }
}

pin_project_lite::pin_project! {
    /// A body whose error is boxed.
    struct Boxed<B> {
        #[pin]
        body: B,
    }
}

impl<B> Body for Boxed<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, BoxError>>> {
        self.project().body.poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

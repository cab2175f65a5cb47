//! A request's future and response body: both run and are dropped in the request's flow.

use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::http::channels;
use crate::http::flow::Flow;
use crate::http::shared::Shared;

const PANICKED: &str = "the response body panicked";

pin_project! {
    /// How far the answer to a request is.
    #[project = StateNow]
    enum State<S>
    where
        S: Service<Request<Incoming>>,
    {
        // `None` if the service panicked. It is not called before the first poll: until then what
        // hyper moves is the request alone, and not the future, which contains it.
        Asked { asked: Option<(Rc<Shared<S>>, Request<Incoming>)> },
        Answering {
            #[pin]
            future: S::Future
        },
        Ended,
    }
}

pin_project! {
    /// The future of a request. If the service or its future panics, it is a response 500.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Answer<S>
    where
        S: Service<Request<Incoming>>,
    {
        // Goes on to the body.
        flow: Option<Flow>,
        #[pin]
        state: State<S>,
    }

    impl<S> PinnedDrop for Answer<S>
    where
        S: Service<Request<Incoming>>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            Flow::end(this.flow, || this.state.set(State::Ended));
        }
    }
}

impl<S: Service<Request<Incoming>>> Answer<S> {
    /// The answer to `request` in `flow`.
    #[inline]
    pub(super) fn new(flow: Flow, shared: Rc<Shared<S>>, request: Request<Incoming>) -> Answer<S> {
        Answer { flow: Some(flow), state: State::Asked { asked: Some((shared, request)) } }
    }
}

impl<S: Service<Request<Incoming>>> State<S> {
    /// Calls the service if that is to be done, and polls its future. `None` if there is none.
    #[inline]
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<S::Response, S::Error>>> {
        if let StateNow::Asked { asked } = self.as_mut().project() {
            let (shared, request) = asked.take()?;
            let future = shared.call(request);
            self.set(State::Answering { future });
        }
        match self.project() {
            StateNow::Answering { future } => Some(future.poll(cx)),
            _ => None,
        }
    }
}

impl<S, B> Future for Answer<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    type Output = Result<Response<AnswerBody<B>>, S::Error>;

    /// # Panics
    /// If polled after completion.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let flow = this.flow.as_ref().expect("polled after completion");
        // Responses are large: they go past the flow, not through it.
        let (mut result, mut is_whole) = (None, false);
        let polled = flow.run(|| {
            let Poll::Ready(ready) = this.state.as_mut().poll(cx)? else {
                return Some(Poll::Pending);
            };
            let result = result.insert(ready);
            this.state.set(State::Ended);
            if let Ok(response) = result {
                channels::server_response(response.status());
                is_whole = response.body().is_end_stream();
                if is_whole {
                    channels::server_finish();
                }
            }
            Some(Poll::Ready(()))
        });
        match polled.flatten() {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(())) => {}
            None => Flow::end(this.flow, || {
                this.state.set(State::Ended);
                result = None;
            }),
        }
        Poll::Ready(match result {
            Some(Ok(response)) => Ok(response.map(|body| {
                let mut body = Some(body);
                if is_whole {
                    Flow::end(this.flow, || body = None);
                }
                AnswerBody { flow: this.flow.take(), body }
            })),
            Some(Err(error)) => Err(error),
            None => Ok(internal_server_error()),
        })
    }
}

fn internal_server_error<B>() -> Response<AnswerBody<B>> {
    let mut response = Response::new(AnswerBody { flow: None, body: None });
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

pin_project! {
    /// The body of a response. A panic in it is an error, which ends the connection.
    #[derive(Debug)]
    pub(super) struct AnswerBody<B> {
        // Both are there until the body has ended.
        flow: Option<Flow>,
        #[pin]
        body: Option<B>,
    }

    impl<B> PinnedDrop for AnswerBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            Flow::end(this.flow, || this.body.set(None));
        }
    }
}

impl<B> Body for AnswerBody<B>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(flow) = this.flow.as_ref() else { return Poll::Ready(None) };
        let mut goes_on = false;
        let polled = flow.run(|| {
            let mut body = this.body.as_mut().as_pin_mut()?;
            // The error too may be a value of the request.
            let polled = body.as_mut().poll_frame(cx).map_err(Into::into);
            let is_whole = match &polled {
                Poll::Pending => false,
                Poll::Ready(None) => true,
                // Of a body that says it has ended hyper does not ask for the end.
                Poll::Ready(Some(Ok(_))) => body.is_end_stream(),
                Poll::Ready(Some(Err(_))) => return Some(polled),
            };
            if is_whole {
                channels::server_finish();
            }
            goes_on = !is_whole;
            Some(polled)
        });
        if !goes_on {
            Flow::end(this.flow, || this.body.set(None));
        }
        match polled {
            Some(polled) => polled.unwrap_or(Poll::Ready(None)),
            None => Poll::Ready(Some(Err(PANICKED.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        // Asked in the flow, when it could have changed.
        self.flow.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.flow, &self.body) {
            (Some(flow), Some(body)) => flow.run_silent(|| body.size_hint()).unwrap_or_default(),
            _ => SizeHint::with_exact(0),
        }
    }
}

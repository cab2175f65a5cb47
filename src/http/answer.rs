//! A request's future and response body: both run and are dropped in the request's flow.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use hyper::{Response, StatusCode};
use pin_project_lite::pin_project;

use crate::http::channels;
use crate::http::flow::Flow;

const PANICKED: &str = "the response body panicked";

pin_project! {
    /// The future of a request. If the service or its future panics, it is a response 500.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Answer<F> {
        // Goes on to the body.
        flow: Option<Flow>,
        // `None` if the service panicked, and in the end.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Answer<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(flow) = this.flow {
                flow.run_silent(|| this.future.set(None));
            }
        }
    }
}

impl<F> Answer<F> {
    /// The answer to a request in `flow`, which comes from `future`; `None` if there will be none.
    pub(super) fn new(flow: Flow, future: Option<F>) -> Answer<F> {
        Answer { flow: Some(flow), future }
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    /// # Panics
    /// If polled after completion.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let flow = this.flow.as_ref().expect("polled after completion");
        let polled = flow.run(|| {
            let polled = this.future.as_mut().as_pin_mut()?.poll(cx);
            if polled.is_ready() {
                this.future.set(None);
            }
            if let Poll::Ready(Ok(response)) = &polled {
                channels::server_response(response.status());
                if response.body().is_end_stream() {
                    channels::server_finish();
                }
            }
            Some(polled)
        });
        let result = match polled.flatten() {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(result)) => Some(result),
            None => {
                flow.run_silent(|| this.future.set(None));
                None
            }
        };
        let flow = this.flow.take();
        Poll::Ready(match result {
            Some(Ok(response)) => Ok(response.map(|body| AnswerBody { flow, body: Some(body) })),
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
    pub struct AnswerBody<B> {
        // Both are there until the body has ended.
        flow: Option<Flow>,
        #[pin]
        body: Option<B>,
    }

    impl<B> PinnedDrop for AnswerBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(flow) = this.flow {
                flow.run_silent(|| this.body.set(None));
            }
        }
    }
}

impl<B> AnswerBody<B> {
    /// Asks the body something.
    fn ask<R>(&self, ask: impl FnOnce(&B) -> R) -> Option<R> {
        let (flow, body) = self.flow.as_ref().zip(self.body.as_ref())?;
        flow.run_silent(|| ask(body))
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
        let polled = flow.run(|| {
            let mut body = this.body.as_mut().as_pin_mut()?;
            // The error too may be a value of the request.
            let polled = body.as_mut().poll_frame(cx).map_err(Into::into);
            // Of a body that says it has ended hyper does not ask for the end.
            let has_ended = match &polled {
                Poll::Ready(Some(Ok(_))) => body.is_end_stream(),
                Poll::Ready(end) => end.is_none(),
                Poll::Pending => false,
            };
            if has_ended {
                channels::server_finish();
            }
            Some(polled)
        });
        let frame = match polled.map(|polled| polled.unwrap_or(Poll::Ready(None))) {
            Some(Poll::Ready(Some(Ok(frame)))) => return Poll::Ready(Some(Ok(frame))),
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(end)) => end,
            None => Some(Err(PANICKED.into())),
        };
        flow.run_silent(|| this.body.set(None));
        drop(this.flow.take());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // Gone: ended. A panic: the next poll decides.
        self.flow.is_none() || self.ask(B::is_end_stream).unwrap_or(false)
    }

    fn size_hint(&self) -> SizeHint {
        match self.flow {
            Some(_) => self.ask(B::size_hint).unwrap_or_default(),
            None => SizeHint::with_exact(0),
        }
    }
}

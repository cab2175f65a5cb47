//! The body of a response, read in the request's context.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::Response;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use crate::http::channels::{Called, HTTP_CLIENT_RESPONSE_FINISH};
use crate::http::client::error::{Cause, Error};
use crate::http::client::exchange::Part;
use crate::http::client::pool::Lease;

/// The body of a response; with it come trailers. When it has ended, the socket goes to the next
/// request. Dropping it earlier closes the socket, unless the rest has arrived already.
///
/// It is a [`Body`]; [`chunk`](Self::chunk) and [`bytes`](Self::bytes) do without its extension
/// traits.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    /// There until the body has ended.
    reading: Option<Reading>,
}

struct Reading {
    // First: then the context ends.
    _lease: Lease,
    part: Part,
    called: Called,
    status: hyper::StatusCode,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("called", &self.called).finish_non_exhaustive()
    }
}

/// The response as the user gets it.
pub(super) fn open(
    response: Response<Incoming>,
    lease: Lease,
    part: Part,
    called: Called,
) -> Response<ResponseBody> {
    let status = response.status();
    let socket = lease.connection.socket.clone();
    let mut response = response.map(|incoming| {
        let reading = Some(Reading { _lease: lease, part, called, status });
        let mut body = ResponseBody { incoming, reading };
        body.finish_if_ended();
        body
    });
    response.extensions_mut().insert(socket);
    response
}

impl ResponseBody {
    /// The next piece; `None` when the body has ended. Trailers are left out.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The response breaks off.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            match poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// All of it. There is no limit: use [`chunk`](Self::chunk) for servers you do not trust.
    ///
    /// # Errors
    /// The response breaks off.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes.into())
    }

    fn finish_if_ended(&mut self) {
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }

    /// Nothing more will come: the socket is free, the request ends.
    fn finish(&mut self) {
        let Some(reading) = self.reading.take() else { return };
        let Reading { part, called, status, .. } = &reading;
        part.run_silent(|| {
            called.tell(&HTTP_CLIENT_RESPONSE_FINISH, |message| {
                message.resource = Some(part.resource());
                message.status = Some(*status);
            });
        });
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let ResponseBody { incoming, reading } = &mut *self;
        let Some(Reading { part, called, .. }) = reading else { return Poll::Ready(None) };
        let frame = ready!(part.run(|| Pin::new(incoming).poll_frame(cx)));
        let frame = frame.map(|frame| frame.map_err(|error| Cause::Exchange(error).of(called)));
        match &frame {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.reading = None,
            None => self.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none() || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.finish_if_ended();
    }
}

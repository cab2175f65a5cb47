//! Why a request got no response, or only a part of one.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use hyper::{Method, Uri};

use crate::http::channels::Called;

/// Why a request of a [`Client`](crate::http::Client) got no response, or only a part of one; it
/// says which request, and `source()` says why.
#[derive(Debug)]
pub struct Error {
    request: Box<Called>,
    cause: Cause,
}

#[derive(Debug)]
pub(super) enum Cause {
    /// The request cannot be sent by this client.
    Refused(&'static str),
    /// The host was not found or not reached.
    Connect(io::Error),
    /// Sending, or what the server answers.
    Exchange(hyper::Error),
}

impl Cause {
    pub(super) fn of(self, request: &Called) -> Error {
        Error { request: Box::new(request.clone()), cause: self }
    }
}

impl Error {
    /// What was asked for.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// Where.
    pub fn uri(&self) -> &Uri {
        &self.request.uri
    }

    /// Whether the host could not be found or reached, so that nothing was sent.
    pub fn is_connect(&self) -> bool {
        matches!(self.cause, Cause::Connect(_))
    }

    /// Whether this client does not send such requests, so that nothing was sent.
    pub fn is_refused(&self) -> bool {
        matches!(self.cause, Cause::Refused(_))
    }

    /// What hyper says, if the exchange failed: whether it is a time limit, a message that breaks
    /// off, an error of the request's body.
    pub fn as_hyper(&self) -> Option<&hyper::Error> {
        match &self.cause {
            Cause::Exchange(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Called { method, uri } = &*self.request;
        write!(f, "{method} {uri}: ")?;
        match &self.cause {
            Cause::Refused(why) => f.write_str(why),
            Cause::Connect(error) => error.fmt(f),
            Cause::Exchange(error) => match error.source() {
                Some(source) => write!(f, "{error}: {source}"),
                None => error.fmt(f),
            },
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            Cause::Refused(_) => None,
            Cause::Connect(error) => Some(error),
            Cause::Exchange(error) => Some(error),
        }
    }
}

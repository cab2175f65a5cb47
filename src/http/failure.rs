//! What went wrong in a server that goes on.

use std::any::Any;
use std::fmt;
use std::io;

use lunation_context::{Warning, emit_warning};
use lunation_executor::panic_message;

/// Something that failed in a server, which goes on: see [`Serve::on_failure`].
///
/// [`Serve::on_failure`]: crate::http::Serve::on_failure
#[non_exhaustive]
pub enum Failure {
    /// No connection could be accepted, above all because the process is out of descriptors. The
    /// server tries again after a pause.
    Accept(io::Error),
    /// A connection ended with an error: bad input, a peer that has gone while it sent or received,
    /// an error of the service or of a response body.
    Connection(hyper::Error),
    /// The peer has closed the connection while its request was being answered, or has ended its
    /// side, which looks the same; Node's server would keep that open. With requests that were sent
    /// at once, one whose answer is being made is lost too. If the end comes within a request's
    /// body, the handler is dropped at its next await.
    Disconnected,
    /// A connection was closed because the head of a request, or its beginning, did not come in
    /// time.
    Timeout,
    /// The service, its future or a response body panicked with this payload.
    Panic(Box<dyn Any + Send>),
}

impl Failure {
    /// What is done without a handler. Panics were printed by the panic hook, and peers that break
    /// off are everyday life.
    pub(super) fn report(&self) {
        if let Failure::Accept(_) = self {
            emit_warning(&Warning::new("AcceptFailed", self.to_string()));
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Accept(error) => write!(f, "no connection accepted: {error}"),
            Failure::Connection(error) => write!(f, "connection ended: {error}"),
            Failure::Disconnected => f.write_str("connection ended: closed before the response"),
            Failure::Timeout => f.write_str("connection ended: no request came in time"),
            Failure::Panic(payload) => write!(f, "request panicked: {}", panic_message(&**payload)),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Accept(error) => f.debug_tuple("Accept").field(error).finish(),
            Failure::Connection(error) => f.debug_tuple("Connection").field(error).finish(),
            Failure::Disconnected => f.write_str("Disconnected"),
            Failure::Timeout => f.write_str("Timeout"),
            Failure::Panic(payload) => {
                f.debug_tuple("Panic").field(&panic_message(&**payload)).finish()
            }
        }
    }
}

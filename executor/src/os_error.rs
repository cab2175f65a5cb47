//! Errors of the operating system that say which operation failed, and on what.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;

/// Lies inside the [`io::Error`], whose kind is the original's.
#[derive(Debug)]
struct OperationError {
    operation: &'static str,
    object: String,
    source: io::Error,
}

impl Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.object, self.source)
    }
}

impl Error for OperationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// `error` with the operation and its object in its text, the kind kept, and itself as `source()`.
pub(crate) fn during(operation: &'static str, object: impl Display, error: io::Error) -> io::Error {
    let object = object.to_string();
    io::Error::new(error.kind(), OperationError { operation, object, source: error })
}

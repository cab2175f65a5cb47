//! Errors of connect, bind and accept that say where, and the resolution of addresses.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// Lies inside the [`io::Error`], whose kind is the original's.
#[derive(Debug)]
struct OperationError {
    operation: &'static str,
    address: Option<SocketAddr>,
    source: io::Error,
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if let Some(address) = &self.address {
            write!(f, " {address}")?;
        }
        write!(f, ": {}", self.source)
    }
}

impl Error for OperationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// `error` with the operation and the address in its text, the kind kept, and itself as `source()`.
pub(super) fn during(
    operation: &'static str,
    address: impl Into<Option<SocketAddr>>,
    error: io::Error,
) -> io::Error {
    let kind = error.kind();
    io::Error::new(kind, OperationError { operation, address: address.into(), source: error })
}

/// The addresses that `address` names, at least one.
pub(super) fn resolve(address: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let all: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    if all.is_empty() {
        let text = "could not resolve to any address";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(all)
}

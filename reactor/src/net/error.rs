//! Errors that say what was done and where, and the resolution of addresses.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// Lies inside the [`io::Error`], whose kind is the original's.
#[derive(Debug)]
struct OperationError {
    operation: &'static str,
    address: Option<String>,
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
    address: Option<impl ToString>,
    error: io::Error,
) -> io::Error {
    let address = address.map(|address| address.to_string());
    io::Error::new(error.kind(), OperationError { operation, address, source: error })
}

/// Which of the phrases suits what is known of the place.
#[derive(Debug)]
pub(super) struct Phrases {
    /// With the peer's address.
    pub(super) peer: &'static str,
    /// With the own address.
    pub(super) local: &'static str,
}

/// [`during`] for a transfer: with the peer's address if that is known, else with the own. What is
/// no failure of the system stays as it is: above all `WouldBlock`, which callers look for, and
/// what this crate itself says.
pub(super) fn transferring(
    phrases: &Phrases,
    peer: impl FnOnce() -> Option<String>,
    local: impl FnOnce() -> Option<String>,
    error: io::Error,
) -> io::Error {
    let passes = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
    if passes || error.raw_os_error().is_none() {
        return error;
    }
    match peer() {
        Some(peer) => during(phrases.peer, Some(peer), error),
        None => during(phrases.local, local(), error),
    }
}

const NO_ADDRESS: &str = "could not resolve to any address";

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, NO_ADDRESS)
}

/// The addresses that `address` names, at least one.
pub(super) fn resolve(address: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let all: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    if all.is_empty() { Err(no_address()) } else { Ok(all) }
}

/// The first address that `address` names.
pub(super) fn resolve_one(address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    address.to_socket_addrs()?.next().ok_or_else(no_address)
}

/// What `attempt` gives for the first of the addresses for which it works, or its last error.
pub(super) fn first_of<T>(
    address: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = no_address();
    for address in resolve(address)? {
        match attempt(address) {
            Ok(done) => return Ok(done),
            Err(error) => last = error,
        }
    }
    Err(last)
}

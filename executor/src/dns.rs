//! Looking up host names.

use crate::operation::Operation;
use crate::os_error::during;
use lunation_context::ResourceKind;
use sealed::{Target, ToTarget};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::Location;

/// A host and a port: `"host:port"`, `("host", port)` or a [`SocketAddr`]. Tokio: `ToSocketAddrs`.
///
/// It cannot be implemented elsewhere.
pub trait ToHost: sealed::ToTarget {}

impl<T: sealed::ToTarget + ?Sized> ToHost for T {}

mod sealed {
    use std::io;
    use std::net::SocketAddr;

    /// What a host stands for, before the operating system is asked.
    #[derive(Debug)]
    pub enum Target {
        /// An address already.
        Literal(SocketAddr),
        /// A host name and a port.
        Name(String, u16),
    }

    /// Takes a host apart.
    pub trait ToTarget {
        /// Fails with `InvalidInput` if there is no port, or it is no number up to 65,535.
        fn to_target(&self) -> io::Result<Target>;
    }
}

impl ToTarget for SocketAddr {
    fn to_target(&self) -> io::Result<Target> {
        Ok(Target::Literal(*self))
    }
}

impl ToTarget for str {
    fn to_target(&self) -> io::Result<Target> {
        if let Ok(address) = self.parse() {
            return Ok(Target::Literal(address));
        }
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid(self, "no port"))?;
        let port = port.parse().map_err(|_| invalid(self, "invalid port"))?;
        (host, port).to_target()
    }
}

impl ToTarget for String {
    fn to_target(&self) -> io::Result<Target> {
        self.as_str().to_target()
    }
}

impl ToTarget for (&str, u16) {
    fn to_target(&self) -> io::Result<Target> {
        let (host, port) = *self;
        Ok(match host.parse::<IpAddr>() {
            Ok(address) => Target::Literal(SocketAddr::new(address, port)),
            Err(_) => Target::Name(host.to_owned(), port),
        })
    }
}

impl ToTarget for (String, u16) {
    fn to_target(&self) -> io::Result<Target> {
        (self.0.as_str(), self.1).to_target()
    }
}

impl<T: ToTarget + ?Sized> ToTarget for &T {
    fn to_target(&self) -> io::Result<Target> {
        (**self).to_target()
    }
}

const LOOKUP: &str = "lookup";

fn invalid(host: &str, what: &'static str) -> io::Error {
    during(LOOKUP, host, io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// The addresses of a host, by the operating system's resolver (`getaddrinfo`) on the thread pool.
/// Tokio: `net::lookup_host`; Node: `dns.lookup`.
///
/// One lookup is one `GETADDRINFOREQWRAP` resource. A literal address is known at once, without
/// one. What it gives can be handed to `TcpStream::connect` as a slice.
///
/// # Errors
/// The name is unknown, or the resolver cannot be reached: with the name in its text and the
/// system's error as `source()`. `InvalidInput` if there is no port.
///
/// ```
/// use lunation_executor::{Runtime, lookup_host};
///
/// # fn main() -> std::io::Result<()> {
/// let addresses = Runtime::new().block_on(lookup_host("127.0.0.1:80"))?;
/// assert_eq!(addresses, ["127.0.0.1:80".parse().unwrap()]);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn lookup_host(host: impl ToHost) -> Operation<Vec<SocketAddr>> {
    let site = Location::caller();
    match host.to_target() {
        Err(error) => Operation::known(Err(error)),
        Ok(Target::Literal(address)) => Operation::known(Ok(vec![address])),
        Ok(Target::Name(host, port)) => {
            Operation::new(ResourceKind::GetAddrInfoReqWrap, site, move || {
                let found = (host.as_str(), port).to_socket_addrs();
                found
                    .map(Iterator::collect)
                    .map_err(|error| during(LOOKUP, format_args!("{host}:{port}"), error))
            })
        }
    }
}

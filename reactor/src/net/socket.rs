//! A TCP socket before it is known which kind it becomes.

use std::io;
use std::net::SocketAddr;
use std::panic::Location;

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::errno;
use crate::net::error::during;
use crate::net::tcp::TcpStream;

/// A socket that neither listens nor is connected yet: the place for options. tokio's `TcpSocket`.
///
/// It belongs to no runtime until [`listen`](Self::listen) or [`connect`](Self::connect).
///
/// # Examples
///
/// A listener that shares its port with other processes or threads:
///
/// ```
/// # use std::io;
/// use lunation_reactor::net::{TcpListener, TcpSocket};
///
/// fn shared(port: u16) -> io::Result<TcpListener> {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_reuseaddr(true)?;
///     # #[cfg(unix)]
///     socket.set_reuseport(true)?;
///     socket.bind(([127, 0, 0, 1], port).into())?;
///     socket.listen(1024)
/// }
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    pub(super) socket: Socket,
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    ///
    /// The system's, above all too many open files.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// A socket for IPv6.
    ///
    /// # Errors
    ///
    /// The system's, above all too many open files.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    pub(super) fn for_address(address: SocketAddr) -> io::Result<TcpSocket> {
        let made = TcpSocket::new(Domain::for_address(address));
        made.map_err(|error| during("open a socket for", Some(address), error))
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(TcpSocket { socket })
    }

    /// Whether the address may be in use by connections of an earlier listener.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.socket.reuse_address()
    }

    /// Lets the address be in use by connections of an earlier listener (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.socket.set_reuse_address(reuseaddr)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.tcp_nodelay()
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(nodelay)
    }

    /// Gives the socket its own address.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the address in the text.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        let bound = self.socket.bind(&address.into());
        bound.map_err(|error| during("bind", Some(address), error))
    }

    /// The address it is bound to.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?.as_socket();
        address.ok_or_else(|| io::Error::other("the socket has no IP address"))
    }

    /// Connects it.
    ///
    /// Cancel safe: dropping the future ends the attempt.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect`].
    #[track_caller]
    pub fn connect(self, address: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> {
        let site = Location::caller();
        TcpStream::open(address, site, move |_| {
            match self.socket.connect(&address.into()) {
                Err(error) if !errno::is_in_progress(&error) => return Err(error),
                _ => {}
            }
            Ok(mio::net::TcpStream::from_std(self.socket.into()))
        })
    }
}

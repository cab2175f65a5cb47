//! What differs between the families of stream sockets.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::SocketAddr;

use lunation_context::ResourceKind;
use mio::event::Source;
use socket2::SockRef;

/// A family of stream sockets: [`Tcp`] or, on Unix, `Unix`.
///
/// With it as a parameter, code serves all kinds of streams. It is sealed: only this crate
/// implements it.
///
/// ```
/// # use std::io;
/// use lunation_reactor::net::{Family, Stream};
///
/// async fn greet<F: Family>(stream: &mut Stream<F>) -> io::Result<()> {
///     stream.write_all(b"hello\n").await
/// }
/// ```
pub trait Family: Sealed + fmt::Debug + Sized + 'static {
    /// The address of an end of a connection.
    type Address: fmt::Debug + Clone;
    /// The standard library's stream.
    type StdStream;
    /// The standard library's listener.
    type StdListener;

    #[doc(hidden)]
    type Socket: Source + Transfer + fmt::Debug + Into<Self::StdStream>;
    #[doc(hidden)]
    type Server: Source + fmt::Debug + Into<Self::StdListener>;
    #[doc(hidden)]
    const KINDS: Kinds;
    /// Whether a read that gives less than was asked for has emptied the kernel's buffer.
    #[doc(hidden)]
    const SHORT_READ_EMPTIES: bool;

    #[doc(hidden)]
    fn adopt(stream: Self::StdStream) -> io::Result<Self::Socket>;
    #[doc(hidden)]
    fn adopt_listener(listener: Self::StdListener) -> io::Result<Self::Server>;
    #[doc(hidden)]
    fn accept(server: &Self::Server) -> io::Result<(Self::Socket, Self::Address)>;
    #[doc(hidden)]
    fn server_address(server: &Self::Server) -> io::Result<Self::Address>;
    #[doc(hidden)]
    fn local_address(socket: &Self::Socket) -> io::Result<Self::Address>;
    #[doc(hidden)]
    fn peer_address(socket: &Self::Socket) -> io::Result<Self::Address>;
    /// The address for people; none if it has no name.
    #[doc(hidden)]
    fn name(address: &Self::Address) -> Option<String>;
    /// Calls `operation` so that mio sees a `WouldBlock`, which on Windows it has to.
    #[doc(hidden)]
    fn try_io<T>(socket: &Self::Socket, operation: impl FnOnce() -> io::Result<T>)
    -> io::Result<T>;
}

/// Keeps [`Family`] to this crate.
pub trait Sealed {}

/// The kinds of a family's async resources.
#[derive(Debug)]
pub struct Kinds {
    pub(super) stream: ResourceKind,
    pub(super) connect: ResourceKind,
    pub(super) server: ResourceKind,
}

/// What streams of all families can do. The standard library has it on references.
pub trait Transfer {
    /// As [`Read::read`].
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;
    /// As [`Read::read_vectored`].
    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    /// As [`Write::write`].
    fn write(&self, buf: &[u8]) -> io::Result<usize>;
    /// As [`Write::write_vectored`].
    fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    /// For what only socket2 has.
    fn options(&self) -> SockRef<'_>;
}

impl<S> Transfer for S
where
    for<'a> &'a S: Read + Write,
    for<'a> SockRef<'a>: From<&'a S>,
{
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buf)
    }

    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Read::read_vectored(&mut &*self, bufs)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, buf)
    }

    fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut &*self, bufs)
    }

    fn options(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

/// The family of [`TcpStream`](crate::net::TcpStream) and
/// [`TcpListener`](crate::net::TcpListener).
#[derive(Debug)]
pub enum Tcp {}

impl Sealed for Tcp {}

impl Family for Tcp {
    type Address = SocketAddr;
    type StdStream = std::net::TcpStream;
    type StdListener = std::net::TcpListener;

    type Socket = mio::net::TcpStream;
    type Server = mio::net::TcpListener;
    const KINDS: Kinds = Kinds {
        stream: ResourceKind::TcpWrap,
        connect: ResourceKind::TcpConnectWrap,
        server: ResourceKind::TcpServerWrap,
    };
    const SHORT_READ_EMPTIES: bool = true;

    fn adopt(stream: Self::StdStream) -> io::Result<Self::Socket> {
        stream.set_nonblocking(true)?;
        Ok(Self::Socket::from_std(stream))
    }

    fn adopt_listener(listener: Self::StdListener) -> io::Result<Self::Server> {
        listener.set_nonblocking(true)?;
        Ok(Self::Server::from_std(listener))
    }

    fn accept(server: &Self::Server) -> io::Result<(Self::Socket, SocketAddr)> {
        server.accept()
    }

    fn server_address(server: &Self::Server) -> io::Result<SocketAddr> {
        server.local_addr()
    }

    fn local_address(socket: &Self::Socket) -> io::Result<SocketAddr> {
        socket.local_addr()
    }

    fn peer_address(socket: &Self::Socket) -> io::Result<SocketAddr> {
        socket.peer_addr()
    }

    fn name(address: &SocketAddr) -> Option<String> {
        Some(address.to_string())
    }

    fn try_io<T>(
        socket: &Self::Socket,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        socket.try_io(operation)
    }
}

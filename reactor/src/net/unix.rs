//! Unix sockets: streams and listeners that are reached by a path.

use std::io;
use std::os::unix::net::{self as std_net, SocketAddr};
use std::panic::Location;
use std::path::Path;

use lunation_context::{Resource, ResourceKind};
use mio::net::{UnixListener as Server, UnixStream as Socket};

use crate::io::current_reactor;
use crate::net::error::during;
use crate::net::family::{Family, Kinds, Sealed};
use crate::net::listener::{Listener, trace_listen};
use crate::net::stream::Stream;

/// The family of [`UnixStream`] and [`UnixListener`].
#[derive(Debug)]
pub enum Unix {}

impl Sealed for Unix {}

impl Family for Unix {
    type Address = SocketAddr;
    type StdStream = std_net::UnixStream;
    type StdListener = std_net::UnixListener;

    type Socket = Socket;
    type Server = Server;
    const KINDS: Kinds = Kinds {
        stream: ResourceKind::PipeWrap,
        connect: ResourceKind::PipeConnectWrap,
        server: ResourceKind::PipeServerWrap,
    };
    /// A read also ends where the peer has attached a descriptor, whatever comes behind it.
    const SHORT_READ_EMPTIES: bool = false;

    fn adopt(stream: Self::StdStream) -> io::Result<Socket> {
        stream.set_nonblocking(true)?;
        Ok(Socket::from_std(stream))
    }

    fn adopt_listener(listener: Self::StdListener) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        Ok(Server::from_std(listener))
    }

    fn accept(server: &Server) -> io::Result<(Socket, SocketAddr)> {
        server.accept()
    }

    fn server_address(server: &Server) -> io::Result<SocketAddr> {
        server.local_addr()
    }

    fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
        socket.local_addr()
    }

    fn peer_address(socket: &Socket) -> io::Result<SocketAddr> {
        socket.peer_addr()
    }

    fn name(address: &SocketAddr) -> Option<String> {
        // What is neither a path nor unnamed is a name of Linux that lies in no file system.
        let path = address.as_pathname().map(|path| path.display().to_string());
        path.or_else(|| (!address.is_unnamed()).then(|| format!("{address:?}")))
    }

    fn try_io<T>(socket: &Socket, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        socket.try_io(operation)
    }
}

/// A connection between processes of one machine, or inside one. tokio's `UnixStream`, Node's
/// `net.Socket` with a `path`. All that streams have in common stands at [`Stream`].
///
/// Credentials of the peer and passed descriptors are not offered: take the descriptor out with
/// [`into_std`](Stream::into_std) for them.
///
/// # Examples
///
/// ```
/// # use std::io;
/// use lunation_reactor::net::UnixStream;
///
/// async fn ask() -> io::Result<String> {
///     let mut stream = UnixStream::connect("/run/oracle.sock").await?;
///     stream.write_all(b"how much?").await?;
///     stream.shutdown().await?;
///     let mut answer = vec![0; 100];
///     let length = stream.read(&mut answer).await?;
///     Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
/// }
/// ```
pub type UnixStream = Stream<Unix>;

impl Stream<Unix> {
    /// Connects to the listener at `path`.
    ///
    /// Cancel safe: dropping the future ends the attempt.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the path in the text: above all `NotFound`, or
    /// `ConnectionRefused` if nobody listens there any more. `WouldBlock` if too many connections
    /// wait to be accepted: unlike TCP, the system does not wait for room. Or there is no runtime
    /// on this thread.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> impl Future<Output = io::Result<UnixStream>> {
        let site = Location::caller();
        async move {
            let path = path.as_ref();
            let address = SocketAddr::from_pathname(path);
            let address = address.map_err(|error| named("connect to", path, error))?;
            UnixStream::open(address, site, Socket::connect_addr).await
        }
    }

    /// Connects to a listener whose address need not be a path.
    ///
    /// Cancel safe: dropping the future ends the attempt.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_addr(
        address: &SocketAddr,
    ) -> impl Future<Output = io::Result<UnixStream>> + use<> {
        UnixStream::open(address.clone(), Location::caller(), Socket::connect_addr)
    }

    /// Makes two streams that are connected to each other and have no address.
    ///
    /// # Errors
    ///
    /// The system's, above all too many open files; or there is no runtime on this thread.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let reactor = current_reactor()?;
        let site = Location::caller();
        let (one, other) = Socket::pair()?;
        let register = |socket| {
            let resource = Resource::create(Unix::KINDS.stream, site);
            UnixStream::register(&reactor, socket, resource, None)
        };
        Ok((register(one)?, register(other)?))
    }
}

/// A Unix socket that accepts connections. tokio's `UnixListener`, Node's `net.Server` with a
/// `path`. All that listeners have in common stands at [`Listener`].
///
/// Dropping it leaves the file of its path behind, as in tokio: remove it, or the next bind to
/// that path finds it in use.
///
/// # Examples
///
/// ```
/// # use std::io;
/// use lunation_reactor::net::UnixListener;
///
/// async fn greet() -> io::Result<()> {
///     let listener = UnixListener::bind("/run/greeter.sock")?;
///     loop {
///         let (mut stream, _peer) = listener.accept().await?;
///         stream.write_all(b"hello\n").await?;
///     }
/// }
/// ```
pub type UnixListener = Listener<Unix>;

impl Listener<Unix> {
    /// Listens at `path`, where it makes a file.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the path in the text: above all `AddrInUse` if there is a
    /// file already, whether or not somebody listens. Or there is no runtime on this thread; then
    /// no file is made.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        let path = path.as_ref();
        let address = SocketAddr::from_pathname(path);
        UnixListener::bind_addr(&address.map_err(|error| named("bind", path, error))?)
    }

    /// Listens at an address that need not be a path.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[track_caller]
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        current_reactor()?;
        let site = Location::caller();
        let listen = || {
            let bound = Server::bind_addr(address);
            let bound = bound.map_err(|error| during("bind", Unix::name(address), error))?;
            Listener::register(bound, site)
        };
        trace_listen(|| Unix::name(address).unwrap_or_default(), listen)
    }
}

fn named(operation: &'static str, path: &Path, error: io::Error) -> io::Error {
    during(operation, Some(path.display()), error)
}

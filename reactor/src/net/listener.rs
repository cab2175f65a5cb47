//! The TCP listener.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use lunation_context::{Activation, AsyncId, Frame, Resource, ResourceKind};
use mio::Interest;
use mio::net::{TcpListener as Socket, TcpStream as Connection};

use crate::io::{Io, Outcome, current_reactor};
use crate::net::errno;
use crate::net::error::{during, resolve};
use crate::net::socket::TcpSocket;
use crate::net::stream::{BOTH_WAYS, TcpStream};
use crate::readiness::{Direction, Ready};
use crate::source::{Dispatch, Slot};

/// Connections that may wait to be accepted, unless [`TcpSocket::listen`] says otherwise; tokio's
/// number.
const BACKLOG: u32 = 1024;

/// A socket that accepts connections. tokio's `TcpListener`, Node's `net.Server`.
///
/// Several tasks may accept from one listener.
///
/// # Examples
///
/// ```
/// # use std::io;
/// use lunation_reactor::net::TcpListener;
///
/// async fn greet() -> io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     loop {
///         let (mut stream, _peer) = listener.accept().await?;
///         stream.write_all(b"hello\n").await?;
///     }
/// }
/// ```
#[derive(Debug)]
pub struct TcpListener {
    io: Io<Socket>,
}

impl TcpListener {
    /// Listens on `address`; if it names several, on the first that works. Port 0 lets the system
    /// choose. The address may be in use by connections of an earlier listener (`SO_REUSEADDR`,
    /// not on Windows); [`TcpSocket`] has the other options.
    ///
    /// A host name blocks the loop while it is looked up; a literal address does not. Cancel safe:
    /// it does not wait otherwise.
    ///
    /// # Errors
    ///
    /// That of the last attempt, with the address in its text and the system's error as
    /// `source()`; that of the look-up; or there is no runtime on this thread.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> impl Future<Output = io::Result<TcpListener>> {
        let site = Location::caller();
        async move {
            let mut last = None;
            for address in resolve(address)? {
                match TcpListener::bind_to(address, site) {
                    Ok(listener) => return Ok(listener),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
        }
    }

    fn bind_to(address: SocketAddr, site: &'static Location<'static>) -> io::Result<TcpListener> {
        let socket = TcpSocket::for_address(address)?;
        // On Windows this would let another process take the address over.
        if cfg!(not(windows)) {
            socket.set_reuseaddr(true)?;
        }
        socket.bind(address)?;
        socket.listen_from(BACKLOG, site)
    }

    /// Takes over a listener of the standard library and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// There is no runtime on this thread, or the system refuses.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::adopt(listener, Location::caller())
    }

    fn adopt(
        listener: std::net::TcpListener,
        site: &'static Location<'static>,
    ) -> io::Result<TcpListener> {
        let reactor = current_reactor()?;
        listener.set_nonblocking(true)?;
        let resource = Rc::new(Resource::create(ResourceKind::TcpServerWrap, site));
        let slot = Slot::new(resource, Ready::BOTH, Dispatch::Silent);
        let socket = Socket::from_std(listener);
        Ok(TcpListener { io: Io::register(&reactor, socket, Interest::READABLE, slot)? })
    }

    /// Takes the listener out of its runtime. It stays non-blocking. Works on every thread.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Ok(self.io.into_inner().into())
    }

    /// Accepts one connection. Its async resource is triggered by the listener and starts from the
    /// listener's frame.
    ///
    /// Cancel safe: a dropped future has accepted nothing.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the listener's address in the text. A connection that
    /// ended while it waited is passed over. When the process or the system is out of descriptors,
    /// the next accept waits 100 ms, doubling up to 1 s, so that a loop which only logs the error
    /// does not spin. Or the listener belongs to another thread's runtime.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + use<'_> {
        let site = Location::caller();
        async move {
            let result = self.io.operate(Direction::Read, accept).await;
            self.accepted(result, site)
        }
    }

    /// [`accept`](Self::accept) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    #[track_caller]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let result = ready!(self.io.poll_now(cx, Direction::Read, accept));
        Poll::Ready(self.accepted(result, Location::caller()))
    }

    /// The id of its async resource, the `TCPSERVERWRAP`. Works on every thread.
    pub fn async_id(&self) -> AsyncId {
        self.io.async_id()
    }

    /// The address it listens on: with port 0, the port that the system chose.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The hop limit of what accepted connections send (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Sets the hop limit for connections accepted from now on (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }

    fn accepted(
        &self,
        result: io::Result<(Connection, SocketAddr)>,
        site: &'static Location<'static>,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let adopted = result.and_then(|(socket, peer)| Ok((self.welcome(socket, site)?, peer)));
        adopted.map_err(|error| {
            if errno::is_out_of_descriptors(&error)
                && let Ok(reactor) = self.io.reactor()
            {
                reactor.pause(self.io.key());
            }
            during("accept on", self.local_addr().ok(), error)
        })
    }

    /// Makes the stream of a new connection: Node's `TCPWRAP` with the server as trigger, created
    /// by the loop (execution id 0) inside before/after of the server.
    fn welcome(
        &self,
        socket: Connection,
        site: &'static Location<'static>,
    ) -> io::Result<TcpStream> {
        let reactor = self.io.reactor()?;
        let gone = || io::Error::other("the listener's runtime has shut down");
        let server = reactor.accepted(self.io.key()).ok_or_else(gone)?;
        let resource = server.call(|| {
            let frame = Frame::inherit();
            let (kind, trigger) = (ResourceKind::TcpWrap, Some(server.id()));
            Activation::of_loop().enter(|| Resource::create_with(kind, site, trigger, frame))
        });
        let slot = Slot::new(Rc::new(resource), Ready::BOTH, Dispatch::InResource);
        Ok(TcpStream { io: Io::register(&reactor, socket, BOTH_WAYS, slot)? })
    }
}

impl TcpSocket {
    /// Makes it a listener at which at most `backlog` connections wait to be accepted.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the address in the text; or there is no runtime on this
    /// thread.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.listen_from(backlog, Location::caller())
    }

    fn listen_from(
        self,
        backlog: u32,
        site: &'static Location<'static>,
    ) -> io::Result<TcpListener> {
        let listening = self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX));
        listening.map_err(|error| during("listen on", self.local_addr().ok(), error))?;
        TcpListener::adopt(self.socket.into(), site)
    }
}

fn accept(socket: &Socket) -> io::Result<Outcome<(Connection, SocketAddr)>> {
    loop {
        match socket.accept() {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            result => return result.map(Outcome::whole),
        }
    }
}

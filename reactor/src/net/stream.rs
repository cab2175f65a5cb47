//! The TCP stream.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use lunation_context::{AsyncId, Frame, Resource, ResourceKind};
use mio::Interest;
use mio::net::TcpStream as Socket;
use socket2::SockRef;

use crate::io::{Io, Outcome, current_reactor};
use crate::net::errno;
use crate::net::error::{during, resolve};
use crate::readiness::{Direction, Ready};
use crate::source::{Dispatch, Slot};

pub(super) const BOTH_WAYS: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A TCP connection. tokio's `TcpStream`, Node's `net.Socket`.
///
/// Several futures may wait for one stream at a time; each is woken. Of the `poll_*` functions and
/// traits, the last caller per direction is.
///
/// Dropping it closes the connection (unsent data is still sent by the kernel).
///
/// # Examples
///
/// ```
/// # use std::io;
/// use lunation_reactor::net::TcpStream;
///
/// async fn ask(address: &str) -> io::Result<Vec<u8>> {
///     let mut stream = TcpStream::connect(address).await?;
///     stream.write_all(b"how much?").await?;
///     stream.shutdown().await?;
///     let mut answer = vec![0; 100];
///     let length = stream.read(&mut answer).await?;
///     answer.truncate(length);
///     Ok(answer)
/// }
/// ```
#[derive(Debug)]
pub struct TcpStream {
    pub(super) io: Io<Socket>,
}

impl TcpStream {
    /// Connects to `address`; if it names several, to the first that answers.
    ///
    /// A host name blocks the loop while it is looked up; a literal address does not.
    ///
    /// Cancel safe: dropping the future ends the attempt.
    ///
    /// # Errors
    ///
    /// That of the last attempt, with the address in its text and the system's error as
    /// `source()`; that of the look-up; or there is no runtime on this thread.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(address: A) -> impl Future<Output = io::Result<TcpStream>> {
        let site = Location::caller();
        async move {
            let mut last = None;
            for address in resolve(address)? {
                match TcpStream::open(address, site, || Socket::connect(address)).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
        }
    }

    /// Takes over a connected stream of the standard library and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// There is no runtime on this thread, or the system refuses.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        let reactor = current_reactor()?;
        stream.set_nonblocking(true)?;
        let resource = Resource::create(ResourceKind::TcpWrap, Location::caller());
        let slot = Slot::new(Rc::new(resource), Ready::BOTH, Dispatch::InResource);
        let socket = Socket::from_std(stream);
        Ok(TcpStream { io: Io::register(&reactor, socket, BOTH_WAYS, slot)? })
    }

    /// Takes the stream out of its runtime. It stays non-blocking, as in tokio. Works on every
    /// thread: the way to move a connection to another runtime.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        Ok(self.io.into_inner().into())
    }

    /// Reads what is there, at most `buf.len()` bytes; 0 means that the peer has finished.
    ///
    /// Cancel safe: a dropped future has read nothing.
    ///
    /// # Errors
    ///
    /// The system's, unchanged; or the stream belongs to another thread's runtime.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.read(buf).await
    }

    /// Fills `buf`.
    ///
    /// Not cancel safe: what a dropped future has read is in `buf`, how much is lost.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the peer finishes before; else as [`read`](Self::read).
    pub async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.io.read_exact(buf).await
    }

    /// [`read`](Self::read) into several buffers, one after the other.
    ///
    /// Cancel safe: a dropped future has read nothing.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.io.read_vectored(bufs).await
    }

    /// Reads without taking: the next read gives the same bytes again.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.peek(buf).await
    }

    /// [`peek`](Self::peek) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io.poll_peek(cx, buf)
    }

    /// Writes as much of `buf` as the kernel takes at once and returns how much.
    ///
    /// Cancel safe: a dropped future has written nothing.
    ///
    /// # Errors
    ///
    /// The system's, unchanged; or the stream belongs to another thread's runtime.
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.io.write(buf).await
    }

    /// Writes all of `buf`. Nothing is buffered here, so there is no flush.
    ///
    /// Not cancel safe: how much a dropped future has written is not known.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.io.write_all(buf).await
    }

    /// [`write`](Self::write) from several buffers, one after the other.
    ///
    /// Cancel safe: a dropped future has written nothing.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io.write_vectored(bufs).await
    }

    /// Reads if the stream is readable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; else as [`read`](Self::read).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.try_read(buf)
    }

    /// [`try_read`](Self::try_read) into several buffers.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.io.try_read_vectored(bufs)
    }

    /// Writes if the stream is writable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as [`write`](Self::write).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.try_write(buf)
    }

    /// [`try_write`](Self::try_write) from several buffers.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io.try_write_vectored(bufs)
    }

    /// Waits until the stream is readable, or finished. It can turn out not to be: go on with
    /// [`try_read`](Self::try_read) in a loop.
    ///
    /// Cancel safe: it takes nothing.
    ///
    /// # Errors
    ///
    /// The stream belongs to another thread's runtime.
    pub async fn readable(&self) -> io::Result<()> {
        self.io.wait_for(Direction::Read).await
    }

    /// Waits until the stream is writable. It can turn out not to be: go on with
    /// [`try_write`](Self::try_write) in a loop.
    ///
    /// Cancel safe: it takes nothing.
    ///
    /// # Errors
    ///
    /// The stream belongs to another thread's runtime.
    pub async fn writable(&self) -> io::Result<()> {
        self.io.wait_for(Direction::Write).await
    }

    /// [`readable`](Self::readable) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// The stream belongs to another thread's runtime.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_now(cx, Direction::Read, |_| Ok(Outcome::whole(())))
    }

    /// [`writable`](Self::writable) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// The stream belongs to another thread's runtime.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_now(cx, Direction::Write, |_| Ok(Outcome::whole(())))
    }

    /// Tells the peer that nothing more will be written; reading goes on. Node's `end()`.
    ///
    /// Cancel safe: it does not wait.
    ///
    /// # Errors
    ///
    /// The system's, except that a connection which has ended already is no error; or the stream
    /// belongs to another thread's runtime.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.io.end_writing()
    }

    /// The id of its async resource, the `TCPWRAP`: the trigger for what its bytes cause. Works on
    /// every thread.
    pub fn async_id(&self) -> AsyncId {
        self.io.async_id()
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The error that the kernel keeps for this socket, which is then cleared.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get().take_error()
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get().nodelay()
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`). Node sets it for
    /// HTTP.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.get().set_nodelay(nodelay)
    }

    /// The hop limit of what is sent (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Sets the hop limit (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }

    /// How long closing may wait for unsent data (`SO_LINGER`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self.io.get()).linger()
    }

    /// Sets how long closing may wait for unsent data, in whole seconds (`SO_LINGER`). Zero resets
    /// the connection on drop; other values block the loop there.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.io.get()).set_linger(linger)
    }

    /// Connects the socket that `start` opens and whose connect it begins.
    pub(super) async fn open(
        address: SocketAddr,
        site: &'static Location<'static>,
        start: impl FnOnce() -> io::Result<Socket>,
    ) -> io::Result<TcpStream> {
        let named = |error| during("connect to", address, error);
        let stream = TcpStream::begin(site, start).map_err(named)?;
        stream.io.operate(Direction::Write, connected).await.map_err(named)?;
        Ok(stream)
    }

    /// The part that must not be held across an await: resources are not `Send`.
    fn begin(
        site: &'static Location<'static>,
        start: impl FnOnce() -> io::Result<Socket>,
    ) -> io::Result<TcpStream> {
        let reactor = current_reactor()?;
        let resource = Resource::create(ResourceKind::TcpWrap, site);
        let (kind, trigger) = (ResourceKind::TcpConnectWrap, Some(resource.id()));
        let request = Resource::create_with(kind, site, trigger, Frame::inherit());
        let slot = Slot::new(Rc::new(resource), Ready::NONE, Dispatch::InResource)
            .connecting(Rc::new(request));
        match start() {
            Ok(socket) => Ok(TcpStream { io: Io::register(&reactor, socket, BOTH_WAYS, slot)? }),
            Err(error) => {
                slot.end();
                Err(error)
            }
        }
    }
}

/// Whether a connect has succeeded: the event only says that something has happened.
fn connected(socket: &Socket) -> io::Result<Outcome<()>> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(Outcome::whole(())),
        Err(error)
            if error.kind() == io::ErrorKind::NotConnected || errno::is_in_progress(&error) =>
        {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

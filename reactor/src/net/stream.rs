//! Streams of all families.

use std::io::{self, IoSlice, IoSliceMut};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use lunation_context::{AsyncId, Frame, Resource, ResourceKind};
use mio::Interest;

use crate::io::{Io, Subject, current_reactor};
use crate::net::channels;
use crate::net::errno;
use crate::net::error::during;
use crate::net::family::{Family, Transfer};
use crate::net::transfer::Wire;
use crate::reactor::Reactor;
use crate::readiness::{Direction, Reading, Ready, Writing};
use crate::source::{Dispatch, Slot};

pub(super) const BOTH_WAYS: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A connection: [`TcpStream`](crate::net::TcpStream) or, on Unix, `UnixStream`. Node's
/// `net.Socket`.
///
/// Several futures may wait for one stream at a time; each is woken. Of the `poll_*` functions and
/// traits, the last caller per direction is.
///
/// Dropping it closes the connection (unsent data is still sent by the kernel).
#[derive(Debug)]
pub struct Stream<F: Family> {
    pub(super) wire: Wire<F>,
}

impl<F: Family> Stream<F> {
    /// Takes over a connected stream of the standard library and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// There is no runtime on this thread, or the system refuses.
    #[track_caller]
    pub fn from_std(stream: F::StdStream) -> io::Result<Stream<F>> {
        let reactor = current_reactor()?;
        let socket = F::adopt(stream)?;
        let resource = Resource::create(F::KINDS.stream, Location::caller());
        let peer = F::peer_address(&socket).ok();
        Stream::register(&reactor, socket, resource, peer)
    }

    /// Takes the stream out of its runtime. It stays non-blocking, as in tokio. Works on every
    /// thread: the way to move a connection to another runtime.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn into_std(self) -> io::Result<F::StdStream> {
        Ok(self.wire.io.into_inner().into())
    }

    /// Lets `run_to_idle` end although an operation waits for this stream. Node's equivalent:
    /// `socket.unref()`. Nothing happens outside of its runtime.
    pub fn unref(&self) -> &Self {
        self.wire.io.set_ref(false);
        self
    }

    /// Lets operations that wait for this stream keep the loop alive again: `socket.ref()`.
    pub fn ref_(&self) -> &Self {
        self.wire.io.set_ref(true);
        self
    }

    /// Reads what is there, at most `buf.len()` bytes; 0 means that the peer has finished.
    ///
    /// Cancel safe: a dropped future has read nothing.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the peer's address in the text, or the stream's own if
    /// that is not known; or the stream belongs to another thread's runtime.
    pub fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.wire.read(buf)
    }

    /// Fills `buf`.
    ///
    /// Not cancel safe: what a dropped future has read is in `buf`, how much is lost.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the peer finishes before; else as [`read`](Self::read).
    pub async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.wire.read_exact(buf).await
    }

    /// [`read`](Self::read) into several buffers, one after the other.
    ///
    /// Cancel safe: a dropped future has read nothing.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.wire.read_vectored(bufs).await
    }

    /// Writes as much of `buf` as the kernel takes at once and returns how much.
    ///
    /// To hooks a write that has to wait is a `WRITEWRAP` resource, triggered by the stream: the
    /// writer is woken inside it. Several waits of one [`write_all`](Self::write_all) are several.
    ///
    /// Cancel safe: a dropped future has written nothing.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the peer's address in the text, or the stream's own if
    /// that is not known; or the stream belongs to another thread's runtime.
    pub fn write(&mut self, buf: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.wire.write(buf)
    }

    /// Writes all of `buf`. Nothing is buffered here, so there is no flush.
    ///
    /// Not cancel safe: how much a dropped future has written is not known.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_all(&mut self, buf: &[u8]) -> impl Future<Output = io::Result<()>> {
        self.wire.write_all(buf)
    }

    /// [`write`](Self::write) from several buffers, one after the other.
    ///
    /// Cancel safe: a dropped future has written nothing.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wire.write_vectored(bufs).await
    }

    /// Reads if the stream is readable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; else as [`read`](Self::read).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.wire.try_read(buf)
    }

    /// [`try_read`](Self::try_read) into several buffers.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.wire.try_read_vectored(bufs)
    }

    /// Writes if the stream is writable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as [`write`](Self::write).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.wire.try_write(buf)
    }

    /// [`try_write`](Self::try_write) from several buffers.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wire.try_write_vectored(bufs)
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
        self.wire.io.wait_for(Reading).await
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
        self.wire.io.wait_for(Writing).await
    }

    /// Waits until one of the directions of `interest` is ready, and tells all that is known of
    /// them. It can turn out not to be true: go on with [`try_read`](Self::try_read) and
    /// [`try_write`](Self::try_write) in a loop.
    ///
    /// Cancel safe: it takes nothing.
    ///
    /// # Errors
    ///
    /// `interest` names no direction; or the stream belongs to another thread's runtime.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.wire.io.ready(interest).await
    }

    /// [`readable`](Self::readable) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// The stream belongs to another thread's runtime.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.io.poll_ready(cx, Direction::Read)
    }

    /// [`writable`](Self::writable) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// The stream belongs to another thread's runtime.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.io.poll_ready(cx, Direction::Write)
    }

    /// Tells the peer that nothing more will be written; reading goes on. Node's `end()`.
    ///
    /// It is a `SHUTDOWNWRAP` resource, triggered by the stream, that ends at once.
    ///
    /// Cancel safe: it does not wait.
    ///
    /// # Errors
    ///
    /// The system's, except that a connection which has ended already is no error; or the stream
    /// belongs to another thread's runtime.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.wire.end_writing()
    }

    /// The id of its async resource, the `TCPWRAP` or `PIPEWRAP`: the trigger for what its bytes
    /// cause. Works on every thread.
    pub fn async_id(&self) -> AsyncId {
        self.wire.io.async_id()
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<F::Address> {
        F::peer_address(self.wire.io.get())
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<F::Address> {
        F::local_address(self.wire.io.get())
    }

    /// The error that the kernel keeps for this socket, which is then cleared.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.wire.io.get().options().take_error()
    }

    /// Registers a socket that is connected.
    pub(super) fn register(
        reactor: &Reactor,
        socket: F::Socket,
        resource: Resource,
        peer: Option<F::Address>,
    ) -> io::Result<Stream<F>> {
        let slot = Slot::new(Rc::new(resource), Ready::BOTH, Dispatch::InResource)
            .requesting(&ResourceKind::WriteWrap);
        Ok(Stream { wire: Wire::new(Io::register(reactor, socket, BOTH_WAYS, slot)?, peer) })
    }

    /// Connects the socket that `start` opens and whose connect it begins.
    pub(super) async fn open(
        address: F::Address,
        site: &'static Location<'static>,
        start: impl FnOnce(&F::Address) -> io::Result<F::Socket>,
    ) -> io::Result<Stream<F>> {
        let opened = match Stream::begin(site, &address, start) {
            Ok(stream) => {
                let opened = stream.wire.io.operate(Writing, connected::<F>).await;
                opened.map(|()| stream)
            }
            Err(error) => Err(error),
        };
        match opened {
            Ok(mut stream) => {
                stream.wire.set_peer(address);
                Ok(stream)
            }
            Err(error) => Err(during("connect to", F::name(&address), error)),
        }
    }

    /// The part that must not be held across an await: resources are not `Send`.
    fn begin(
        site: &'static Location<'static>,
        address: &F::Address,
        start: impl FnOnce(&F::Address) -> io::Result<F::Socket>,
    ) -> io::Result<Stream<F>> {
        let reactor = current_reactor()?;
        let resource = Resource::create(F::KINDS.stream, site);
        let (kind, trigger) = (F::KINDS.connect, Some(resource.id()));
        let request = Resource::create_with(kind, site, trigger, Frame::inherit());
        let slot = Slot::new(Rc::new(resource), Ready::NONE, Dispatch::InResource)
            .requesting(&ResourceKind::WriteWrap)
            .connecting(Rc::new(request));
        match start(address) {
            Ok(socket) => {
                let birth = channels::wanted(&channels::NET_CLIENT_SOCKET, &slot.resource());
                let io = Io::register(&reactor, socket, BOTH_WAYS, slot)?;
                if let Some(birth) = birth {
                    birth.publish(F::name(address));
                }
                Ok(Stream { wire: Wire::new(io, None) })
            }
            Err(error) => {
                slot.end();
                Err(error)
            }
        }
    }
}

/// Whether a connect has succeeded: the event only says that something has happened.
fn connected<F: Family>(socket: &F::Socket) -> io::Result<()> {
    if let Some(error) = socket.options().take_error()? {
        return Err(error);
    }
    match F::peer_address(socket) {
        Ok(_) => Ok(()),
        Err(error)
            if error.kind() == io::ErrorKind::NotConnected || errno::is_in_progress(&error) =>
        {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

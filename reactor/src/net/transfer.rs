//! Reading and writing a stream: shared by the stream, its halves and the traits.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::panic::Location;
#[cfg(any(feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
use std::task::{Context, Poll};

use lunation_context::{Frame, Resource, ResourceKind};

use crate::io::{Io, Subject};
use crate::net::error::{Phrases, transferring};
use crate::net::family::{Family, Transfer};
use crate::readiness::{Direction, Reading, Writing};

const READING: Phrases = Phrases { peer: "read from", local: "read on" };
const WRITING: Phrases = Phrases { peer: "write to", local: "write on" };
const ENDING: Phrases = Phrases { peer: "shut down writing to", local: "shut down writing on" };

/// A registered connection and who is at its other end.
// The connection first: the pointer to it is then the pointer to the wire, which operations have.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Wire<F: Family> {
    pub(super) io: Io<F::Socket>,
    /// Kept for errors: the system forgets it when a connection is reset.
    peer: Option<F::Address>,
}

impl<F: Family> Subject for Wire<F> {
    type Source = F::Socket;
    type Object = Wire<F>;

    #[inline]
    fn io(&self) -> &Io<F::Socket> {
        &self.io
    }

    #[inline]
    fn object(&self) -> &Wire<F> {
        self
    }
}

impl<F: Family> Wire<F> {
    pub(super) fn new(io: Io<F::Socket>, peer: Option<F::Address>) -> Wire<F> {
        Wire { io, peer }
    }

    pub(super) fn set_peer(&mut self, peer: F::Address) {
        self.peer = Some(peer);
    }

    #[inline]
    pub(super) fn read(&self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.operate(Reading, |wire| wire.reads(wire.io.get().read(buf), buf.len()))
    }

    pub(super) async fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let wanted = room(bufs);
        let attempt = |wire: &Wire<F>| wire.reads(wire.io.get().read_vectored(bufs), wanted);
        self.operate(Reading, attempt).await
    }

    pub(super) async fn read_exact(&self, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read(buf).await? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "early eof")),
                done => buf = &mut buf[done..],
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn write(&self, buf: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.operate(Writing, |wire| wire.writes(wire.io.get().write(buf), buf.len()))
    }

    pub(super) async fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let wanted = length(bufs);
        let attempt = |wire: &Wire<F>| wire.writes(wire.io.get().write_vectored(bufs), wanted);
        self.operate(Writing, attempt).await
    }

    #[inline]
    pub(super) fn write_all(&self, mut buf: &[u8]) -> impl Future<Output = io::Result<()>> {
        self.operate(Writing, move |wire| {
            if buf.is_empty() {
                return Ok(());
            }
            let done = wire.writes(wire.io.get().write(buf), buf.len())?;
            let rest = &buf[done..];
            if rest.is_empty() {
                return Ok(());
            }
            buf = rest;
            // Not the rest at once: it has to wait for room, or is another operation.
            let kind =
                if done == 0 { io::ErrorKind::WriteZero } else { io::ErrorKind::Interrupted };
            Err(kind.into())
        })
    }

    pub(super) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.try_now(Direction::Read, |socket| self.reads(socket.read(buf), buf.len()))
    }

    pub(super) fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let wanted = room(bufs);
        self.io.try_now(Direction::Read, |socket| self.reads(socket.read_vectored(bufs), wanted))
    }

    pub(super) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.try_now(Direction::Write, |socket| self.writes(socket.write(buf), buf.len()))
    }

    pub(super) fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let attempt = |socket: &F::Socket| self.writes(socket.write_vectored(bufs), length(bufs));
        self.io.try_now(Direction::Write, attempt)
    }

    /// Tells the peer that nothing more will be written. A connection that has ended already
    /// counts as told.
    pub(super) fn shut_down_write(&self) -> io::Result<()> {
        match self.io.get().options().shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result.map_err(|error| self.name(&ENDING, error)),
        }
    }

    /// The same as an operation: only where the socket belongs, and as a request of it. It does
    /// not wait, so the request begins, runs and ends in this call.
    #[track_caller]
    pub(super) fn end_writing(&self) -> io::Result<()> {
        self.io.reactor()?;
        let (site, trigger) = (Location::caller(), Some(self.io.async_id()));
        let kind = ResourceKind::ShutdownWrap;
        let request = Resource::create_with(kind, site, trigger, Frame::inherit());
        let result = request.call_once(|| self.shut_down_write());
        request.destroy();
        result
    }

    /// Looking takes nothing out of the kernel's buffer, so a short look proves nothing.
    pub(super) fn looks(&self, result: io::Result<usize>) -> io::Result<usize> {
        result.map_err(|error| self.name(&READING, error))
    }

    #[inline]
    fn reads(&self, result: io::Result<usize>, wanted: usize) -> io::Result<usize> {
        let done = self.looks(result)?;
        if F::SHORT_READ_EMPTIES {
            self.io.note_transfer(Direction::Read, done, wanted);
        }
        Ok(done)
    }

    #[inline]
    fn writes(&self, result: io::Result<usize>, wanted: usize) -> io::Result<usize> {
        let done = result.map_err(|error| self.name(&WRITING, error))?;
        if done != wanted {
            self.io.note_transfer(Direction::Write, done, wanted);
        }
        Ok(done)
    }

    #[cold]
    fn name(&self, phrases: &Phrases, error: io::Error) -> io::Error {
        let peer = || self.peer.as_ref().and_then(F::name);
        let local = || F::local_address(self.io.get()).ok().as_ref().and_then(F::name);
        transferring(phrases, peer, local, error)
    }
}

fn room(bufs: &[IoSliceMut<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

fn length(bufs: &[IoSlice<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

#[cfg(any(feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
impl<F: Family> Wire<F> {
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let attempt = |socket: &F::Socket| self.writes(socket.write(buf), buf.len());
        self.io.poll_now(cx, Direction::Write, attempt)
    }

    #[inline(always)]
    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let attempt = |socket: &F::Socket| self.writes(socket.write_vectored(bufs), length(bufs));
        self.io.poll_now(cx, Direction::Write, attempt)
    }
}

#[cfg(feature = "futures-io")]
impl<F: Family> Wire<F> {
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let attempt = |socket: &F::Socket| self.reads(socket.read(buf), buf.len());
        self.io.poll_now(cx, Direction::Read, attempt)
    }

    pub(super) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = room(bufs);
        let attempt = |socket: &F::Socket| self.reads(socket.read_vectored(bufs), wanted);
        self.io.poll_now(cx, Direction::Read, attempt)
    }
}

#[cfg(any(feature = "hyper", feature = "tokio-io"))]
impl<F: Family> Wire<F> {
    /// Reads by `attempt`, one of those of `uninit`.
    #[inline(always)]
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(socket2::SockRef<'_>) -> io::Result<(usize, usize)>,
    ) -> Poll<io::Result<()>> {
        let receive = |socket: &F::Socket| {
            let mut wanted = 0;
            let received = F::try_io(socket, || attempt(socket.options()));
            let received = received.map(|(done, room)| {
                wanted = room;
                done
            });
            self.reads(received, wanted)
        };
        self.io.poll_now(cx, Direction::Read, receive).map_ok(|_| ())
    }
}

//! Reading and writing a stream: shared by the stream, its halves and the traits.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::task::{Context, Poll};

use mio::net::TcpStream as Socket;

use crate::io::{Io, Outcome};
use crate::readiness::Direction;

type Transfer = io::Result<Outcome<usize>>;

fn read(mut socket: &Socket, buf: &mut [u8]) -> Transfer {
    socket.read(buf).map(|done| Outcome::transfer(done, buf.len()))
}

fn read_vectored(mut socket: &Socket, bufs: &mut [IoSliceMut<'_>]) -> Transfer {
    let wanted = bufs.iter().map(|buf| buf.len()).sum();
    socket.read_vectored(bufs).map(|done| Outcome::transfer(done, wanted))
}

fn write(mut socket: &Socket, buf: &[u8]) -> Transfer {
    socket.write(buf).map(|done| Outcome::transfer(done, buf.len()))
}

fn write_vectored(mut socket: &Socket, bufs: &[IoSlice<'_>]) -> Transfer {
    let wanted = bufs.iter().map(|buf| buf.len()).sum();
    socket.write_vectored(bufs).map(|done| Outcome::transfer(done, wanted))
}

/// Looking takes nothing out of the kernel's buffer, so a short look proves nothing.
fn peek(socket: &Socket, buf: &mut [u8]) -> Transfer {
    socket.peek(buf).map(Outcome::whole)
}

#[cfg(any(feature = "hyper", feature = "tokio-io"))]
fn receive(
    socket: &Socket,
    receive: impl FnOnce(socket2::SockRef<'_>) -> io::Result<(usize, usize)>,
) -> Transfer {
    // `try_io`, because on Windows mio has to see every `WouldBlock`.
    let received = socket.try_io(|| receive(socket2::SockRef::from(socket)));
    received.map(|(done, wanted)| Outcome::transfer(done, wanted))
}

impl Io<Socket> {
    pub(super) async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.operate(Direction::Read, |socket| read(socket, buf)).await
    }

    pub(super) async fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.operate(Direction::Read, |socket| read_vectored(socket, bufs)).await
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

    pub(super) async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.operate(Direction::Read, |socket| peek(socket, buf)).await
    }

    pub(super) async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.operate(Direction::Write, |socket| write(socket, buf)).await
    }

    pub(super) async fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.operate(Direction::Write, |socket| write_vectored(socket, bufs)).await
    }

    pub(super) async fn write_all(&self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write(buf).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                done => buf = &buf[done..],
            }
        }
        Ok(())
    }

    pub(super) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_now(Direction::Read, |socket| read(socket, buf))
    }

    pub(super) fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.try_now(Direction::Read, |socket| read_vectored(socket, bufs))
    }

    pub(super) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.try_now(Direction::Write, |socket| write(socket, buf))
    }

    pub(super) fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_now(Direction::Write, |socket| write_vectored(socket, bufs))
    }

    pub(super) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_now(cx, Direction::Read, |socket| peek(socket, buf))
    }

    /// Tells the peer that nothing more will be written. A connection that has ended already
    /// counts as told.
    pub(super) fn shut_down_write(&self) -> io::Result<()> {
        match self.get().shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// The same as an operation: only where the socket belongs.
    pub(super) fn end_writing(&self) -> io::Result<()> {
        self.reactor()?;
        self.shut_down_write()
    }
}

#[cfg(any(feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
impl Io<Socket> {
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_now(cx, Direction::Write, |socket| write(socket, buf))
    }

    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_now(cx, Direction::Write, |socket| write_vectored(socket, bufs))
    }
}

#[cfg(feature = "futures-io")]
impl Io<Socket> {
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_now(cx, Direction::Read, |socket| read(socket, buf))
    }

    pub(super) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_now(cx, Direction::Read, |socket| read_vectored(socket, bufs))
    }
}

#[cfg(any(feature = "hyper", feature = "tokio-io"))]
impl Io<Socket> {
    /// Reads by `attempt`, one of those of `uninit`.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(socket2::SockRef<'_>) -> io::Result<(usize, usize)>,
    ) -> Poll<io::Result<()>> {
        self.poll_now(cx, Direction::Read, |socket| receive(socket, &mut attempt)).map_ok(|_| ())
    }
}

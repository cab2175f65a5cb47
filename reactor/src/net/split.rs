//! The halves of a stream, for two tasks.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::net::stream::TcpStream;
use crate::readiness::Direction;

/// The reading half of a [`TcpStream`]. tokio's `OwnedReadHalf`.
///
/// The connection is closed when both halves have been dropped.
#[derive(Debug)]
pub struct OwnedReadHalf {
    pub(super) stream: Arc<TcpStream>,
}

/// The writing half of a [`TcpStream`]. tokio's `OwnedWriteHalf`.
///
/// Dropping it tells the peer that nothing more will be written, unless
/// [`forget`](Self::forget) is used.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    pub(super) stream: Arc<TcpStream>,
    shut_down: bool,
}

impl TcpStream {
    /// Splits the stream into two halves that can live in different tasks.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        (OwnedReadHalf { stream: stream.clone() }, OwnedWriteHalf { stream, shut_down: true })
    }
}

/// The halves given to `reunite` are not of one stream; here they are again.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not of the same stream")
    }
}

impl Error for ReuniteError {}

fn reunite(reader: OwnedReadHalf, mut writer: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&reader.stream, &writer.stream) {
        return Err(ReuniteError(reader, writer));
    }
    writer.shut_down = false;
    drop(writer);
    Ok(Arc::into_inner(reader.stream).expect("a stream has two halves, and here they were"))
}

impl OwnedReadHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    ///
    /// They are not of the same stream.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }

    /// As [`TcpStream::read`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::read`].
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.io.read(buf).await
    }

    /// As [`TcpStream::read_exact`]; not cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::read_exact`].
    pub async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.stream.io.read_exact(buf).await
    }

    /// As [`TcpStream::read_vectored`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::read`].
    pub async fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.io.read_vectored(bufs).await
    }

    /// As [`TcpStream::peek`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::read`].
    pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.io.peek(buf).await
    }

    /// As [`TcpStream::try_read`].
    ///
    /// # Errors
    ///
    /// As [`TcpStream::try_read`].
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.io.try_read(buf)
    }

    /// As [`TcpStream::readable`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::readable`].
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.io.wait_for(Direction::Read).await
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl OwnedWriteHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    ///
    /// They are not of the same stream.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops the half without telling the peer.
    pub fn forget(mut self) {
        self.shut_down = false;
    }

    /// As [`TcpStream::write`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::write`].
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.io.write(buf).await
    }

    /// As [`TcpStream::write_all`]; not cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::write`].
    pub async fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.stream.io.write_all(buf).await
    }

    /// As [`TcpStream::write_vectored`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::write`].
    pub async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.io.write_vectored(bufs).await
    }

    /// As [`TcpStream::try_write`].
    ///
    /// # Errors
    ///
    /// As [`TcpStream::try_write`].
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.stream.io.try_write(buf)
    }

    /// As [`TcpStream::writable`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::writable`].
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.io.wait_for(Direction::Write).await
    }

    /// As [`TcpStream::shutdown`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::shutdown`].
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.io.end_writing()
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shut_down {
            // A connection that has failed needs no farewell.
            let _ = self.stream.io.shut_down_write();
        }
    }
}

//! The halves of a stream, for two tasks.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Deref;
use std::sync::Arc;

use crate::net::family::{Family, Tcp};
use crate::net::stream::Stream;
use crate::readiness::{Reading, Writing};

/// A reading half: an [`OwnedReadHalf`] or a [`ReadHalf`], by what leads to the stream.
#[derive(Debug)]
pub struct Reader<P> {
    pub(super) stream: P,
}

/// A writing half: an [`OwnedWriteHalf`] or a [`WriteHalf`], by what leads to the stream.
#[derive(Debug)]
pub struct Writer<P> {
    pub(super) stream: P,
}

/// The reading half of a stream, with a life of its own. tokio's `OwnedReadHalf`.
///
/// The connection is closed when both halves have been dropped.
pub type OwnedReadHalf<F = Tcp> = Reader<Arc<Stream<F>>>;

/// The writing half of a stream, with a life of its own. tokio's `OwnedWriteHalf`.
///
/// Dropping it tells the peer that nothing more will be written, unless `forget` is used.
pub type OwnedWriteHalf<F = Tcp> = Writer<Closing<F>>;

/// The reading half of a borrowed stream. tokio's `ReadHalf`.
pub type ReadHalf<'a, F = Tcp> = Reader<&'a Stream<F>>;

/// The writing half of a borrowed stream. tokio's `WriteHalf`. Dropping it tells the peer nothing.
pub type WriteHalf<'a, F = Tcp> = Writer<&'a Stream<F>>;

/// A stream to which nothing more is written when this is dropped.
#[derive(Debug)]
pub struct Closing<F: Family> {
    stream: Arc<Stream<F>>,
    shut_down: bool,
}

impl<F: Family> Deref for Closing<F> {
    type Target = Stream<F>;

    fn deref(&self) -> &Stream<F> {
        &self.stream
    }
}

impl<F: Family> Drop for Closing<F> {
    fn drop(&mut self) {
        if self.shut_down {
            // A connection that has failed needs no farewell.
            let _ = self.stream.wire.shut_down_write();
        }
    }
}

impl<F: Family> Stream<F> {
    /// Splits the stream into two halves that can live in different tasks.
    pub fn into_split(self) -> (OwnedReadHalf<F>, OwnedWriteHalf<F>) {
        let stream = Arc::new(self);
        let closing = Closing { stream: stream.clone(), shut_down: true };
        (Reader { stream }, Writer { stream: closing })
    }

    /// Splits the stream into two halves that borrow it, for two futures of one task. It costs
    /// nothing, and the stream is whole again when they are gone.
    pub fn split(&mut self) -> (ReadHalf<'_, F>, WriteHalf<'_, F>) {
        (Reader { stream: &*self }, Writer { stream: &*self })
    }
}

/// The halves given to `reunite` are not of one stream; here they are again.
#[derive(Debug)]
pub struct ReuniteError<F: Family = Tcp>(pub OwnedReadHalf<F>, pub OwnedWriteHalf<F>);

impl<F: Family> fmt::Display for ReuniteError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not of the same stream")
    }
}

impl<F: Family> Error for ReuniteError<F> {}

fn reunite<F: Family>(
    reader: OwnedReadHalf<F>,
    mut writer: OwnedWriteHalf<F>,
) -> Result<Stream<F>, ReuniteError<F>> {
    if !Arc::ptr_eq(&reader.stream, &writer.stream.stream) {
        return Err(ReuniteError(reader, writer));
    }
    writer.stream.shut_down = false;
    drop(writer);
    Ok(Arc::into_inner(reader.stream).expect("a stream has two halves, and here they were"))
}

impl<F: Family> OwnedReadHalf<F> {
    /// Puts the halves together again.
    ///
    /// # Errors
    ///
    /// They are not of the same stream.
    pub fn reunite(self, other: OwnedWriteHalf<F>) -> Result<Stream<F>, ReuniteError<F>> {
        reunite(self, other)
    }
}

impl<F: Family> OwnedWriteHalf<F> {
    /// Puts the halves together again.
    ///
    /// # Errors
    ///
    /// They are not of the same stream.
    pub fn reunite(self, other: OwnedReadHalf<F>) -> Result<Stream<F>, ReuniteError<F>> {
        reunite(other, self)
    }

    /// Drops the half without telling the peer.
    pub fn forget(mut self) {
        self.stream.shut_down = false;
    }
}

impl<F: Family, P: Deref<Target = Stream<F>>> Reader<P> {
    /// As [`Stream::read`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::read`].
    pub fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.stream.wire.read(buf)
    }

    /// As [`Stream::read_exact`]; not cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::read_exact`].
    pub async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.stream.wire.read_exact(buf).await
    }

    /// As [`Stream::read_vectored`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::read`].
    pub async fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.wire.read_vectored(bufs).await
    }

    /// As [`Stream::try_read`].
    ///
    /// # Errors
    ///
    /// As [`Stream::try_read`].
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.wire.try_read(buf)
    }

    /// As [`Stream::readable`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::readable`].
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.wire.io.wait_for(Reading).await
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<F::Address> {
        self.stream.peer_addr()
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<F::Address> {
        self.stream.local_addr()
    }
}

impl<F: Family, P: Deref<Target = Stream<F>>> AsRef<Stream<F>> for Reader<P> {
    fn as_ref(&self) -> &Stream<F> {
        &self.stream
    }
}

impl<F: Family, P: Deref<Target = Stream<F>>> Writer<P> {
    /// As [`Stream::write`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub fn write(&mut self, buf: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.stream.wire.write(buf)
    }

    /// As [`Stream::write_all`]; not cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub fn write_all(&mut self, buf: &[u8]) -> impl Future<Output = io::Result<()>> {
        self.stream.wire.write_all(buf)
    }

    /// As [`Stream::write_vectored`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.wire.write_vectored(bufs).await
    }

    /// As [`Stream::try_write`].
    ///
    /// # Errors
    ///
    /// As [`Stream::try_write`].
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.stream.wire.try_write(buf)
    }

    /// As [`Stream::writable`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::writable`].
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.wire.io.wait_for(Writing).await
    }

    /// As [`Stream::shutdown`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Stream::shutdown`].
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.wire.end_writing()
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<F::Address> {
        self.stream.peer_addr()
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<F::Address> {
        self.stream.local_addr()
    }
}

impl<F: Family, P: Deref<Target = Stream<F>>> AsRef<Stream<F>> for Writer<P> {
    fn as_ref(&self) -> &Stream<F> {
        &self.stream
    }
}

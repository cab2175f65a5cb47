//! The pipes to a child.

use crate::process::descriptor::Descriptor;
use lunation_context::ResourceKind;
use lunation_reactor::{Interest, Registration};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
#[cfg(feature = "futures-io")]
use std::task::{Context, Poll};

/// Our end of a pipe: non-blocking, and registered.
#[derive(Debug)]
pub(super) struct Pipe(Registration<Descriptor<File>>);

impl Pipe {
    #[track_caller]
    pub(super) fn new(end: impl Into<OwnedFd>, interest: Interest) -> io::Result<Pipe> {
        let end = end.into();
        rustix::io::ioctl_fionbio(&end, true)?;
        let source = Descriptor(File::from(end));
        Ok(Pipe(Registration::new(source, interest, ResourceKind::PipeWrap)?))
    }

    async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.async_io(Interest::READABLE, |pipe| (&pipe.0).read(buf)).await
    }

    async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.async_io(Interest::WRITABLE, |pipe| (&pipe.0).write(buf)).await
    }

    async fn read_to_end(&self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let start = bytes.len();
        // What is there is read up to the end or to WouldBlock, and kept in either case.
        self.0.async_io(Interest::READABLE, |pipe| (&pipe.0).read_to_end(bytes)).await?;
        Ok(bytes.len() - start)
    }

    async fn write_all(&self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write(buf).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                done => buf = &buf[done..],
            }
        }
        Ok(())
    }

    #[cfg(feature = "futures-io")]
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_io(cx, Interest::READABLE, |pipe| (&pipe.0).read(buf))
    }

    #[cfg(feature = "futures-io")]
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_io(cx, Interest::WRITABLE, |pipe| (&pipe.0).write(buf))
    }

    /// For another child, which expects it to block.
    fn into_stdio(self) -> io::Result<Stdio> {
        let end = self.0.into_inner().0;
        rustix::io::ioctl_fionbio(&end, false)?;
        Ok(end.into())
    }
}

/// The standard input of a child. Tokio: `process::ChildStdin`. Dropping it closes it: the child
/// then reads the end.
#[derive(Debug)]
pub struct ChildStdin(pub(super) Pipe);

impl ChildStdin {
    /// Writes some of `buf`; gives how much.
    ///
    /// Cancel safe: a dropped future has written nothing.
    ///
    /// # Errors
    /// `BrokenPipe`: the child has closed its end. The system's others, unchanged.
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf).await
    }

    /// Writes all of `buf`.
    ///
    /// Not cancel safe: how much a dropped future has written is lost.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.0.write_all(buf).await
    }
}

/// The standard output of a child. Tokio: `process::ChildStdout`.
#[derive(Debug)]
pub struct ChildStdout(pub(super) Pipe);

impl ChildStdout {
    /// Reads what is there, at most `buf.len()` bytes; 0 means that the child has closed its end.
    ///
    /// Cancel safe: a dropped future has read nothing.
    ///
    /// # Errors
    /// The system's, unchanged.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).await
    }

    /// Reads until the child closes its end, and appends it to `bytes`; gives how much that was.
    ///
    /// Cancel safe: what was read is in `bytes`.
    ///
    /// # Errors
    /// The system's, unchanged.
    pub async fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        self.0.read_to_end(bytes).await
    }
}

/// The standard error of a child. Tokio: `process::ChildStderr`.
#[derive(Debug)]
pub struct ChildStderr(pub(super) Pipe);

impl ChildStderr {
    /// As [`ChildStdout::read`].
    ///
    /// # Errors
    /// The system's, unchanged.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).await
    }

    /// As [`ChildStdout::read_to_end`].
    ///
    /// # Errors
    /// The system's, unchanged.
    pub async fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        self.0.read_to_end(bytes).await
    }
}

/// For the input of another child.
impl TryFrom<ChildStdout> for Stdio {
    type Error = io::Error;

    fn try_from(pipe: ChildStdout) -> io::Result<Stdio> {
        pipe.0.into_stdio()
    }
}

/// For the input of another child.
impl TryFrom<ChildStderr> for Stdio {
    type Error = io::Error;

    fn try_from(pipe: ChildStderr) -> io::Result<Stdio> {
        pipe.0.into_stdio()
    }
}

/// For the output of another child.
impl TryFrom<ChildStdin> for Stdio {
    type Error = io::Error;

    fn try_from(pipe: ChildStdin) -> io::Result<Stdio> {
        pipe.0.into_stdio()
    }
}

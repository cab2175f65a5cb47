//! A connection's stream that watches how far it is, and that closes gently.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use lunation_executor::time;
use lunation_reactor::net::TcpStream;

use crate::http::progress::Progress;

/// Bytes read at a time where they are thrown away.
const CHUNK: usize = 4096;

/// Several pieces of no more than this together are written as one: copying them costs the
/// processor less than a list of them costs the kernel.
const SMALL: usize = 1024;

/// How long what a peer still sends is read after the last response. Closing at once would reset
/// the connection, and the peer would lose the response that tells it why.
const LINGER: Duration = Duration::from_secs(2);

/// A connection's stream, and how far it is: what hyper and the driver share.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) stream: TcpStream,
    pub(super) progress: Progress,
}

/// The stream as hyper sees it.
#[derive(Debug)]
pub(super) struct Watched {
    line: Arc<Line>,
    linger: Option<Pin<Box<time::Sleep>>>,
}

impl Watched {
    pub(super) fn new(line: Arc<Line>) -> Watched {
        Watched { line, linger: None }
    }

    /// Notes whether the response that was to be written waits.
    #[inline]
    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.line.progress.note_blocked(written.is_pending());
        written
    }
}

impl Read for Watched {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Line { stream, progress } = &*self.line;
        stream.poll_read_seen(cx, buf, |read| progress.read(read))
    }
}

impl Write for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.note(Pin::new(&mut &self.line.stream).poll_write(cx, buf))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut stream = &self.line.stream;
        if bufs.iter().map(|buf| buf.len()).sum::<usize>() > SMALL {
            return self.note(Pin::new(&mut stream).poll_write_vectored(cx, bufs));
        }
        let mut room = [const { MaybeUninit::uninit() }; SMALL];
        let mut whole = ReadBuf::uninit(&mut room);
        for buf in bufs {
            whole.unfilled().put_slice(buf);
        }
        self.note(Pin::new(&mut stream).poll_write(cx, whole.filled()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &self.line.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Watched { line, linger } = self.get_mut();
        let mut stream = &line.stream;
        if linger.is_none() {
            ready!(Pin::new(&mut stream).poll_shutdown(cx))?;
            if !line.progress.is_unfinished() {
                return Poll::Ready(Ok(()));
            }
        }
        // The limits are for heads.
        line.progress.note_blocked(true);
        let linger = linger.get_or_insert_with(|| Box::pin(time::sleep(LINGER)));
        if linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            let read = ready!(Pin::new(&mut stream).poll_read(cx, chunk.unfilled()));
            if read.is_err() || chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

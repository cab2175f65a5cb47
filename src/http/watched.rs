//! A connection's stream that watches for the ends of heads, and that closes gently.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use lunation_executor::time;
use lunation_reactor::net::TcpStream;

use crate::http::deadline::Progress;

/// Bytes read at a time where they are thrown away.
const CHUNK: usize = 4096;

/// What a head ends with, and what may stand before it.
const EMPTY_LINE: [u8; 3] = *b"\n\r\n";

/// How long what a peer still sends is read after the last response. Closing at once would reset
/// the connection, and the peer would lose the response that tells it why.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    progress: Arc<Progress>,
    /// The last bytes that were read, except for those of bodies.
    tail: [u8; 3],
    linger: Option<time::Sleep>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, progress: Arc<Progress>) -> Watched {
        Watched { stream, progress, tail: EMPTY_LINE, linger: None }
    }
}

/// Moves the last bytes that were read on by `read`, and says whether a head has ended there. It
/// does with an empty line; so do the empty lines that may stand before one.
fn ends_head(tail: &mut [u8; 3], read: &[u8]) -> bool {
    match read.last_chunk() {
        Some(last) => *tail = *last,
        None => {
            for byte in read {
                tail.rotate_left(1);
                tail[2] = *byte;
            }
        }
    }
    matches!(*tail, [_, b'\n', b'\n'] | [b'\n', b'\r', b'\n'])
}

impl Read for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Watched { stream, progress, tail, .. } = self.get_mut();
        if progress.in_body() {
            *tail = EMPTY_LINE;
            return Pin::new(stream).poll_read(cx, buf);
        }
        stream.poll_read_seen(cx, buf, |read| progress.read_head(!ends_head(tail, read)))
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.progress.is_unfinished() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(|| time::sleep(LINGER));
        if Pin::new(linger).poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, chunk.unfilled()));
            if read.is_err() || chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

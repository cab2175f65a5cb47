//! TCP streams: what they have and others have not.

use std::io;
use std::net::ToSocketAddrs;
use std::ops::Deref;
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Duration;

use mio::net::TcpStream as Socket;
use socket2::SockRef;

use crate::io::Subject;
use crate::net::error::resolve;
use crate::net::family::Tcp;
use crate::net::split::Reader;
use crate::net::stream::Stream;
use crate::readiness::{Direction, Reading};

/// A TCP connection. tokio's `TcpStream`, Node's `net.Socket`. All that streams have in common
/// stands at [`Stream`].
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
pub type TcpStream = Stream<Tcp>;

impl Stream<Tcp> {
    /// Connects to `address`; if it names several, to the first that answers.
    ///
    /// A host name blocks the loop while it is looked up; a literal address does not.
    /// To look it up elsewhere: `connect(&lunation::net::lookup_host("name:port").await?[..])`.
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
                match TcpStream::open(address, site, |to| Socket::connect(*to)).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
        }
    }

    /// Reads without taking: the next read gives the same bytes again.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.wire.operate(Reading, |wire| wire.looks(wire.io.get().peek(buf))).await
    }

    /// [`peek`](Self::peek) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.wire.io.poll_now(cx, Direction::Read, |socket| self.wire.looks(socket.peek(buf)))
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.wire.io.get().nodelay()
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`). Node sets it for
    /// HTTP.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.wire.io.get().set_nodelay(nodelay)
    }

    /// The hop limit of what is sent (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.wire.io.get().ttl()
    }

    /// Sets the hop limit (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.wire.io.get().set_ttl(ttl)
    }

    /// How long closing may wait for unsent data (`SO_LINGER`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self.wire.io.get()).linger()
    }

    /// Sets how long closing may wait for unsent data, in whole seconds (`SO_LINGER`). Zero resets
    /// the connection on drop; other values block the loop there.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.wire.io.get()).set_linger(linger)
    }
}

impl<P: Deref<Target = TcpStream>> Reader<P> {
    /// As [`TcpStream::peek`]; cancel safe.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::read`].
    pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(buf).await
    }
}

//! The UDP socket: datagrams.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use lunation_context::{AsyncId, Resource, ResourceKind};
use mio::Interest;
use mio::net::UdpSocket as Socket;

use crate::io::{Io, Subject, current_reactor};
use crate::net::channels;
use crate::net::error::{Phrases, during, first_of, resolve_one, transferring};
use crate::net::stream::BOTH_WAYS;
use crate::readiness::{Direction, Reading, Ready, Writing};
use crate::source::{Dispatch, Slot};

const SENDING: Phrases = Phrases { peer: "send to", local: "send on" };
const RECEIVING: Phrases = Phrases { peer: "receive from", local: "receive on" };

/// A UDP socket. tokio's `UdpSocket`, Node's `dgram.Socket`.
///
/// A call sends or receives one datagram. What is longer than the buffer of a receiving call is
/// cut off and lost. Delivery is not assured: on a [connected](Self::connect) socket a later
/// operation may tell that nobody listened.
///
/// Several futures may wait for one socket at a time; each is woken. Of the `poll_*` functions the
/// last caller per direction is.
///
/// # Examples
///
/// ```
/// # use std::io;
/// use lunation_reactor::net::UdpSocket;
///
/// async fn echo() -> io::Result<()> {
///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
///     let mut buf = [0; 1500];
///     loop {
///         let (length, peer) = socket.recv_from(&mut buf).await?;
///         socket.send_to(&buf[..length], peer).await?;
///     }
/// }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    pub(super) io: Io<Socket>,
}

impl UdpSocket {
    /// A socket with this address of its own; if it names several, the first that works. Port 0
    /// lets the system choose. Options that must be set before go through
    /// [`from_std`](Self::from_std).
    ///
    /// A host name blocks the loop while it is looked up; a literal address does not. Cancel safe:
    /// it does not wait otherwise.
    ///
    /// # Errors
    ///
    /// That of the last attempt, with the address in its text and the system's error as
    /// `source()`; that of the look-up; or there is no runtime on this thread.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> impl Future<Output = io::Result<UdpSocket>> {
        let site = Location::caller();
        async move {
            let bind = |address| {
                Socket::bind(address).map_err(|error| during("bind", Some(address), error))
            };
            UdpSocket::register(first_of(address, bind)?, site)
        }
    }

    /// Takes over a socket of the standard library and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// There is no runtime on this thread, or the system refuses.
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        socket.set_nonblocking(true)?;
        UdpSocket::register(Socket::from_std(socket), Location::caller())
    }

    fn register(socket: Socket, site: &'static Location<'static>) -> io::Result<UdpSocket> {
        let reactor = current_reactor()?;
        let resource = Rc::new(Resource::create(ResourceKind::UdpWrap, site));
        let birth = channels::wanted(&channels::UDP_SOCKET, &resource);
        let slot = Slot::new(resource, Ready::BOTH, Dispatch::InResource)
            .requesting(&ResourceKind::UdpSendWrap);
        let socket = UdpSocket { io: Io::register(&reactor, socket, BOTH_WAYS, slot)? };
        if let Some(birth) = birth {
            birth.publish(socket.local_addr().ok().map(|address| address.to_string()));
        }
        Ok(socket)
    }

    /// Takes the socket out of its runtime. It stays non-blocking. Works on every thread.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        Ok(self.io.into_inner().into())
    }

    /// Lets `run_to_idle` end although an operation waits for this socket. Node's equivalent:
    /// `socket.unref()`. Nothing happens outside of its runtime.
    pub fn unref(&self) -> &Self {
        self.io.set_ref(false);
        self
    }

    /// Lets operations that wait for this socket keep the loop alive again: `socket.ref()`.
    pub fn ref_(&self) -> &Self {
        self.io.set_ref(true);
        self
    }

    /// The id of its async resource, the `UDPWRAP`: the trigger for what its datagrams cause. Works
    /// on every thread.
    pub fn async_id(&self) -> AsyncId {
        self.io.async_id()
    }

    /// Sets the peer of [`send`](Self::send) and [`recv`](Self::recv), and lets nobody else's
    /// datagrams in. If `address` names several, the first that works. Nothing is sent.
    ///
    /// A host name blocks the loop while it is looked up; a literal address does not. Cancel safe:
    /// it does not wait otherwise.
    ///
    /// # Errors
    ///
    /// That of the last attempt, with the address in its text and the system's error as
    /// `source()`; that of the look-up; or the socket belongs to another thread's runtime.
    pub async fn connect<A: ToSocketAddrs>(&self, address: A) -> io::Result<()> {
        self.io.reactor()?;
        first_of(address, |address| {
            let connected = self.io.get().connect(address);
            connected.map_err(|error| during("connect to", Some(address), error))
        })
    }

    /// Sends one datagram to the connected peer and returns its length.
    ///
    /// Cancel safe: a dropped future has sent nothing.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the peer's address in the text: also those of earlier
    /// datagrams, above all `ConnectionRefused` if nobody listens there. Or the socket belongs to
    /// another thread's runtime.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.operate(Writing, |socket| self.sent(socket.send(buf))).await
    }

    /// [`send`](Self::send) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_now(cx, Direction::Write, |socket| self.sent(socket.send(buf)))
    }

    /// Sends if the socket is writable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.try_now(Direction::Write, |socket| self.sent(socket.send(buf)))
    }

    /// Receives one datagram from the connected peer and returns its length.
    ///
    /// Cancel safe: a dropped future has received nothing.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the peer's address in the text: also those of what was
    /// sent, above all `ConnectionRefused` if nobody listens there. Or the socket belongs to
    /// another thread's runtime.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.operate(Reading, |socket| self.received(socket.recv(buf))).await
    }

    /// [`recv`](Self::recv) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io.poll_now(cx, Direction::Read, |socket| self.received(socket.recv(buf)))
    }

    /// Receives if the socket is readable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; else as [`recv`](Self::recv).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.try_now(Direction::Read, |socket| self.received(socket.recv(buf)))
    }

    /// [`recv`](Self::recv) without taking: the next call gives the same datagram again.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.operate(Reading, |socket| self.received(socket.peek(buf))).await
    }

    /// Sends one datagram to `target`, the first address if it names several, and returns its
    /// length.
    ///
    /// A host name blocks the loop while it is looked up; a literal address does not. Cancel safe:
    /// a dropped future has sent nothing.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the target in the text; that of the look-up; or the socket
    /// belongs to another thread's runtime.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], target: A) -> io::Result<usize> {
        let target = resolve_one(target)?;
        self.io.operate(Writing, |socket| sent_to(socket, buf, target)).await
    }

    /// [`send_to`](Self::send_to) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io.poll_now(cx, Direction::Write, |socket| sent_to(socket, buf, target))
    }

    /// Sends to `target` if the socket is writable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.io.try_now(Direction::Write, |socket| sent_to(socket, buf, target))
    }

    /// Receives one datagram and returns its length and who sent it.
    ///
    /// Cancel safe: a dropped future has received nothing.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the socket's address in the text; or the socket belongs to
    /// another thread's runtime.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.operate(Reading, |socket| self.received(socket.recv_from(buf))).await
    }

    /// [`recv_from`](Self::recv_from) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll_now(cx, Direction::Read, |socket| self.received(socket.recv_from(buf)))
    }

    /// Receives if the socket is readable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; else as [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.try_now(Direction::Read, |socket| self.received(socket.recv_from(buf)))
    }

    /// [`recv_from`](Self::recv_from) without taking: the next call gives the same datagram again.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.operate(Reading, |socket| self.received(socket.peek_from(buf))).await
    }

    /// [`peek_from`](Self::peek_from) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll_now(cx, Direction::Read, |socket| self.received(socket.peek_from(buf)))
    }

    /// Looks if the socket is readable.
    ///
    /// # Errors
    ///
    /// As [`try_recv_from`](Self::try_recv_from).
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.try_now(Direction::Read, |socket| self.received(socket.peek_from(buf)))
    }

    /// Waits until a datagram is there, or an error. It can turn out not to be: go on with
    /// [`try_recv`](Self::try_recv) or [`try_recv_from`](Self::try_recv_from) in a loop.
    ///
    /// Cancel safe: it takes nothing.
    ///
    /// # Errors
    ///
    /// The socket belongs to another thread's runtime.
    pub async fn readable(&self) -> io::Result<()> {
        self.io.wait_for(Reading).await
    }

    /// Waits until there is room to send. It can turn out not to be: go on with
    /// [`try_send`](Self::try_send) or [`try_send_to`](Self::try_send_to) in a loop.
    ///
    /// Cancel safe: it takes nothing.
    ///
    /// # Errors
    ///
    /// The socket belongs to another thread's runtime.
    pub async fn writable(&self) -> io::Result<()> {
        self.io.wait_for(Writing).await
    }

    /// Waits until one of the directions of `interest` is ready, and tells all that is known of
    /// them.
    ///
    /// Cancel safe: it takes nothing.
    ///
    /// # Errors
    ///
    /// `interest` names no direction; or the socket belongs to another thread's runtime.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.io.ready(interest).await
    }

    /// [`readable`](Self::readable) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// The socket belongs to another thread's runtime.
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ready(cx, Direction::Read)
    }

    /// [`writable`](Self::writable) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// The socket belongs to another thread's runtime.
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ready(cx, Direction::Write)
    }

    /// Datagrams come one by one: a short one proves nothing about the next.
    fn received<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| self.name(&RECEIVING, error))
    }

    fn sent(&self, result: io::Result<usize>) -> io::Result<usize> {
        result.map_err(|error| self.name(&SENDING, error))
    }

    #[cold]
    fn name(&self, phrases: &Phrases, error: io::Error) -> io::Error {
        let text = |address: io::Result<SocketAddr>| address.ok().map(|at| at.to_string());
        let socket = self.io.get();
        transferring(phrases, || text(socket.peer_addr()), || text(socket.local_addr()), error)
    }
}

fn sent_to(socket: &Socket, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
    let target_text = || Some(target.to_string());
    let sent = socket.send_to(buf, target);
    sent.map_err(|error| transferring(&SENDING, target_text, || None, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Reactor;
    use lunation_context::hooks::flush_destroys;
    use lunation_context::{AsyncHooks, ResourceRef, create_hook};
    use std::cell::RefCell;
    use std::pin::pin;
    use std::task::Waker;

    #[derive(Clone, Default)]
    struct Journal(Rc<RefCell<Vec<String>>>);

    impl Journal {
        fn note(&self, what: &str, id: AsyncId) {
            self.0.borrow_mut().push(format!("{what} {id}"));
        }
    }

    impl AsyncHooks for Journal {
        fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
            self.note(&format!("{kind} by {trigger}"), id);
        }
        fn before(&self, id: AsyncId) {
            self.note("before", id);
        }
        fn after(&self, id: AsyncId) {
            self.note("after", id);
        }
        fn destroy(&self, id: AsyncId) {
            self.note("destroy", id);
        }
    }

    /// No send waits on the loopback interface, so the socket is told that one would.
    #[test]
    fn a_send_that_waits_is_a_request_of_the_socket() {
        let reactor = Reactor::new().unwrap();
        let _entered = reactor.enter();
        let site = Location::caller();
        let bound = Socket::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let socket = UdpSocket::register(bound, site).unwrap();
        let full = |_: &Socket| Err(io::ErrorKind::WouldBlock.into());
        socket.io.try_now::<()>(Direction::Write, full).unwrap_err();
        let journal = Journal::default();
        let hook = create_hook(journal.clone());
        hook.enable();
        let mut send = pin!(socket.send_to(b"data", socket.local_addr().unwrap()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(send.as_mut().poll(&mut context).is_pending());
        reactor.wait(None).unwrap();
        reactor.dispatch(|| true);
        assert!(matches!(send.as_mut().poll(&mut context), Poll::Ready(Ok(4))));
        flush_destroys();
        hook.disable();
        let own = socket.async_id();
        let id = own.get() + 1;
        let lines = [format!("UDPSENDWRAP by {own} {id}"), format!("before {id}")];
        let ends = [format!("after {id}"), format!("destroy {id}")];
        assert_eq!(journal.0.take(), [lines, ends].concat());
    }
}

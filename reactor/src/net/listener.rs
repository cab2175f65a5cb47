//! Listeners of all families.

use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use lunation_context::{Activation, AsyncId, Frame, Resource};
use mio::Interest;

use crate::io::{Io, Subject, current_reactor};
use crate::net::channels;
use crate::net::errno;
use crate::net::error::during;
use crate::net::family::Family;
use crate::net::stream::Stream;
use crate::readiness::{Direction, Reading, Ready};
use crate::source::{Dispatch, Slot};

/// A socket that accepts connections: [`TcpListener`](crate::net::TcpListener) or, on Unix,
/// `UnixListener`. Node's `net.Server`.
///
/// Several tasks may accept from one listener.
#[derive(Debug)]
pub struct Listener<F: Family> {
    pub(super) io: Io<F::Server>,
}

impl<F: Family> Listener<F> {
    /// Takes over a listener of the standard library and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// There is no runtime on this thread, or the system refuses.
    #[track_caller]
    pub fn from_std(listener: F::StdListener) -> io::Result<Listener<F>> {
        Listener::register(F::adopt_listener(listener)?, Location::caller())
    }

    /// Registers a socket that listens and does not block.
    pub(super) fn register(
        socket: F::Server,
        site: &'static Location<'static>,
    ) -> io::Result<Listener<F>> {
        let reactor = current_reactor()?;
        let resource = Rc::new(Resource::create(F::KINDS.server, site));
        let slot = Slot::new(resource, Ready::BOTH, Dispatch::Silent);
        Ok(Listener { io: Io::register(&reactor, socket, Interest::READABLE, slot)? })
    }

    /// Takes the listener out of its runtime. It stays non-blocking. Works on every thread.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn into_std(self) -> io::Result<F::StdListener> {
        Ok(self.io.into_inner().into())
    }

    /// Lets `run_to_idle` end although somebody waits for a connection. Node's equivalent:
    /// `server.unref()`. Nothing happens outside of its runtime.
    pub fn unref(&self) -> &Self {
        self.io.set_ref(false);
        self
    }

    /// Lets those who wait for a connection keep the loop alive again: `server.ref()`.
    pub fn ref_(&self) -> &Self {
        self.io.set_ref(true);
        self
    }

    /// Accepts one connection. Its async resource is triggered by the listener and starts from the
    /// listener's frame.
    ///
    /// Cancel safe: a dropped future has accepted nothing.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the listener's address in the text. A connection that
    /// ended while it waited is passed over. When the process or the system is out of descriptors,
    /// the next accept waits 100 ms, doubling up to 1 s, so that a loop which only logs the error
    /// does not spin. Or the listener belongs to another thread's runtime.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(Stream<F>, F::Address)>> + use<'_, F> {
        let site = Location::caller();
        async move {
            let result = self.io.operate(Reading, accept::<F>).await;
            self.accepted(result, site)
        }
    }

    /// [`accept`](Self::accept) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    #[track_caller]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream<F>, F::Address)>> {
        let result = ready!(self.io.poll_now(cx, Direction::Read, accept::<F>));
        Poll::Ready(self.accepted(result, Location::caller()))
    }

    /// The id of its async resource, the `TCPSERVERWRAP` or `PIPESERVERWRAP`. Works on every
    /// thread.
    pub fn async_id(&self) -> AsyncId {
        self.io.async_id()
    }

    /// The address it listens on: with TCP's port 0, the port that the system chose.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<F::Address> {
        F::server_address(self.io.get())
    }

    fn accepted(
        &self,
        result: io::Result<(F::Socket, F::Address)>,
        site: &'static Location<'static>,
    ) -> io::Result<(Stream<F>, F::Address)> {
        let welcomed =
            result.and_then(|(socket, peer)| Ok((self.welcome(socket, peer.clone(), site)?, peer)));
        welcomed.map_err(|error| {
            if errno::is_out_of_descriptors(&error)
                && let Ok(reactor) = self.io.reactor()
            {
                reactor.pause(self.io.key());
            }
            during("accept on", self.local_addr().ok().as_ref().and_then(F::name), error)
        })
    }

    /// Makes the stream of a new connection: Node's `TCPWRAP` or `PIPEWRAP` with the server as
    /// trigger, created by the loop (execution id 0) inside before/after of the server.
    fn welcome(
        &self,
        socket: F::Socket,
        peer: F::Address,
        site: &'static Location<'static>,
    ) -> io::Result<Stream<F>> {
        let reactor = self.io.reactor()?;
        let gone = || io::Error::other("the listener's runtime has shut down");
        let server = reactor.accepted(self.io.key()).ok_or_else(gone)?;
        let resource = server.call(|| {
            let frame = Frame::inherit();
            let (kind, trigger) = (F::KINDS.stream, Some(server.id()));
            Activation::of_loop().enter(|| Resource::create_with(kind, site, trigger, frame))
        });
        let birth = channels::wanted(&channels::NET_SERVER_SOCKET, &resource);
        let name = birth.as_ref().and_then(|_| F::name(&peer));
        let stream = Stream::register(&reactor, socket, resource, Some(peer))?;
        if let Some(birth) = birth {
            birth.publish(name);
        }
        Ok(stream)
    }
}

fn accept<F: Family>(server: &F::Server) -> io::Result<(F::Socket, F::Address)> {
    loop {
        match F::accept(server) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            result => return result,
        }
    }
}

/// Begins to listen, traced.
pub(super) fn trace_listen<F: Family>(
    address: impl FnOnce() -> String,
    listen: impl FnOnce() -> io::Result<Listener<F>>,
) -> io::Result<Listener<F>> {
    if !channels::NET_SERVER_LISTEN.has_subscribers() {
        return listen();
    }
    let mut made = None;
    channels::NET_SERVER_LISTEN
        .trace_sync(channels::ListenMessage { address: address() }, || {
            made.insert(listen()?).io.resource()
        })?;
    Ok(made.expect("it listens"))
}

//! TCP listeners: what they have and others have not.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::Location;

use crate::net::error::{during, first_of, resolve};
use crate::net::family::{Family, Tcp};
use crate::net::listener::{Listener, trace_listen};
use crate::net::socket::TcpSocket;

/// Connections that may wait to be accepted, unless [`TcpSocket::listen`] says otherwise; tokio's
/// number.
const BACKLOG: u32 = 1024;

/// A TCP socket that accepts connections. tokio's `TcpListener`, Node's `net.Server`. All that
/// listeners have in common stands at [`Listener`].
///
/// # Examples
///
/// ```
/// # use std::io;
/// use lunation_reactor::net::TcpListener;
///
/// async fn greet() -> io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     loop {
///         let (mut stream, _peer) = listener.accept().await?;
///         stream.write_all(b"hello\n").await?;
///     }
/// }
/// ```
pub type TcpListener = Listener<Tcp>;

impl Listener<Tcp> {
    /// Listens on `address`; if it names several, on the first that works. Port 0 lets the system
    /// choose. The address may be in use by connections of an earlier listener (`SO_REUSEADDR`,
    /// not on Windows); [`TcpSocket`] has the other options.
    ///
    /// A host name blocks the loop while it is looked up; a literal address does not. Cancel safe:
    /// it does not wait otherwise.
    ///
    /// # Errors
    ///
    /// That of the last attempt, with the address in its text and the system's error as
    /// `source()`; that of the look-up; or there is no runtime on this thread.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> impl Future<Output = io::Result<TcpListener>> {
        let site = Location::caller();
        async move {
            let addresses = resolve(address)?;
            let listen = || first_of(&*addresses, |address| TcpListener::bind_to(address, site));
            trace_listen(|| names(&addresses), listen)
        }
    }

    fn bind_to(address: SocketAddr, site: &'static Location<'static>) -> io::Result<TcpListener> {
        let socket = TcpSocket::for_address(address)?;
        // On Windows this would let another process take the address over.
        if cfg!(not(windows)) {
            socket.set_reuseaddr(true)?;
        }
        socket.bind(address)?;
        socket.listen_from(BACKLOG, site)
    }

    /// The hop limit of what accepted connections send (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Sets the hop limit for connections accepted from now on (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }
}

impl TcpSocket {
    /// Makes it a listener at which at most `backlog` connections wait to be accepted.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the address in the text; or there is no runtime on this
    /// thread.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let site = Location::caller();
        let address = self.local_addr();
        let name = || address.map_or_else(|_| String::new(), |at| at.to_string());
        trace_listen(name, || self.listen_from(backlog, site))
    }

    fn listen_from(
        self,
        backlog: u32,
        site: &'static Location<'static>,
    ) -> io::Result<TcpListener> {
        let listening = self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX));
        listening.map_err(|error| during("listen on", self.local_addr().ok(), error))?;
        TcpListener::register(Tcp::adopt_listener(self.socket.into())?, site)
    }
}

fn names(addresses: &[SocketAddr]) -> String {
    let names: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    names.join(", ")
}

//! TCP, UDP and Unix sockets with tokio's names and signatures.
//!
//! Each operation is tried at once and waits only when it would block. Reading and writing methods
//! are inherent, so that no extension trait is needed; the traits of `futures_io`, hyper and
//! `tokio::io` are implemented under the features `futures-io`, `hyper` and `tokio-io`.
//!
//! What TCP and Unix sockets have in common is written once: [`TcpStream`] and `UnixStream` are
//! [`Stream`], [`TcpListener`] and `UnixListener` are [`Listener`], the halves of streams are
//! [`Reader`] and [`Writer`].
//!
//! # Threads
//!
//! Sockets are `Send + Sync`, so futures that hold them satisfy libraries which demand `Send`. They
//! belong to the runtime they were made in nevertheless: on another thread, what reads, writes,
//! accepts or waits is an [`io::Error`](std::io::Error) of kind
//! [`Other`](std::io::ErrorKind::Other). `into_std` works everywhere, `from_std` registers with the
//! runtime of the thread that calls it. A socket may be dropped on any thread.
//!
//! # Errors
//!
//! An error of the system comes with what was done and where in its text (`read from
//! 127.0.0.1:4567: Connection reset by peer`): the kind is kept, the system's own error is the
//! `source()`. `WouldBlock` of the `try_*` functions comes as it is.
//!
//! # Names
//!
//! Addresses given as host names are resolved by the standard library, which blocks the loop; only
//! literal addresses (`"127.0.0.1:80"`, `(Ipv4Addr, u16)`, `SocketAddr`) do not. To look
//! names up on the thread pool, use `lunation::net::lookup_host` and connect to the slice it gives.
//!
//! # Keeping the loop alive
//!
//! A socket by itself keeps no loop alive; an operation that waits for one does, unless
//! `unref` was called on it. Node's open handles do without.
//!
//! # Async context
//!
//! A TCP stream is a `TCPWRAP`, a listener a `TCPSERVERWRAP`, a connect a `TCPCONNECTWRAP` whose
//! trigger is its stream. An accepted stream has its listener as trigger and starts from the
//! listener's frame, not from that of the task that accepts. Unix sockets are the same with
//! `PIPEWRAP`, `PIPESERVERWRAP` and `PIPECONNECTWRAP`. A UDP socket is a `UDPWRAP`; sending has no
//! resource of its own, as in Node when the system takes the datagram at once.

// A module imports only from modules above it.
pub mod channels;
mod errno;
mod error;
mod family;
mod transfer;

mod stream;

mod listener;
mod split;

mod tcp;

mod socket;

mod pooled;

#[cfg(feature = "futures-io")]
mod futures_traits;
#[cfg(feature = "hyper")]
mod hyper_traits;
#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
mod reuse_port;
mod tcp_listener;
#[cfg(feature = "tokio-io")]
mod tokio_traits;
mod udp;
#[cfg(unix)]
mod unix;

mod udp_options;

pub use family::{Family, Tcp};
pub use listener::Listener;
pub use pooled::PooledSocket;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, Reader, ReuniteError, WriteHalf, Writer};
pub use stream::Stream;
pub use tcp::TcpStream;
pub use tcp_listener::TcpListener;
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{Unix, UnixListener, UnixStream};

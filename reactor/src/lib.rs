//! I/O readiness, sockets and cross-thread wake-ups of the lunation runtime: *what happened*.
//!
//! A [`Reactor`] owns the operating system's selector and a table of sources. It runs no user code
//! of its own: [`Reactor::wait`] collects readiness events, and [`Reactor::dispatch`] hands
//! them out, each by waking the tasks which wait for it, inside the socket's async resource. The
//! executor decides when either happens.
//!
//! Sockets ([`net`]) are `Send + Sync`: they hold the operating system's socket and the number of
//! their slot; readiness, wakers and the async resource stay on the thread of the runtime. Used
//! elsewhere, their operations are an [`std::io::Error`] which names the remedy.
#![deny(unsafe_code)]

// A module imports only from modules above it.
pub mod budget;
mod readiness;
pub mod release;
#[cfg(any(feature = "hyper", feature = "tokio-io"))]
mod uninit;
mod waiters;

mod state;

mod source;

mod selector;

mod reactor;

mod io;
#[cfg(unix)]
mod unix;

pub mod net;
mod registration;

pub use mio::event::Source;
#[cfg(unix)]
pub use mio::unix::SourceFd;
pub use mio::{Interest, Registry, Token};
pub use reactor::{EnterGuard, Notifier, Reactor};
pub use readiness::Ready;
pub use registration::Registration;
pub use source::{SourceInfo, SourceWait};

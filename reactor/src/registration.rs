//! Readiness of any descriptor or mio source: tokio's `AsyncFd`.

use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use lunation_context::{Resource, ResourceKind};
use mio::Interest;
use mio::event::Source;

use crate::io::{Io, Subject, current_reactor};
use crate::readiness::{Direction, Reading, Ready, Writing};
use crate::source::{Dispatch, Slot};

/// A source of your own in the runtime's selector, with the async resource its events run in.
///
/// For signal pipes, process descriptors, datagram sockets, other libraries' descriptors (through
/// [`mio::unix::SourceFd`](https://docs.rs/mio/1/mio/unix/struct.SourceFd.html)). tokio's
/// equivalent is `AsyncFd`. `Send + Sync` if the source is; usable only on the thread where it was
/// made. Dropping it ends the registration and then drops the source.
///
/// Readiness is edge-triggered: it stands until an operation inside [`try_io`](Self::try_io),
/// [`poll_io`](Self::poll_io) or [`async_io`](Self::async_io) gives `WouldBlock`. Short transfers
/// do not clear it, so it suits datagrams as well as streams.
#[derive(Debug)]
pub struct Registration<S: Source> {
    io: Io<S>,
}

impl<S: Source> Registration<S> {
    /// Registers `source`, which must be non-blocking, with the runtime of this thread.
    ///
    /// It gets an async resource of kind `kind`, whose trigger is the running resource.
    ///
    /// # Errors
    ///
    /// There is no runtime on this thread, or the selector refuses the source.
    #[track_caller]
    pub fn new(source: S, interest: Interest, kind: ResourceKind) -> io::Result<Registration<S>> {
        let reactor = current_reactor()?;
        let resource = Rc::new(Resource::create(kind, Location::caller()));
        let slot = Slot::new(resource, Ready::NONE, Dispatch::InResource);
        Ok(Registration { io: Io::register(&reactor, source, interest, slot)? })
    }

    /// The source.
    pub fn get_ref(&self) -> &S {
        self.io.get()
    }

    /// Lets `run_to_idle` end although an operation waits for this source. Node's equivalent:
    /// `handle.unref()`. Nothing happens outside of its runtime.
    pub fn unref(&self) -> &Self {
        self.io.set_ref(false);
        self
    }

    /// Lets operations that wait for this source keep the loop alive again: `handle.ref()`.
    pub fn ref_(&self) -> &Self {
        self.io.set_ref(true);
        self
    }

    /// Ends the registration and returns the source. Works on every thread.
    pub fn into_inner(self) -> S {
        self.io.into_inner()
    }

    /// Waits until the source is readable, or closed.
    ///
    /// Cancel safe: it takes nothing.
    ///
    /// # Errors
    ///
    /// The source belongs to another thread's runtime.
    pub async fn readable(&self) -> io::Result<()> {
        self.io.wait_for(Reading).await
    }

    /// Waits until the source is writable, or closed.
    ///
    /// Cancel safe: it takes nothing.
    ///
    /// # Errors
    ///
    /// The source belongs to another thread's runtime.
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
    /// `interest` names no direction; or the source belongs to another thread's runtime.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.io.ready(interest).await
    }

    /// [`readable`](Self::readable) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// The source belongs to another thread's runtime.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ready(cx, Direction::Read)
    }

    /// [`writable`](Self::writable) for hand-written futures: the last caller is woken.
    ///
    /// # Errors
    ///
    /// The source belongs to another thread's runtime.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ready(cx, Direction::Write)
    }

    /// Calls `operation` if the source is ready for it, and forgets that readiness if it gives
    /// `WouldBlock`. `interest` with both directions counts as readable.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the source is not ready; what `operation` gives; or the source belongs to
    /// another thread's runtime.
    pub fn try_io<T>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&S) -> io::Result<T>,
    ) -> io::Result<T> {
        self.io.try_now(direction(interest), operation)
    }

    /// Calls `operation` until it gives something else than `WouldBlock` or `Interrupted`; waits
    /// between the calls. For hand-written futures: the last caller per direction is woken.
    ///
    /// # Errors
    ///
    /// What `operation` gives, or the source belongs to another thread's runtime.
    pub fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        operation: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.io.poll_now(cx, direction(interest), operation)
    }

    /// Calls `operation` until it gives something else than `WouldBlock` or `Interrupted`; waits
    /// between the calls.
    ///
    /// Cancel safe if `operation` does not keep anything when it gives `WouldBlock`.
    ///
    /// # Errors
    ///
    /// What `operation` gives, or the source belongs to another thread's runtime.
    pub async fn async_io<T>(
        &self,
        interest: Interest,
        operation: impl FnMut(&S) -> io::Result<T>,
    ) -> io::Result<T> {
        self.io.operate(direction(interest), operation).await
    }
}

fn direction(interest: Interest) -> Direction {
    if interest.is_readable() { Direction::Read } else { Direction::Write }
}

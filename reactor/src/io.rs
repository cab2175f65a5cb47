//! One registered source as its handle sees it, and the operations on it: tried first, waiting
//! only when they would block.
//!
//! [`Io`] is `Send + Sync` whenever the source is. Each operation finds the reactor of the thread
//! and compares numbers, so a handle that strayed to another thread gets an error, never another
//! runtime's slot.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use lunation_context::{AsyncId, ResourceRef};
use mio::Interest;
use mio::event::Source;

use crate::reactor::Reactor;
use crate::readiness::{Direction, Ready};
use crate::release;
use crate::source::{Key, Slot};
use crate::waiters::{SHARED, Ticket};

const STRAYED: &str = "this socket belongs to a runtime that is not the one of this thread, or has \
    ended: use it where it was made, or take it out with into_std() and register it here with \
    from_std()";
const OUTSIDE: &str = "no lunation runtime on this thread: make sockets inside Runtime::block_on, \
    a task, or Runtime::enter";

const NO_DIRECTION: &str = "the interest names neither reading nor writing: there is nothing to \
    wait for";

/// The reactor of this thread.
///
/// # Errors
///
/// There is none: the error says where sockets can be made.
pub(crate) fn current_reactor() -> io::Result<Rc<Reactor>> {
    Reactor::current().ok_or_else(|| io::Error::other(OUTSIDE))
}

/// What an attempt at an operation gave.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    value: T,
    short: bool,
}

impl<T> Outcome<T> {
    /// A result that says nothing about what the kernel still holds.
    pub(crate) fn whole(value: T) -> Outcome<T> {
        Outcome { value, short: false }
    }
}

impl Outcome<usize> {
    /// `done` bytes of a stream, of `wanted`. Fewer, but some, mean that the kernel's buffer is
    /// empty (or full); none mean the end, which stays ready.
    pub(crate) fn transfer(done: usize, wanted: usize) -> Outcome<usize> {
        Outcome { value: done, short: 0 < done && done < wanted }
    }
}

/// A registered source: the source and the number of its slot.
pub(crate) struct Io<S: Source> {
    /// There until [`Io::into_inner`] or the drop.
    source: Option<S>,
    key: Key,
    runtime: u64,
    /// The id of its async resource, which itself stays with the reactor.
    id: AsyncId,
}

impl<S: Source> Io<S> {
    /// Registers `source` with `reactor`.
    pub(crate) fn register(
        reactor: &Reactor,
        mut source: S,
        interest: Interest,
        slot: Slot,
    ) -> io::Result<Io<S>> {
        let id = slot.resource().id();
        let key = reactor.add(&mut source, interest, slot)?;
        Ok(Io { source: Some(source), key, runtime: reactor.id(), id })
    }

    /// The source itself.
    pub(crate) fn get(&self) -> &S {
        self.source.as_ref().expect("the source is there until the handle is taken apart")
    }

    /// The id of its async resource. Works on every thread; elsewhere it is the first one, should a
    /// pool have changed it.
    pub(crate) fn async_id(&self) -> AsyncId {
        let resource = self.reactor().ok().and_then(|reactor| reactor.resource(self.key));
        resource.map_or(self.id, |resource| resource.id())
    }

    /// The number of its runtime.
    pub(crate) fn runtime(&self) -> u64 {
        self.runtime
    }

    /// Its async resource.
    ///
    /// # Errors
    ///
    /// The reactor is not the one of this thread.
    pub(crate) fn resource(&self) -> io::Result<ResourceRef> {
        let resource = self.reactor()?.resource(self.key);
        resource.map(|resource| resource.resource()).ok_or_else(|| io::Error::other(STRAYED))
    }

    /// The slot's key.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The reactor the source belongs to.
    ///
    /// # Errors
    ///
    /// It is not the one of this thread.
    pub(crate) fn reactor(&self) -> io::Result<Rc<Reactor>> {
        let current = Reactor::current().filter(|reactor| reactor.id() == self.runtime);
        current.ok_or_else(|| io::Error::other(STRAYED))
    }

    /// Sets whether operations that wait keep the loop alive.
    pub(crate) fn set_ref(&self, refed: bool) {
        if let Ok(reactor) = self.reactor() {
            reactor.set_ref(self.key, refed);
        }
    }

    /// Ends the registration, on any thread, and returns the source.
    pub(crate) fn into_inner(mut self) -> S {
        self.release().expect("the source is there until the handle is taken apart")
    }

    /// Tries `attempt` if `direction` is taken to be ready. Never waits.
    pub(crate) fn try_now<T>(
        &self,
        direction: Direction,
        attempt: impl FnOnce(&S) -> io::Result<Outcome<T>>,
    ) -> io::Result<T> {
        let reactor = self.reactor()?;
        if !reactor.is_ready(self.key, direction).ok_or_else(|| io::Error::other(STRAYED))? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.note(&reactor, direction, attempt(self.get()))
    }

    /// Tries `attempt` until it does not block, for the `poll_*` functions: among them, the last
    /// caller per direction is woken.
    pub(crate) fn poll_now<T>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        attempt: impl FnMut(&S) -> io::Result<Outcome<T>>,
    ) -> Poll<io::Result<T>> {
        self.poll_as(None, cx, direction, attempt)
    }

    /// The future that tries `attempt` until it does not block. Nothing is lost when it is
    /// dropped before it is ready.
    pub(crate) fn operate<T, F>(&self, direction: Direction, attempt: F) -> Operation<'_, S, F>
    where
        F: FnMut(&S) -> io::Result<Outcome<T>>,
    {
        Operation { io: self, direction, attempt, ticket: SHARED }
    }

    /// The future that waits until `direction` is taken to be ready.
    pub(crate) fn wait_for(
        &self,
        direction: Direction,
    ) -> impl Future<Output = io::Result<()>> + Unpin + use<'_, S> {
        self.operate(direction, |_| Ok(Outcome::whole(())))
    }

    /// [`wait_for`](Io::wait_for) for the `poll_*` functions.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        self.poll_now(cx, direction, |_| Ok(Outcome::whole(())))
    }

    /// Waits until a direction of `interest` is ready and returns what is known of them all.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        if !interest.is_readable() && !interest.is_writable() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, NO_DIRECTION));
        }
        let mut read = interest.is_readable().then(|| self.wait_for(Direction::Read));
        let mut write = interest.is_writable().then(|| self.wait_for(Direction::Write));
        poll_fn(|cx| {
            let mut result = Poll::Pending;
            // Both are asked, so that both wait.
            for wait in read.iter_mut().chain(&mut write) {
                if let Poll::Ready(ended) = Pin::new(wait).poll(cx) {
                    result = Poll::Ready(ended);
                }
            }
            result
        })
        .await?;
        let known = self.reactor()?.readiness(self.key);
        Ok(known.ok_or_else(|| io::Error::other(STRAYED))?.concerning(interest))
    }

    fn poll_as<T>(
        &self,
        mut ticket: Option<&mut Ticket>,
        cx: &mut Context<'_>,
        direction: Direction,
        mut attempt: impl FnMut(&S) -> io::Result<Outcome<T>>,
    ) -> Poll<io::Result<T>> {
        let reactor = self.reactor()?;
        loop {
            let waiter = ticket.as_deref_mut();
            match reactor.ready_or_wait(self.key, direction, waiter, cx.waker()) {
                None => return Poll::Ready(Err(io::Error::other(STRAYED))),
                Some(false) => return Poll::Pending,
                Some(true) => {}
            }
            if !reactor.spend(cx.waker()) {
                return Poll::Pending;
            }
            match self.note(&reactor, direction, attempt(self.get())) {
                Err(error) if retries(&error) => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Corrects the readiness by what an attempt gave.
    fn note<T>(
        &self,
        reactor: &Reactor,
        direction: Direction,
        result: io::Result<Outcome<T>>,
    ) -> io::Result<T> {
        match &result {
            Ok(outcome) if outcome.short => reactor.clear_after_short(self.key, direction),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                reactor.clear(self.key, direction);
            }
            _ => {}
        }
        result.map(|outcome| outcome.value)
    }

    fn release(&mut self) -> Option<S> {
        let mut source = self.source.take()?;
        match self.reactor() {
            Ok(reactor) => reactor.remove_source(&mut source, self.key),
            Err(_) => release::release_source(self.runtime, self.key.token().0, &mut source),
        }
        Some(source)
    }
}

fn retries(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl<S: Source> Drop for Io<S> {
    fn drop(&mut self) {
        drop(self.release());
    }
}

impl<S: Source + fmt::Debug> fmt::Debug for Io<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// The future of one operation. It waits under a ticket of its own, which it takes back when it
/// is dropped: a cancelled operation keeps nothing alive and costs other waiters nothing.
pub(crate) struct Operation<'a, S: Source, F> {
    io: &'a Io<S>,
    direction: Direction,
    attempt: F,
    /// 0 until the operation first waits.
    ticket: Ticket,
}

// `attempt` is called, never pinned.
impl<S: Source, F> Unpin for Operation<'_, S, F> {}

impl<S, T, F> Future for Operation<'_, S, F>
where
    S: Source,
    F: FnMut(&S) -> io::Result<Outcome<T>>,
{
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Operation { io, direction, attempt, ticket } = self.get_mut();
        io.poll_as(Some(ticket), cx, *direction, attempt)
    }
}

impl<S: Source, F> Drop for Operation<'_, S, F> {
    fn drop(&mut self) {
        if self.ticket == SHARED {
            return;
        }
        if let Ok(reactor) = self.io.reactor() {
            reactor.forget(self.io.key, self.direction, self.ticket);
        }
    }
}

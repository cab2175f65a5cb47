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
use std::task::{Context, Poll, Waker};

use lunation_context::{AsyncId, ResourceRef, hooks};
use mio::Interest;
use mio::event::Source;

use crate::budget;
use crate::reactor::Reactor;
use crate::readiness::{Direction, Ready};
use crate::release;
use crate::source::{Key, Slot};
use crate::state::State;
use crate::waiters::Ticket;

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

/// A registered source: the source and the number of its slot.
pub(crate) struct Io<S: Source> {
    /// There until [`Io::into_inner`] or the drop.
    source: Option<S>,
    key: Key,
    state: State,
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
        let (id, state) = (slot.resource().id(), slot.state().clone());
        let key = reactor.add(&mut source, interest, slot)?;
        Ok(Io { source: Some(source), key, state, runtime: reactor.id(), id })
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
        current.ok_or_else(strayed)
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
        attempt: impl FnOnce(&S) -> io::Result<T>,
    ) -> io::Result<T> {
        if !Reactor::is_current(self.runtime) {
            return Err(strayed());
        }
        if !self.state.ready().has(direction) {
            self.reactor()?.find(self.key).ok_or_else(strayed)?;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        attempt(self.get()).inspect_err(|error| {
            self.note_error(direction, error);
        })
    }

    /// Tries `attempt` until it does not block, for the `poll_*` functions: among them, the last
    /// caller per direction is woken.
    #[inline(always)]
    pub(crate) fn poll_now<T>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut attempt: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let source = self.get();
        self.poll_as(&mut { Ticket::SHARED }, cx, direction, || attempt(source))
    }

    /// The future that waits until `direction` is taken to be ready.
    pub(crate) fn wait_for<D: Into<Direction> + Copy>(
        &self,
        direction: D,
    ) -> impl Future<Output = io::Result<()>> + Unpin + use<'_, S, D> {
        self.operate(direction, |_| Ok(()))
    }

    /// [`wait_for`](Io::wait_for) for the `poll_*` functions.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        self.poll_now(cx, direction, |_| Ok(()))
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
        Ok(self.state.ready().concerning(interest))
    }

    /// Tries `attempt` until it does not block. `ticket` is that of the future that asks, or
    /// [`Ticket::SHARED`].
    #[inline(always)]
    fn poll_as<T>(
        &self,
        ticket: &mut Ticket,
        cx: &mut Context<'_>,
        direction: Direction,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        // Nearly always the first step is the last. Straight on, it keeps little in registers.
        match self.step(ticket, cx.waker(), direction, &mut attempt) {
            Some(polled) => polled,
            None => self.poll_again(ticket, cx.waker(), direction, attempt),
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_again<T>(
        &self,
        ticket: &mut Ticket,
        waker: &Waker,
        direction: Direction,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            if let Some(polled) = self.step(ticket, waker, direction, &mut attempt) {
                return polled;
            }
        }
    }

    /// Waits, or tries `attempt` once; `None` if it is to be tried again.
    #[inline(always)]
    fn step<T>(
        &self,
        ticket: &mut Ticket,
        waker: &Waker,
        direction: Direction,
        attempt: &mut impl FnMut() -> io::Result<T>,
    ) -> Option<Poll<io::Result<T>>> {
        let result = if !Reactor::is_current(self.runtime) {
            Err(strayed())
        } else if !self.state.ready().has(direction) {
            match self.wait(direction, ticket, waker) {
                Some(true) => return Some(Poll::Pending),
                Some(false) => return None,
                None => Err(strayed()),
            }
        } else if !budget::spend() {
            self.put_off(waker);
            return Some(Poll::Pending);
        } else {
            match attempt() {
                Err(error) if self.note_error(direction, &error) => return None,
                result => result,
            }
        };
        // Who was ready does not wait any more: an event takes all who wait for it.
        *ticket = Ticket::NOBODY;
        Some(Poll::Ready(result))
    }

    /// Lets who asks wait until the source is ready. `false` if it has become ready meanwhile;
    /// `None` when it has gone.
    #[inline]
    fn wait(&self, direction: Direction, ticket: &mut Ticket, waker: &Waker) -> Option<bool> {
        // To hooks a wait to write is a request, which the reactor begins.
        let observed = direction == Direction::Write && hooks::enabled();
        if !observed && self.state.place(direction).hold(ticket, waker) {
            return Some(true);
        }
        self.wait_anew(direction, ticket.begin(), waker)
    }

    #[inline(never)]
    fn wait_anew(&self, direction: Direction, ticket: Ticket, waker: &Waker) -> Option<bool> {
        self.reactor().ok()?.wait_for(self.key, direction, ticket, waker)
    }

    #[cold]
    #[inline(never)]
    fn put_off(&self, waker: &Waker) {
        if let Ok(reactor) = self.reactor() {
            reactor.put_off(waker);
        }
    }

    /// Notes that `done` bytes of a stream were transferred, of `wanted`. Fewer, but some, mean
    /// that the kernel's buffer is empty (or full); none mean the end, which stays ready.
    #[inline]
    pub(crate) fn note_transfer(&self, direction: Direction, done: usize, wanted: usize) {
        // That is 0 < done < wanted, by one comparison.
        if done.wrapping_sub(1) < wanted.wrapping_sub(1) {
            let ready = self.state.ready();
            if ready.ends_with_short(direction) {
                self.state.set_ready(ready.without(direction));
            }
        }
    }

    /// Notes that an attempt has failed. Whether it is to be tried again.
    #[cold]
    #[inline(never)]
    fn note_error(&self, direction: Direction, error: &io::Error) -> bool {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.state.set_ready(self.state.ready().without(direction));
                true
            }
            io::ErrorKind::Interrupted => true,
            _ => false,
        }
    }

    /// Ends the wait of a future that is dropped.
    #[cold]
    #[inline(never)]
    fn forget(&self, direction: Direction, ticket: Ticket) {
        if let Ok(reactor) = self.reactor() {
            reactor.forget(self.key, direction, ticket);
        }
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

#[cold]
fn strayed() -> io::Error {
    io::Error::other(STRAYED)
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

/// What operations are on: a registered source, or one with what belongs to it.
pub(crate) trait Subject: Sized {
    type Source: Source;
    /// What an attempt is given.
    type Object;

    fn io(&self) -> &Io<Self::Source>;
    fn object(&self) -> &Self::Object;

    /// The future that tries `attempt` until it does not block. Nothing is lost when it is
    /// dropped before it is ready.
    #[inline]
    fn operate<T, D, F>(&self, direction: D, attempt: F) -> Operation<'_, Self, D, F>
    where
        D: Into<Direction> + Copy,
        F: FnMut(&Self::Object) -> io::Result<T>,
    {
        Operation { subject: self, direction, attempt, ticket: Ticket::NOBODY }
    }
}

impl<S: Source> Subject for Io<S> {
    type Source = S;
    type Object = S;

    #[inline]
    fn io(&self) -> &Io<S> {
        self
    }

    #[inline]
    fn object(&self) -> &S {
        self.get()
    }
}

/// The future of one operation. It waits under a ticket of its own, which it takes back when it
/// is dropped: a cancelled operation keeps nothing alive and costs other waiters nothing.
pub(crate) struct Operation<'a, S: Subject, D: Into<Direction> + Copy, F> {
    subject: &'a S,
    direction: D,
    attempt: F,
    /// Nobody's until the operation first waits.
    ticket: Ticket,
}

// `attempt` is called, never pinned.
impl<S: Subject, D: Into<Direction> + Copy, F> Unpin for Operation<'_, S, D, F> {}

impl<S, T, D, F> Future for Operation<'_, S, D, F>
where
    S: Subject,
    D: Into<Direction> + Copy,
    F: FnMut(&S::Object) -> io::Result<T>,
{
    type Output = io::Result<T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Operation { subject, direction, attempt, ticket } = self.get_mut();
        let direction = (*direction).into();
        subject.io().poll_as(ticket, cx, direction, || attempt(subject.object()))
    }
}

impl<S: Subject, D: Into<Direction> + Copy, F> Drop for Operation<'_, S, D, F> {
    #[inline]
    fn drop(&mut self) {
        if !self.ticket.is_nobody() {
            self.subject.io().forget(self.direction.into(), self.ticket);
        }
    }
}

//! Work that is finished elsewhere.

use crate::callback::queues::queue_microtask;
use crate::current;
use crate::event_loop::EventLoop;
use crate::job::{Completable, Waiter, Work};
use crate::task::inbox::Message;
use crate::task::queue::Core;
use lunation_context::{AsyncId, RemoteCall, Resource, ResourceKind};
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The completer was dropped, or the runtime ended, before there was a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canceled;

impl fmt::Display for Canceled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the work was dropped before it was completed")
    }
}

impl std::error::Error for Canceled {}

/// What a panic has left.
pub(crate) type Panic = Box<dyn Any + Send>;

type Callback<T> = Box<dyn FnOnce(Result<T, Canceled>)>;

enum State<T> {
    /// Nobody has asked yet.
    Pending,
    Awaited(Waker),
    Callback(Callback<T>),
    Done(Result<T, Canceled>),
    /// The value was taken, or will not be asked for.
    Taken,
}

struct Inner<T> {
    event_loop: Weak<EventLoop>,
    resource: Resource,
    /// What another thread may not have begun yet; None for a completion of the user's.
    work: Option<Arc<Work>>,
    state: Cell<State<T>>,
}

/// Work under way elsewhere, as an async resource of this loop. Node: a request object such as
/// `FSREQCALLBACK`.
///
/// Await it, or give it a callback with [`Completion::on_complete`]. In the poll phase after
/// [`Completer::complete`] the loop enters the resource, in the context captured by
/// [`Completion::new`], and runs the callback or wakes the task. Until then it keeps
/// `run_to_idle` going. Dropping it forgets the result, not the work.
///
/// # Cancel safety
/// Cancel safe: an unread value stays until the completion is dropped.
///
/// ```
/// use lunation_executor::{Completion, Runtime};
/// use lunation_context::ResourceKind;
///
/// let answer = Runtime::new().block_on(async {
///     let (completion, completer) = Completion::new(ResourceKind::User("THINKING"));
///     std::thread::spawn(move || completer.complete(42));
///     completion.await
/// });
/// assert_eq!(answer, Ok(42));
/// ```
pub struct Completion<T>(Rc<Inner<T>>);

/// The other end of a [`Completion`]; it can be sent to any thread.
pub struct Completer<T> {
    /// None once it has completed.
    core: Option<Arc<Core>>,
    key: u64,
    _value: PhantomData<fn(T)>,
}

impl<T: Send + 'static> Completion<T> {
    /// A resource of `kind` and the completer that finishes it.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn new(kind: ResourceKind) -> (Completion<T>, Completer<T>) {
        Completion::make(kind, Location::caller(), None)
    }

    /// The completion of a blocking job, which counts as in flight until its result has come back.
    #[track_caller]
    pub(crate) fn of_job(
        kind: ResourceKind,
        site: &'static Location<'static>,
        work: Arc<Work>,
    ) -> (Completion<T>, Completer<T>) {
        Completion::make(kind, site, Some(work))
    }

    #[track_caller]
    fn make(
        kind: ResourceKind,
        site: &'static Location<'static>,
        work: Option<Arc<Work>>,
    ) -> (Completion<T>, Completer<T>) {
        let event_loop = current::current();
        let resource = Resource::create(kind, site);
        event_loop.jobs.set(event_loop.jobs.get() + usize::from(work.is_some()));
        let (owner, state) = (Rc::downgrade(&event_loop), Cell::new(State::Pending));
        let inner = Rc::new(Inner { event_loop: owner, resource, work, state });
        let key = event_loop.completions.borrow_mut().insert(inner.clone()) as u64;
        let core = Some(event_loop.core.clone());
        (Completion(inner), Completer { core, key, _value: PhantomData })
    }

    /// Calls `callback` with the result, inside the resource, in the poll phase. If the work is
    /// done already it is called in a microtask.
    ///
    /// # Panics
    /// If the work is done and this is called outside of a runtime.
    #[track_caller]
    pub fn on_complete(self, callback: impl FnOnce(Result<T, Canceled>) + 'static) {
        match self.0.state.replace(State::Taken) {
            State::Done(result) => queue_microtask(move || callback(result)),
            old => {
                self.0.state.set(State::Callback(Box::new(callback)));
                drop(old);
            }
        }
    }

    /// The id of the resource.
    pub fn async_id(&self) -> AsyncId {
        self.0.resource.id()
    }

    /// The resource as another thread runs it.
    pub(crate) fn remote(&self) -> RemoteCall {
        self.0.resource.remote()
    }

    /// Whether the result has come back.
    pub(crate) fn is_done(&self) -> bool {
        let state = self.0.state.replace(State::Taken);
        let done = matches!(state, State::Done(_) | State::Taken);
        self.0.state.set(state);
        done
    }

    /// Drops work that has not begun, inside its resource. Its completer goes with it.
    pub(crate) fn withdraw(&self) {
        if let Some(event_loop) = self.0.event_loop.upgrade() {
            self.0.withdraw(&event_loop);
        }
    }
}

impl<T: Send + 'static> Completion<Result<T, Panic>> {
    /// Nobody will ask: a panic of the work is a failure of its resource from now on.
    pub(crate) fn abandon(&self) {
        match self.0.state.replace(State::Taken) {
            State::Taken => {}
            State::Done(Ok(Err(panic))) => {
                if let Some(event_loop) = self.0.event_loop.upgrade() {
                    event_loop.core.failures.later(&self.0.resource.activation(), panic);
                }
            }
            State::Done(result) => drop(result),
            old => {
                self.0.state.set(State::Callback(Box::new(|result| {
                    if let Ok(Err(panic)) = result {
                        resume_unwind(panic);
                    }
                })));
                drop(old);
            }
        }
    }
}

impl<T> Future for Completion<T> {
    type Output = Result<T, Canceled>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = context.waker().clone();
        match self.0.state.replace(State::Taken) {
            State::Done(result) => Poll::Ready(result),
            State::Taken => panic!("a Completion was polled after it had given its result"),
            old => {
                self.0.state.set(State::Awaited(waker));
                drop(old);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        match self.0.state.replace(State::Taken) {
            // `on_complete` gives the resource to the loop.
            callback @ State::Callback(_) => self.0.state.set(callback),
            old => drop(old),
        }
    }
}

impl<T> Inner<T> {
    fn withdraw(&self, event_loop: &EventLoop) {
        if let Some(work) = self.work.as_ref().and_then(|work| work.take()) {
            self.resource.enter(|| event_loop.core.guard(&self.resource, || drop(work)));
        }
    }

    /// A job is in flight no longer.
    fn land(&self, event_loop: &EventLoop) {
        event_loop.jobs.set(event_loop.jobs.get() - usize::from(self.work.is_some()));
    }
}

impl<T: Send + 'static> Completable for Inner<T> {
    fn complete(self: Rc<Self>, value: Option<Box<dyn Any + Send>>) {
        let Some(event_loop) = self.event_loop.upgrade() else { return };
        self.land(&event_loop);
        let result = match value.map(|value| value.downcast::<T>()) {
            Some(Ok(value)) => Ok(*value),
            _ => Err(Canceled),
        };
        self.resource.call_once(|| {
            event_loop.core.guard(&self.resource, || match self.state.replace(State::Taken) {
                State::Callback(callback) => callback(result),
                State::Awaited(waker) => {
                    self.state.set(State::Done(result));
                    waker.wake();
                }
                State::Pending => self.state.set(State::Done(result)),
                State::Done(_) | State::Taken => drop(result),
            });
        });
        self.resource.destroy();
    }

    fn discard(self: Rc<Self>) {
        let Some(event_loop) = self.event_loop.upgrade() else { return };
        self.land(&event_loop);
        self.withdraw(&event_loop);
        let old = self.state.replace(State::Done(Err(Canceled)));
        self.resource.enter(|| event_loop.core.guard(&self.resource, || drop(old)));
        self.resource.release();
        self.resource.destroy();
    }

    fn describe(&self) -> (&Resource, Option<Waiter>) {
        let state = self.state.replace(State::Taken);
        let waker = if let State::Awaited(waker) = &state { Some(waker.data()) } else { None };
        self.state.set(state);
        (&self.resource, waker)
    }
}

impl<T: Send + 'static> Completer<T> {
    /// Finishes the work, on any thread. Never blocks. After the end of the runtime the value is
    /// dropped.
    pub fn complete(mut self, value: T) {
        if let Some(core) = self.core.take() {
            core.send_remote(Message::Done(self.key, Some(Box::new(value))));
        }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            core.send_remote(Message::Done(self.key, None));
        }
    }
}

impl<T> fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("id", &self.0.resource.id()).finish()
    }
}

impl<T> fmt::Debug for Completer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer").field("key", &self.key).finish()
    }
}

//! Timeouts and intervals.

use crate::channels;
use crate::clock::{self, Millis};
use crate::current;
use crate::event_loop::EventLoop;
use crate::job::{Call, Job, Timer, Waiter};
use crate::timers::places::TimerKey;
use lunation_context::{AsyncId, Frame, Resource, ResourceKind};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// Calls `callback` once, `delay` from now at the earliest. Node: `setTimeout`.
///
/// `delay` is rounded down to whole milliseconds and is at least one; there is no upper limit.
/// Timeouts of one duration fire in the order of their creation. Dropping the handle does not
/// clear the timeout. To arm it again after it has fired, use [`refreshable_timeout`].
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn set_timeout(delay: Duration, callback: impl FnOnce() + 'static) -> Timeout {
    start_timeout(delay, Callback::Once(Box::new(callback)), false)
}

/// Calls `callback` every `period`, until it is cleared. Node: `setInterval`.
///
/// The next call is due one period after the start of this one, but never within the same timers
/// phase. Each call begins with the context of this call: what a call enters with
/// `AsyncLocalStorage::enter_with` ends with it.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn set_interval(period: Duration, callback: impl FnMut() + 'static) -> Timeout {
    start_timeout(period, Callback::Many(Box::new(callback)), true)
}

/// A timeout that can be armed again after it has fired: it keeps its closure while a handle
/// lives. Node: `setTimeout` with `timeout.refresh()`.
///
/// A closure that owns a handle to its own timer keeps itself: let it clear the timer at the end.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn refreshable_timeout(delay: Duration, callback: impl FnMut() + 'static) -> Timeout {
    start_timeout(delay, Callback::Many(Box::new(callback)), false)
}

/// A timer in the current context, of a callback that may know who waits for it.
#[track_caller]
pub(crate) fn start_timeout(delay: Duration, callback: Callback, repeats: bool) -> Timeout {
    let site = Location::caller();
    let event_loop = current::current();
    let resource = Resource::create(ResourceKind::Timeout, site);
    Timeout::start(&event_loop, resource, delay, callback, repeats)
}

/// Clears a timeout or interval. Node: `clearTimeout`, `clearInterval`.
pub fn clear_timeout(timeout: &Timeout) {
    timeout.clear();
}

/// What a timer calls.
pub(crate) enum Callback {
    Once(Box<dyn FnOnce()>),
    Many(Box<dyn Call>),
}

impl Callback {
    fn waiter(&self) -> Option<Waiter> {
        match self {
            Callback::Once(_) => None,
            Callback::Many(callback) => callback.waiter(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    /// Its callback is running.
    Running,
    /// It has fired and will not again, unless it is refreshed.
    Fired,
    Cleared,
}

struct Inner {
    /// The loop it belongs to, which need not be the one that this thread is inside of.
    event_loop: Weak<EventLoop>,
    ms: Millis,
    repeats: bool,
    /// The closure can be called again.
    reusable: bool,
    refed: Cell<bool>,
    state: Cell<State>,
    /// Its entry among the timers, while it has one.
    key: Cell<Option<TimerKey>>,
    /// Replaced when a fired timer is refreshed.
    resource: RefCell<Rc<Resource>>,
    callback: Cell<Option<Callback>>,
}

/// A handle to a timeout or interval. Node: `Timeout`.
///
/// Clones are the same timer. Dropping the last one does not clear it.
#[derive(Clone)]
pub struct Timeout(Rc<Inner>);

impl Timeout {
    /// A timeout that starts from the empty context, for what outlives the request that began it.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn detached(delay: Duration, callback: impl FnOnce() + 'static) -> Timeout {
        let site = Location::caller();
        let event_loop = current::current();
        let kind = ResourceKind::Timeout;
        let resource = Resource::create_with(kind, site, None, Frame::empty());
        Timeout::start(&event_loop, resource, delay, Callback::Once(Box::new(callback)), false)
    }

    fn start(
        event_loop: &Rc<EventLoop>,
        resource: Resource,
        delay: Duration,
        callback: Callback,
        repeats: bool,
    ) -> Timeout {
        let inner = Rc::new(Inner {
            event_loop: Rc::downgrade(event_loop),
            ms: clock::floor(delay).max(1),
            repeats,
            reusable: matches!(callback, Callback::Many(_)),
            refed: Cell::new(true),
            state: Cell::new(State::Pending),
            key: Cell::new(None),
            resource: RefCell::new(Rc::new(resource)),
            callback: Cell::new(Some(callback)),
        });
        inner.arm(event_loop);
        channels::tell_start(|| inner.resource(), inner.ms, repeats);
        Timeout(inner)
    }

    /// Clears it: it will not fire any more, its closure and context are dropped now, or when the
    /// running call has returned.
    pub fn clear(&self) {
        let inner = &self.0;
        let Some(event_loop) = inner.event_loop.upgrade() else { return };
        let state = inner.state.replace(State::Cleared);
        if matches!(state, State::Pending | State::Running) {
            channels::tell_timer(&channels::TIMER_CLEAR, || inner.resource());
        }
        if let Some(key) = inner.key.take() {
            let timer = event_loop.timers.borrow_mut().clear(key);
            drop(timer);
        } else if state == State::Running && inner.refed.get() {
            event_loop.timers.borrow_mut().clear_unlinked(inner.ms);
        }
        match state {
            State::Cleared => {}
            State::Running => inner.resource().destroy(),
            State::Pending | State::Fired => inner.end(&event_loop),
        }
    }

    /// Arms it anew from now, at the end of its list. Node: `timeout.refresh()`.
    ///
    /// Pending or inside its own callback, it keeps id and context. Once fired, a
    /// [`refreshable_timeout`] becomes a new resource in the context of this call; a plain timeout
    /// has nothing left to call. Cleared: nothing happens.
    #[track_caller]
    pub fn refresh(&self) -> &Timeout {
        let site = Location::caller();
        let Some(event_loop) = self.0.event_loop.upgrade() else { return self };
        match self.0.state.get() {
            State::Pending => self.0.arm(&event_loop),
            State::Running if self.0.reusable => self.0.arm(&event_loop),
            State::Fired if self.0.reusable => self.0.arm_anew(&event_loop, site),
            _ => {}
        }
        self
    }

    /// Whether it keeps the loop alive while it is pending.
    pub fn has_ref(&self) -> bool {
        self.0.refed.get()
    }

    /// Lets it keep the loop alive again. Node: `timeout.ref()`.
    pub fn ref_(&self) -> &Timeout {
        self.set_ref(true);
        self
    }

    /// Lets `run_to_idle` end without it. Node: `timeout.unref()`.
    pub fn unref(&self) -> &Timeout {
        self.set_ref(false);
        self
    }

    fn set_ref(&self, refed: bool) {
        self.0.refed.set(refed);
        if let (Some(key), Some(event_loop)) = (self.0.key.get(), self.0.event_loop.upgrade()) {
            event_loop.timers.borrow_mut().set_refed(key, refed);
        }
    }

    /// The id of its resource. A fired timer that is refreshed gets a new one.
    pub fn async_id(&self) -> AsyncId {
        self.0.resource().id()
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("id", &self.async_id())
            .field("ms", &self.0.ms)
            .field("state", &self.0.state.get())
            .finish()
    }
}

impl Inner {
    fn resource(&self) -> Rc<Resource> {
        self.resource.borrow().clone()
    }

    /// Starts it after it has fired, as a new resource.
    #[cold]
    fn arm_anew(self: &Rc<Self>, event_loop: &EventLoop, site: &'static Location<'static>) {
        let resource = Resource::create(ResourceKind::Timeout, site);
        // A hook that heard of it may have cleared or refreshed the timer: that counts.
        if self.state.get() != State::Fired {
            return resource.destroy();
        }
        let old = self.resource.replace(Rc::new(resource));
        drop(old);
        self.state.set(State::Pending);
        self.arm(event_loop);
    }

    /// Starts it from now. The clock is read here: a stale one would end it early.
    fn arm(self: &Rc<Self>, event_loop: &EventLoop) {
        self.arm_from(event_loop, event_loop.clock.floor_now());
    }

    fn arm_from(self: &Rc<Self>, event_loop: &EventLoop, now: Millis) {
        match self.key.get() {
            Some(key) => {
                event_loop.timers.borrow_mut().restart(key, now);
            }
            None => self.enter(event_loop, now),
        }
    }

    /// Out of line, as nearly all that are armed again are pending.
    #[inline(never)]
    fn enter(self: &Rc<Self>, event_loop: &EventLoop, now: Millis) {
        let (timer, refed) = (Timer::Call(self.clone()), self.refed.get());
        let key = event_loop.timers.borrow_mut().insert(self.ms, now, refed, timer);
        self.key.set(Some(key));
    }

    /// It will not fire any more: drops the closure in its resource, then the context.
    fn end(&self, event_loop: &EventLoop) {
        let resource = self.resource();
        resource.destroy();
        let callback = self.callback.take();
        resource.enter(|| event_loop.core.guard(&*resource, || drop(callback)));
        resource.release();
    }

    /// The end of a call that began at `start`, still inside the resource.
    fn finish(
        self: &Rc<Self>,
        event_loop: &EventLoop,
        start: Millis,
        callback: Option<Box<dyn Call>>,
    ) {
        let resource = self.resource();
        let armed_again =
            self.state.get() != State::Cleared && (self.repeats || self.key.get().is_some());
        if armed_again {
            self.callback.set(callback.map(Callback::Many));
            self.state.set(State::Pending);
            if self.repeats {
                self.arm_from(event_loop, start);
            }
            return;
        }
        resource.release();
        if self.state.get() == State::Running {
            self.state.set(State::Fired);
            resource.destroy();
            // Without a handle (this one apart) nobody can refresh it any more.
            if Rc::strong_count(self) > 1 {
                self.callback.set(callback.map(Callback::Many));
                return;
            }
        }
        event_loop.core.guard(&*resource, || drop(callback));
    }
}

impl Job for Inner {
    fn run(self: Rc<Self>) {
        let Some(event_loop) = self.event_loop.upgrade() else { return };
        self.key.set(None);
        self.state.set(State::Running);
        let start = event_loop.clock.floor_now();
        let resource = self.resource();
        match self.callback.take() {
            Some(Callback::Once(callback)) => resource.call_once(|| {
                channels::tell_timer(&channels::TIMER_FIRE, || resource.clone());
                event_loop.core.guard(&*resource, callback);
                self.finish(&event_loop, start, None);
            }),
            Some(Callback::Many(mut callback)) => resource.call(|| {
                channels::tell_timer(&channels::TIMER_FIRE, || resource.clone());
                event_loop.core.guard(&*resource, || callback.call());
                self.finish(&event_loop, start, Some(callback));
            }),
            None => {}
        }
    }

    fn discard(self: Rc<Self>) {
        Timeout(self).clear();
    }

    fn describe(&self, show: &mut dyn FnMut(&Resource, bool, Option<Waiter>)) {
        // While it runs it still counts, as in Node.
        if matches!(self.state.get(), State::Pending | State::Running) {
            let callback = self.callback.take();
            let waiter = callback.as_ref().and_then(Callback::waiter);
            self.callback.set(callback);
            show(&self.resource(), self.refed.get(), waiter);
        }
    }
}

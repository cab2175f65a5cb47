//! One turn of the loop. Start reading here.

use crate::ages::Ages;
use crate::clock::{self, Clock, Millis};
use crate::gauge::Gauge;
use crate::immediates::{Entry, Immediates};
use crate::job::{Completable, Job, Timer};
use crate::limits::{AGE_TURNS, LISTENING_LOOKS, LISTENING_SPINS, PREFETCHED_LINES};
use crate::task::inbox::Message;
use crate::task::queue::Core;
use crate::task::waker;
use crate::timers::lists::Lists;
use crate::timers::places::TimerKey;
use crate::timers::table::ListKey;
use crate::unhandled::{Failing, Origin, Unhandled};
use lunation_context::{
    Activation, EventEmitter, Frame, Resource, ResourceKind, hooks, newest_async_id,
};
use lunation_reactor::Reactor;
use slab::Slab;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::hint;
use std::io;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

/// Whether a turn may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Only look for what is ready.
    NoWait,
    /// Block until something happens, or the next timer is due.
    Wait,
}

/// An event of a runtime: see [`runtime_events`](crate::runtime_events).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuntimeEvent {
    /// Nothing keeps [`Runtime::run_to_idle`](crate::Runtime::run_to_idle) going any more. If a
    /// listener changes that, the loop goes on, and the event comes again when it is idle again.
    /// Node: `'beforeExit'`.
    BeforeExit,
    /// [`Runtime::run_to_idle`](crate::Runtime::run_to_idle) is about to return, also because a
    /// panic leaves it. What listeners schedule now waits for the next run. Node: `'exit'`.
    Exit,
}

/// The loop: what stands where until its phase comes.
pub(crate) struct EventLoop {
    /// The reactor's number.
    pub(crate) id: u64,
    pub(crate) core: Arc<Core>,
    pub(crate) reactor: Rc<Reactor>,
    pub(crate) clock: Clock,
    pub(crate) timers: RefCell<Lists<Timer>>,
    pub(crate) immediates: Immediates,
    pub(crate) closers: RefCell<Vec<Rc<dyn Job>>>,
    pub(crate) completions: RefCell<Slab<Rc<dyn Completable>>>,
    /// Blocking jobs whose results have not come back.
    pub(crate) jobs: Cell<usize>,
    pub(crate) turns: Cell<u64>,
    /// The timer whose callback runs.
    pub(crate) firing: Cell<Option<Weak<dyn Job>>>,
    /// When ids were given, and when waits of I/O began.
    pub(crate) births: Ages,
    pub(crate) waits: Ages,
    /// The turn in which that was noted last.
    pub(crate) noted: Cell<u64>,
    /// Whether other threads have sent something since the loop listened last.
    pub(crate) heard: Cell<bool>,
    pub(crate) gauge: Gauge,
    pub(crate) events: Rc<EventEmitter<RuntimeEvent>>,
}

/// The loop as something that fails: its activation is made only then.
struct TheLoop;

impl Failing for TheLoop {
    fn failed(&self, origin: Origin, payload: Box<dyn Any + Send>) -> Unhandled {
        Activation::of_loop().failed(origin, payload)
    }
}

impl EventLoop {
    /// Runs every phase once. The order of these calls is the ordering contract of the runtime.
    ///
    /// A phase takes its batch before it runs it: what a callback adds waits for the next turn.
    /// After every single callback of every phase both queues are drained.
    pub(crate) fn turn(&self, mode: Turn) -> io::Result<()> {
        let mode = self.begin(mode);
        self.poll(mode)?;
        self.flush_destroys();
        self.run_immediates();
        self.run_closers();
        self.run_timers();
        Ok(())
    }

    /// A new drain budget, spent first on what the last turn's has left in the queues. A turn that
    /// begins so does not block: those jobs may have been the last that kept the loop alive.
    fn begin(&self, mode: Turn) -> Turn {
        self.turns.set(self.turns.get() + 1);
        self.core.budget.refill();
        let mode = if self.core.has_work() { Turn::NoWait } else { mode };
        self.core.drain();
        mode
    }

    /// Readiness of I/O, then what other threads have sent.
    fn poll(&self, mode: Turn) -> io::Result<()> {
        self.sleep(mode)?;
        self.dispatch();
        for key in self.reactor.take_released_timers() {
            let released = self.timers.borrow_mut().remove(TimerKey::from_bits(key));
            self.guarded(|| drop(released));
        }
        if !self.core.inbox.is_empty() {
            self.accept_remote();
        }
        self.core.drain();
        if self.reactor.has_yielded() {
            self.reactor.wake_yielded();
            self.core.drain();
        }
        Ok(())
    }

    /// One event of I/O after the other. Out of line, as so it has more registers.
    #[inline(never)]
    fn dispatch(&self) {
        let core = &*self.core;
        if !core.budget.is_stopped() {
            self.reactor.dispatch(|| {
                core.drain_woken();
                !core.budget.is_stopped()
            });
        }
    }

    /// The messages of this moment: what they cause others to send waits for the next turn. Out of
    /// line, as taking one costs locked instructions.
    #[cold]
    #[inline(never)]
    fn accept_remote(&self) {
        self.heard.set(true);
        self.core.inbox.take();
        while !self.core.budget.is_stopped() {
            let Some(message) = self.core.inbox.next() else { return };
            self.accept(message);
        }
    }

    /// One message. Wakes only append, so that a flood of them is one drain.
    fn accept(&self, message: Message) {
        match message {
            Message::Nudge => {}
            Message::Task(message) => waker::accept(message, &self.core),
            Message::Post(callback) => {
                self.run_posted(callback);
                self.core.drain();
            }
            Message::Done(key, value) => {
                let completion = self.completions.borrow_mut().try_remove(key as usize);
                if let Some(completion) = completion {
                    self.guarded(|| completion.complete(value));
                    self.core.drain();
                }
            }
        }
    }

    /// A posted callback is a resource that the loop itself triggered, with an empty frame.
    fn run_posted(&self, callback: Box<dyn FnOnce() + Send>) {
        let site = Location::caller();
        let post = Activation::of_loop().enter(|| {
            Resource::create_with(ResourceKind::User("POST"), site, None, Frame::empty())
        });
        self.guarded(|| post.call_once(|| self.core.guard(&post, callback)));
        post.destroy();
    }

    fn flush_destroys(&self) {
        hooks::flush_destroys();
        self.core.drain();
    }

    fn run_immediates(&self) {
        for _ in 0..self.immediates.queued() {
            if self.core.budget.is_stopped() {
                return;
            }
            match self.immediates.pop() {
                Some(Entry::Call(job)) => self.guarded(|| job.run()),
                Some(Entry::Wait(waker)) => self.guarded(|| waker.wake()),
                Some(Entry::Cancelled) => {}
                None => return,
            }
            self.core.drain();
        }
    }

    /// Close callbacks, the last issued first.
    fn run_closers(&self) {
        if self.closers.borrow().is_empty() {
            return;
        }
        let mut batch = self.closers.take();
        while !self.core.budget.is_stopped() {
            let Some(job) = batch.pop() else { return };
            self.guarded(|| job.run());
            self.core.drain();
        }
        // Stopped: what has not run keeps its place below what was issued meanwhile.
        let issued = self.closers.replace(batch);
        self.closers.borrow_mut().extend(issued);
    }

    /// Node's timers phase: list after list, each with all its due timers. The clock stands.
    #[inline]
    pub(crate) fn run_timers(&self) {
        // Then nobody needs to know what time it is.
        if self.next_expiry().is_none() && self.ages_can_wait() {
            return self.core.drain();
        }
        self.serve_lists();
    }

    #[inline(never)]
    fn serve_lists(&self) {
        let now = self.clock.floor_now();
        self.note_ages(now);
        let mut first = true;
        while !self.core.budget.is_stopped() {
            let list = self.timers.borrow_mut().first_due(now);
            let Some(list) = list else { break };
            if !first {
                self.core.drain();
            }
            first = false;
            self.serve(list, now);
        }
        self.core.drain();
    }

    /// Runs the due timers of one list. The drains between them may remove any timer, and the
    /// list itself.
    fn serve(&self, list: ListKey, now: Millis) {
        let mut first = true;
        while !self.core.budget.is_stopped() {
            let next = self.timers.borrow_mut().next_due(list, now);
            let Some(key) = next else { return };
            if !first {
                self.core.drain();
                if self.core.budget.is_stopped() {
                    return;
                }
            }
            first = false;
            let timer = self.take_timer(key, list);
            match timer {
                Some(Timer::Wake(waker)) => self.wake(waker),
                Some(Timer::Call(job)) => {
                    self.firing.set(Some(Rc::downgrade(&job)));
                    self.guarded(|| job.run());
                    self.firing.take();
                }
                None => {}
            }
        }
    }

    /// Takes a timer out of its list. The next one's task is fetched into the cache meanwhile:
    /// where very many sleep, firing a timer is mostly waiting for memory.
    fn take_timer(&self, key: TimerKey, list: ListKey) -> Option<Timer> {
        let mut timers = self.timers.borrow_mut();
        let timer = timers.take(key);
        if let Some(Timer::Wake(Some(next))) = timers.first_payload(list) {
            waker::prefetch(next.data(), PREFETCHED_LINES);
        }
        timer
    }

    /// Wakes what a future left.
    fn wake(&self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.guarded(|| waker.wake());
        }
    }

    /// Runs a step of the loop. A panicking waker, or a store that panics when a callback's
    /// context is dropped, is a failure of the loop, not its end.
    pub(crate) fn guarded(&self, step: impl FnOnce()) {
        self.core.guard(&TheLoop, step);
    }

    // ---- waiting ----

    /// Blocks until something happens, as long as nothing waits for a later phase.
    fn sleep(&self, mode: Turn) -> io::Result<()> {
        let timeout = match mode {
            Turn::NoWait => Some(Duration::ZERO),
            Turn::Wait => self.timeout(),
        };
        let blocks = timeout != Some(Duration::ZERO);
        self.gauge.around(&self.clock, blocks, || match blocks {
            false => self.reactor.wait(Some(Duration::ZERO)),
            true if self.clock.is_virtual() => self.sleep_virtually(timeout),
            true => self.wait(timeout),
        })
    }

    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let blocks = !self.hears_more() && self.core.inbox.prepare_sleep();
        let result = self.reactor.wait(if blocks { timeout } else { Some(Duration::ZERO) });
        if blocks {
            self.core.inbox.woke_up();
        }
        result
    }

    /// Listens for a moment, if other threads have sent something since the last time: more often
    /// follows. To be called out of a sleep costs the sender a system call, and the loop another.
    fn hears_more(&self) -> bool {
        self.heard.take()
            && (0..LISTENING_LOOKS).any(|_| {
                (0..LISTENING_SPINS).for_each(|_| hint::spin_loop());
                !self.core.inbox.is_empty()
            })
    }

    /// Looks first; if nothing is ready, the clock jumps by what a real loop would have slept. It
    /// stands while a blocking job is in flight: a job takes no virtual time.
    fn sleep_virtually(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.reactor.wait(Some(Duration::ZERO))?;
        if self.reactor.has_events() || !self.core.inbox.is_empty() {
            return Ok(());
        }
        match timeout {
            Some(timeout) if self.jobs.get() == 0 => {
                self.clock.advance(timeout);
                Ok(())
            }
            timeout => self.wait(timeout),
        }
    }

    /// How long a turn may block: not at all if anything is ready, else until the first timer
    /// list expires; None without timers.
    fn timeout(&self) -> Option<Duration> {
        // A stopped loop runs nothing more, but must not block before its driver sees that.
        if self.core.budget.is_stopped() || self.is_ready() {
            return Some(Duration::ZERO);
        }
        let now = self.clock.elapsed();
        self.note_ages(clock::floor(now));
        let timer = self.next_expiry().map(|expiry| expiry.saturating_sub(now));
        let rearm =
            self.reactor.next_rearm().map(|at| self.clock.since_start(at).saturating_sub(now));
        timer.into_iter().chain(rearm).min()
    }

    /// Whether the clock need not be read for the sake of ages alone.
    fn ages_can_wait(&self) -> bool {
        self.turns.get() - self.noted.get() < AGE_TURNS
            || self.births.is_noted(newest_async_id().get())
                && self.waits.is_noted(self.reactor.waits_begun())
    }

    /// What was born since the last time was born by now.
    fn note_ages(&self, now: Millis) {
        self.noted.set(self.turns.get());
        self.births.note(newest_async_id().get(), now);
        self.waits.note(self.reactor.waits_begun(), now);
    }

    /// Whether anything can run without waiting.
    pub(crate) fn is_ready(&self) -> bool {
        self.core.has_work()
            || self.immediates.pending() > 0
            || !self.closers.borrow().is_empty()
            || !self.core.inbox.is_empty()
            || self.reactor.has_events()
            || self.reactor.has_yielded()
    }

    /// When the first timer list expires, on the loop's clock.
    #[inline]
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.timers.borrow_mut().next_expiry().map(Duration::from_millis)
    }

    /// Whether anything is left that keeps `run_to_idle` going.
    pub(crate) fn is_alive(&self) -> bool {
        // Before the inbox: whoever has let go of the loop may have sent something just before.
        self.core.keep_alive.load(Ordering::Acquire) > 0
            || self.core.has_work()
            || self.timers.borrow().refed() > 0
            || self.immediates.refed() > 0
            || !self.closers.borrow().is_empty()
            || !self.completions.borrow().is_empty()
            || !self.core.inbox.is_empty()
            || self.reactor.has_events()
            || self.reactor.has_waiting()
            || self.reactor.has_yielded()
    }

    /// Whether nothing can run any more, not even what keeps no loop alive: unref'd timers,
    /// immediates and sources. Looks at every source, but only where nothing else is left.
    pub(crate) fn is_lost(&self) -> bool {
        !(self.is_alive()
            || self.is_ready()
            || self.next_expiry().is_some()
            || self.reactor.sources().iter().any(|source| !source.waits.is_empty()))
    }
}

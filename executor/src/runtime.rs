//! The runtime: a loop and the ways to drive it.

use crate::current;
use crate::event_loop::{EventLoop, RuntimeEvent, Turn};
#[cfg(doc)]
use crate::exit::runtime_events;
use crate::handle::Handle;
use crate::insight::{self, ActiveResources};
#[cfg(doc)]
use crate::insight::{active_resources, all_resources};
use crate::metrics::Metrics;
use crate::task::JoinError;
use crate::task::cell::{self, Main};
use crate::task::queue::Core;
use lunation_context::{Frame, ResourceKind, hooks, set_strict_guards, with_base};
use std::cell::Cell;
use std::fmt::{self, Write};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

thread_local! {
    /// Whether a loop runs on this thread: none may run inside it.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// A single-threaded runtime: a loop with Node's phases, its tasks, timers and I/O.
///
/// Dropping it drops every future, closure and timer it holds, each inside its own resource, and
/// then delivers the last `destroy` events.
///
/// ```
/// let runtime = lunation_executor::Runtime::new();
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// ```
pub struct Runtime {
    event_loop: Rc<EventLoop>,
    /// What `strict_guards` was before, if this runtime has set it.
    guards: Option<bool>,
}

impl Runtime {
    pub(crate) fn from_parts(event_loop: Rc<EventLoop>, strict_guards: bool) -> Runtime {
        let guards = strict_guards.then(|| set_strict_guards(true));
        Runtime { event_loop, guards }
    }

    /// Runs the loop until `main` is ready, and returns its output. Tokio: `Runtime::block_on`.
    ///
    /// `main` need not be `'static`. It is polled as the root (id 1, without hook events), at once
    /// and then whenever it is woken, as a microtask; it starts in the context current here. When
    /// it is ready this returns after that very poll: whatever is queued waits for the next call.
    ///
    /// # Panics
    /// If `main` does; if a loop runs on this thread already; with a virtual clock, if `main` waits
    /// and nothing is left that could wake it; and if the operating system's selector fails.
    #[track_caller]
    pub fn block_on<F: Future>(&self, main: F) -> F::Output {
        let running = Running::begin(&self.event_loop.core);
        let entered = current::enter(&self.event_loop);
        let frame = Frame::capture();
        let core = &self.event_loop.core;
        let drive = |main: &Main<'_, F>| with_base(|| self.drive(main));
        let output = cell::with_main(core, frame, main, drive);
        drop(entered);
        drop(running);
        if let Some(payload) = core.failures.take_panic() {
            resume_unwind(payload);
        }
        match output {
            Some(Ok(output)) => output,
            Some(Err(JoinError::Panicked(payload))) => resume_unwind(payload),
            _ => unreachable!("the loop runs until main has ended or a panic leaves it"),
        }
    }

    #[track_caller]
    fn drive<F: Future>(&self, main: &Main<'_, F>) {
        let event_loop = &*self.event_loop;
        event_loop.core.budget.start();
        main.poll();
        if event_loop.core.budget.is_stopped() {
            return;
        }
        event_loop.core.drain();
        event_loop.run_timers();
        while !event_loop.core.budget.is_stopped() {
            if event_loop.clock.is_virtual() && event_loop.is_lost() {
                panic!("{}", self.deadlock());
            }
            event_loop.turn(Turn::Wait).unwrap_or_else(|error| selector_failed(&error));
        }
    }

    /// Runs the loop until nothing is left that keeps it alive. Node: running a program to its
    /// end; libuv: `uv_run(UV_RUN_DEFAULT)`.
    ///
    /// What counts: ref'd timers and sleeps that are awaited, immediates, close callbacks,
    /// completions, blocking jobs, sockets on which an operation waits, [`Handle::keep_alive`].
    /// Tasks and open sockets by themselves do not; [`active_resources`] lists what does.
    ///
    /// Listeners of [`runtime_events`] hear of the end: they may give the loop more to do.
    ///
    /// # Panics
    /// If a loop runs on this thread already, or the operating system's selector fails.
    #[track_caller]
    pub fn run_to_idle(&self) {
        self.run(|event_loop| {
            event_loop.core.drain();
            event_loop.run_timers();
            loop {
                while event_loop.is_alive() && !event_loop.core.budget.is_stopped() {
                    event_loop.turn(Turn::Wait).unwrap_or_else(|error| selector_failed(&error));
                }
                if event_loop.core.budget.is_stopped() {
                    break;
                }
                event_loop.emit(RuntimeEvent::BeforeExit);
                event_loop.core.drain();
                if !event_loop.is_alive() {
                    break;
                }
            }
            event_loop.emit(RuntimeEvent::Exit);
            hooks::flush_destroys();
        });
    }

    /// Runs one turn of the loop: every phase once. For hosts that own the outer loop. Returns
    /// whether anything is left that keeps the loop alive.
    ///
    /// # Errors
    /// Those of the operating system's selector.
    ///
    /// # Panics
    /// If a loop runs on this thread already.
    #[track_caller]
    pub fn turn(&self, mode: Turn) -> io::Result<bool> {
        self.run(|event_loop| event_loop.turn(mode).map(|()| event_loop.is_alive()))
    }

    #[track_caller]
    fn run<R>(&self, f: impl FnOnce(&EventLoop) -> R) -> R {
        let running = Running::begin(&self.event_loop.core);
        let entered = current::enter(&self.event_loop);
        self.event_loop.core.budget.start();
        let result = with_base(|| f(&self.event_loop));
        drop(entered);
        drop(running);
        if let Some(payload) = self.event_loop.core.failures.take_panic() {
            resume_unwind(payload);
        }
        result
    }

    /// Calls `f` inside the runtime without running the loop, so that `spawn`, timers and sockets
    /// can be made. What it queues runs with the next `block_on`, `run_to_idle` or `turn`.
    ///
    /// # Panics
    /// If `f` does, or if a handler of unhandled panics lets one propagate.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let entered = current::enter(&self.event_loop);
        let result = f();
        drop(entered);
        // Inside of a loop, the loop stops and the panic leaves that.
        if !RUNNING.get()
            && let Some(payload) = self.event_loop.core.failures.take_panic()
        {
            resume_unwind(payload);
        }
        result
    }

    /// When the loop has something to do next, for a host that decides how long to sleep: now if
    /// anything can run, else when the next timer is due, or a server that ran out of descriptors
    /// tries again. None if only I/O or other threads can wake it: see [`Runtime::as_raw_fd`].
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.event_loop.is_ready() {
            return Some(self.event_loop.clock.now());
        }
        let clock = &self.event_loop.clock;
        let timer = self.event_loop.next_expiry().and_then(|expiry| clock.instant(expiry));
        timer.into_iter().chain(self.event_loop.reactor.next_rearm()).min()
    }

    /// Whether ticks or microtasks wait, or a failure for its handler: then a host calls
    /// [`Runtime::turn`] before it sleeps.
    pub fn has_pending_ticks(&self) -> bool {
        self.event_loop.core.has_work()
    }

    /// The selector's descriptor, which is readable when I/O or a message of another thread is
    /// ready: for a host that sleeps in a selector of its own.
    #[cfg(unix)]
    pub fn as_raw_fd(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsRawFd;
        self.event_loop.reactor.as_raw_fd()
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(self.event_loop.core.clone())
    }

    /// Counters and lengths at this moment.
    pub fn metrics(&self) -> Metrics {
        self.event_loop.metrics()
    }

    /// What keeps the loop alive at this moment: see [`active_resources`].
    pub fn active_resources(&self) -> ActiveResources {
        insight::survey(&self.event_loop, false)
    }

    /// All resources of the loop at this moment: see [`all_resources`].
    pub fn all_resources(&self) -> ActiveResources {
        insight::survey(&self.event_loop, true)
    }

    /// Runs the loop until nothing keeps it alive, but not longer than `timeout`; then ends it.
    ///
    /// # Panics
    /// As [`Runtime::run_to_idle`].
    #[track_caller]
    pub fn shutdown(self, timeout: Duration) {
        let deadline = Instant::now().checked_add(timeout);
        // Bounds how long a turn may block; unref'd, it does not keep the loop alive itself.
        self.enter(|| {
            crate::callback::set_timeout(timeout, || {}).unref();
        });
        let in_time = || deadline.is_none_or(|deadline| Instant::now() < deadline);
        self.run(|event_loop| {
            event_loop.core.drain();
            while event_loop.is_alive() && !event_loop.core.budget.is_stopped() && in_time() {
                event_loop.turn(Turn::Wait).unwrap_or_else(|error| selector_failed(&error));
            }
        });
    }

    /// What `block_on` says instead of waiting for ever.
    fn deadlock(&self) -> String {
        let mut text = String::from(
            "block_on waits for ever: with a virtual clock nothing is left that could wake main",
        );
        for task in self.all_resources().iter().filter(|it| it.kind == ResourceKind::Task) {
            let _ = write!(text, "\n  {task}");
        }
        text
    }
}

#[cold]
#[track_caller]
fn selector_failed(error: &io::Error) -> ! {
    panic!("the operating system's selector failed: {error}")
}

/// Marks the thread as running a loop.
struct Running<'a> {
    core: &'a Core,
}

impl Running<'_> {
    #[track_caller]
    fn begin(core: &Core) -> Running<'_> {
        assert!(
            !RUNNING.get(),
            "a lunation loop runs on this thread already: a loop cannot run inside of a task or \
             callback of another; use `spawn` or await the future instead"
        );
        RUNNING.set(true);
        core.inbox.woke_up();
        Running { core }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        RUNNING.set(false);
        // A host may sleep in a selector of its own now: what arrives makes the descriptor
        // readable, and what has arrived already is for `next_deadline` to say.
        self.core.inbox.prepare_sleep();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let ended = {
            let _entered = current::enter(&self.event_loop);
            catch_unwind(AssertUnwindSafe(|| self.event_loop.shut_down()))
        };
        self.event_loop.core.close();
        if let Some(strict) = self.guards {
            set_strict_guards(strict);
        }
        let panic = ended.err().or_else(|| self.event_loop.core.failures.take_panic());
        if let Some(payload) = panic
            && !std::thread::panicking()
        {
            resume_unwind(payload);
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

//! Making a runtime.

use crate::ages::Ages;
use crate::clock::Clock;
use crate::event_loop::EventLoop;
use crate::gauge::Gauge;
use crate::handlers::Handlers;
use crate::limits;
use crate::runtime::Runtime;
use crate::task::queue::Core;
use crate::task::waker;
use crate::unhandled::{Unhandled, UnhandledPanic, UnhandledRejections};
use lunation_context::Warning;
use lunation_reactor::Reactor;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

/// Settings of a [`Runtime`]. Tokio: `runtime::Builder`.
///
/// ```
/// use lunation_executor::{Runtime, UnhandledPanic};
///
/// let runtime = Runtime::builder()
///     .drain_budget(None)
///     .on_unhandled(|failure| {
///         eprintln!("{failure}");
///         UnhandledPanic::Propagate
///     })
///     .build()
///     .unwrap();
/// assert_eq!(runtime.block_on(async { 1 }), 1);
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    drain_budget: Option<u32>,
    start_paused: bool,
    strict_guards: bool,
    handlers: Handlers,
}

impl Runtime {
    /// A runtime with the default settings.
    ///
    /// # Panics
    /// If the operating system refuses the selector, with its error; [`Builder::build`] returns it.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "making one asks the operating system")]
    pub fn new() -> Runtime {
        Runtime::builder()
            .build()
            .unwrap_or_else(|error| panic!("the operating system refused a runtime: {error}"))
    }

    /// Settings for a runtime.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// The settings of [`Runtime::new`].
    pub fn new() -> Builder {
        Builder {
            drain_budget: Some(limits::DRAIN_BUDGET),
            start_paused: false,
            strict_guards: false,
            handlers: Handlers::default(),
        }
    }

    /// Jobs (ticks, microtasks, polls) that the drains of one turn may run together before timers
    /// and I/O get their turn; 65,536 by default. None: no bound, as in Node. Zero counts as one.
    pub fn drain_budget(mut self, jobs: Option<u32>) -> Builder {
        self.drain_budget = jobs.map(|jobs| jobs.max(1));
        self
    }

    /// Starts with a virtual clock, which stands while code runs and jumps to the next timer when
    /// nothing else is ready and no blocking job is in flight. Tokio: `start_paused`.
    pub fn start_paused(mut self, paused: bool) -> Builder {
        self.start_paused = paused;
        self
    }

    /// Lets a guard of `AsyncLocalStorage::enter` that is dropped in a foreign flow panic, on the
    /// thread of this runtime and for as long as it lives. By default it is counted and reported.
    pub fn strict_guards(mut self, strict: bool) -> Builder {
        self.strict_guards = strict;
        self
    }

    /// Decides about panics that nobody can join: those of callbacks, of tasks without a handle,
    /// and of subscribers of diagnostics channels. By default they are a [`Warning`] and the loop
    /// goes on. Node: `process.on("uncaughtException")`,
    /// `process.setUncaughtExceptionCaptureCallback`.
    ///
    /// The handler runs inside the failed resource, so ids and stores are those of the failure:
    /// for a callback at once, before its `after` hooks; for a task when the drain has ended. If
    /// it panics itself, its panic leaves the loop. A second call replaces the first handler.
    ///
    /// Before it are asked, in this order: the [monitors](Self::on_uncaught_exception_monitor); for
    /// a task, the [handler of rejections](Self::on_unhandled_rejection); and the [capture
    /// callbacks](crate::add_uncaught_exception_capture_callback).
    pub fn on_unhandled(
        mut self,
        handler: impl Fn(&Unhandled) -> UnhandledPanic + 'static,
    ) -> Builder {
        self.handlers.unhandled = Some(Box::new(handler));
        self
    }

    /// Sees every failure that nobody can join, before anybody is asked about it, and changes
    /// nothing. Node: `process.on("uncaughtExceptionMonitor")`, which does not see rejections that
    /// have a handler of their own.
    ///
    /// Monitors run inside the failed resource, in the order of these calls. A panic of a monitor
    /// leaves the loop.
    ///
    /// ```
    /// use lunation_executor::{Runtime, UnhandledPanic, set_immediate};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let log = Rc::new(RefCell::new(String::new()));
    /// let (monitored, handled) = (log.clone(), log.clone());
    /// let runtime = Runtime::builder()
    ///     .on_unhandled(move |failure| {
    ///         handled.borrow_mut().push_str("handled");
    ///         UnhandledPanic::Continue
    ///     })
    ///     .on_uncaught_exception_monitor(move |failure| {
    ///         monitored.borrow_mut().push_str("monitored, ");
    ///     })
    ///     .build()
    ///     .unwrap();
    /// runtime.enter(|| set_immediate(|| panic!("a bug")));
    /// runtime.run_to_idle();
    /// assert_eq!(*log.borrow(), "monitored, handled");
    /// ```
    pub fn on_uncaught_exception_monitor(
        mut self,
        monitor: impl Fn(&Unhandled) + 'static,
    ) -> Builder {
        self.handlers.monitors.push(Box::new(monitor));
        self
    }

    /// Hears of tasks and blocking jobs that have panicked and that nobody can join any more; what
    /// is handled here does not reach [`on_unhandled`](Self::on_unhandled), unless the
    /// [mode](Self::unhandled_rejections) says so. Node: `process.on("unhandledRejection")`.
    ///
    /// The handler runs inside the task's resource when the drain has ended. If it panics itself,
    /// its panic leaves the loop. A second call replaces the first handler.
    pub fn on_unhandled_rejection(mut self, handler: impl Fn(&Unhandled) + 'static) -> Builder {
        self.handlers.rejection = Some(Box::new(handler));
        self
    }

    /// Who hears of a failed task that nobody can join; [`UnhandledRejections::Throw`] by default.
    /// Node: `--unhandled-rejections=mode`.
    pub fn unhandled_rejections(mut self, mode: UnhandledRejections) -> Builder {
        self.handlers.mode = mode;
        self
    }

    /// Hears of [warnings](Warning), at once and in the context of who warns. By default they are
    /// written to standard error; a handler replaces that. Node: `process.on("warning")`, and
    /// `--no-warnings`.
    ///
    /// What the handler itself warns of is written to standard error. A panic of it is an
    /// unhandled one of the running resource.
    ///
    /// ```
    /// use lunation_context::{Warning, emit_warning};
    /// use lunation_executor::Runtime;
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let warnings = Rc::new(RefCell::new(Vec::new()));
    /// let log = warnings.clone();
    /// let runtime = Runtime::builder()
    ///     .on_warning(move |warning| log.borrow_mut().push(warning.to_string()))
    ///     .build()
    ///     .unwrap();
    /// runtime.enter(|| emit_warning(&Warning::new("SlowDisk", "the disk is slow")));
    /// assert_eq!(*warnings.borrow(), ["SlowDisk: the disk is slow"]);
    /// ```
    pub fn on_warning(mut self, handler: impl Fn(&Warning) + 'static) -> Builder {
        self.handlers.warning = Some(Box::new(handler));
        self
    }

    /// Makes the runtime.
    ///
    /// # Errors
    /// The operating system's, when it refuses the selector: above all too many open files.
    pub fn build(self) -> io::Result<Runtime> {
        let reactor = Reactor::new()?;
        reactor.set_own_wakers(waker::table());
        let core = Core::new(reactor.notifier());
        core.budget.set_per_turn(self.drain_budget);
        core.failures.set_handlers(Some(Rc::new(self.handlers)));
        let event_loop = EventLoop {
            id: reactor.id(),
            core,
            reactor,
            clock: Clock::new(self.start_paused),
            timers: RefCell::default(),
            immediates: crate::immediates::Immediates::default(),
            closers: RefCell::default(),
            completions: RefCell::default(),
            jobs: Cell::new(0),
            turns: Cell::new(0),
            firing: Cell::default(),
            births: Ages::default(),
            waits: Ages::default(),
            noted: Cell::new(0),
            heard: Cell::new(false),
            gauge: Gauge::default(),
            events: Rc::default(),
        };
        Ok(Runtime::from_parts(Rc::new(event_loop), self.strict_guards))
    }
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("drain_budget", &self.drain_budget)
            .field("start_paused", &self.start_paused)
            .field("strict_guards", &self.strict_guards)
            .finish_non_exhaustive()
    }
}

//! Making a runtime.

use crate::ages::Ages;
use crate::clock::Clock;
use crate::event_loop::EventLoop;
use crate::gauge::Gauge;
use crate::limits;
use crate::runtime::Runtime;
use crate::task::failures::OnFailure;
use crate::task::queue::Core;
use crate::unhandled::{Unhandled, UnhandledPanic};
use lunation_reactor::Reactor;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

type Handler = Rc<dyn Fn(&Unhandled) -> UnhandledPanic>;

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
    on_unhandled: Option<Handler>,
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
            on_unhandled: None,
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
    /// and of subscribers of diagnostics channels. By default they are reported on standard error
    /// and the loop goes on. Node: `process.on("uncaughtException")`.
    ///
    /// The handler runs inside the failed resource, so ids and stores are those of the failure:
    /// for a callback at once, before its `after` hooks; for a task when the drain has ended. If
    /// it panics itself, its panic leaves the loop.
    pub fn on_unhandled(
        mut self,
        handler: impl Fn(&Unhandled) -> UnhandledPanic + 'static,
    ) -> Builder {
        self.on_unhandled = Some(Rc::new(handler));
        self
    }

    /// Makes the runtime.
    ///
    /// # Errors
    /// The operating system's, when it refuses the selector: above all too many open files.
    pub fn build(self) -> io::Result<Runtime> {
        let reactor = Reactor::new()?;
        let core = Core::new(reactor.notifier());
        core.budget.set_per_turn(self.drain_budget);
        core.failures.set_handler(Some(on_failure(self.on_unhandled)));
        let event_loop = EventLoop {
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
            gauge: Gauge::default(),
            events: Rc::default(),
        };
        Ok(Runtime::from_parts(Rc::new(event_loop), self.strict_guards))
    }
}

/// The handler as the core knows it: with the default, and with its own panics caught.
fn on_failure(handler: Option<Handler>) -> OnFailure {
    Rc::new(move |unhandled| {
        let Some(handler) = &handler else {
            // Nobody is left to tell if standard error is gone.
            let _ = writeln!(io::stderr(), "lunation: {unhandled}");
            return None;
        };
        match catch_unwind(AssertUnwindSafe(|| handler(&unhandled))) {
            Ok(UnhandledPanic::Continue) => None,
            Ok(UnhandledPanic::Propagate) => Some(unhandled.into_payload()),
            Err(payload) => Some(payload),
        }
    })
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

//! Tasks, timers and the event loop of the lunation runtime: *what runs next*.
//!
//! A [`Runtime`] turns a loop with Node's phases:
//!
//! ```text
//!  block_on: poll main as root, drain; due timers once, then turns:
//!    poll ------- I/O readiness, posts and completions of other threads
//!    check ------ destroy hooks, then the immediates present on entry
//!    close ------ close callbacks, last issued first
//!    timers ----- Node's lists; the clock stands
//!  after EVERY callback of every phase, a drain:
//!    all ticks, then all microtasks (task polls among them), until both queues are empty
//! ```
//!
//! Reading order: `event_loop` (one turn), `task` (the rules of cells and wakers), `callback` and
//! `time` (what users call), `runtime` (who turns the loop).
#![deny(unsafe_code)]

// In reading order: a module imports only from the ones above it.
pub mod limits;
mod sync;
mod unhandled;

pub mod channels;
mod handlers;

mod task;

// The loop, as data and as one turn.
mod clock;
mod ages;
mod gauge;
mod job;
mod timers;

mod immediates;

mod event_loop;

mod current;
#[cfg(feature = "loop-delay")]
mod delay;
mod exit;
mod metrics;
pub mod performance;

mod capture;

// What users call.
mod callback;

mod os_error;
mod pool;

mod blocking;

mod operation;

mod dns;
pub mod fs;
#[cfg(unix)]
pub mod signal;
mod spawn;
#[cfg(unix)]
pub mod process;
pub mod time;
mod turns;

mod insight;

mod promise;

mod abort;
pub mod events;
pub mod promises;
pub mod scheduler;

#[cfg(feature = "hyper")]
mod hyper_rt;

mod handle;
mod set;

// Who turns the loop.
mod shutdown;

mod runtime;

mod builder;

pub use abort::{
    AbortController, AbortError, AbortListener, AbortReason, AbortSignal, Abortable, UntilAborted,
};
pub use blocking::{BlockingHandle, spawn_blocking};
pub use builder::Builder;
pub use callback::{
    Canceled, Completer, Completion, Immediate, Timeout, clear_immediate, clear_timeout, next_tick,
    queue_close, queue_microtask, refreshable_timeout, set_immediate, set_interval, set_timeout,
};
pub use capture::{CaptureCallback, add_uncaught_exception_capture_callback};
pub use dns::{ToHost, lookup_host};
pub use event_loop::{RuntimeEvent, Turn};
pub use exit::runtime_events;
pub use handle::{Handle, KeepAlive};
#[cfg(feature = "hyper")]
pub use hyper_rt::{HyperExecutor, HyperTimer};
pub use insight::{
    ActiveResource, ActiveResources, Wait, WaitsFor, active_resources, all_resources,
};
pub use metrics::Metrics;
pub use operation::Operation;
pub use runtime::Runtime;
pub use set::JoinSet;
pub use spawn::{Builder as TaskBuilder, LocalSpawner, TaskName, spawn, spawn_detached};
pub use task::{AbortHandle, AbortOnDrop, JoinError, JoinHandle};
pub use turns::{ImmediateTurn, Microtask, Tick, immediate, microtask, tick, yield_now};
pub use unhandled::{Origin, Unhandled, UnhandledPanic, UnhandledRejections, panic_message};

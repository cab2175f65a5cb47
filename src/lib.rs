//! A single-threaded async runtime with Node's event-loop phases and native async context.
//!
//! [`Runtime::block_on`] turns a loop of timers, I/O, immediates and close callbacks, with a tick
//! queue and a microtask queue that are drained after every single callback. Every task, timer,
//! immediate, socket and job is an *async resource* with an id, a trigger and a kind, visible to
//! [`hooks`]; each carries the *context* it was created in. So an [`AsyncLocalStorage`] set once
//! is read everywhere downstream: across `.await`, [`spawn`], timers and I/O, without wrapping a
//! future and without passing anything along.
//!
//! ```
//! use lunation::{AsyncLocalStorage, Runtime, set_timeout, spawn, time};
//! use std::time::Duration;
//!
//! static REQUEST: AsyncLocalStorage<u64> = AsyncLocalStorage::new();
//!
//! async fn three_calls_deep() -> Option<u64> {
//!     time::sleep(Duration::from_millis(1)).await;
//!     REQUEST.cloned()
//! }
//!
//! Runtime::new().block_on(async {
//!     let _request = REQUEST.enter(42);
//!     assert_eq!(three_calls_deep().await, Some(42));
//!     assert_eq!(spawn(three_calls_deep()).await.unwrap(), Some(42));
//!     set_timeout(Duration::from_millis(1), || assert_eq!(REQUEST.cloned(), Some(42)));
//! });
//! ```
#![forbid(unsafe_code)]

// ---- running ----

pub use lunation_executor::{
    ActiveResource, ActiveResources, Builder, Handle, KeepAlive, Metrics, Runtime, RuntimeEvent,
    Turn, Wait, WaitsFor, active_resources, all_resources, runtime_events,
};

#[cfg(feature = "macros")]
pub use lunation_macros::{main, test};

// ---- failures ----

pub use lunation_context::{Warning, emit_warning};
pub use lunation_executor::{
    CaptureCallback, Origin, Unhandled, UnhandledPanic, UnhandledRejections,
    add_uncaught_exception_capture_callback,
};

// ---- tasks, callbacks, turns ----

pub use lunation_executor::{
    BlockingHandle, Canceled, Completer, Completion, Immediate, JoinError, JoinHandle, Timeout,
    clear_immediate, clear_timeout, immediate, microtask, next_tick, queue_close, queue_microtask,
    refreshable_timeout, set_immediate, set_interval, set_timeout, spawn, spawn_blocking,
    spawn_detached, tick, yield_now,
};

/// Tasks: spawning, joining, aborting. Tokio: `tokio::task`.
pub mod task {
    pub use lunation_executor::{
        AbortHandle, AbortOnDrop, BlockingHandle, JoinError, JoinHandle, JoinSet, LocalSpawner,
        TaskBuilder as Builder, TaskName, immediate, microtask, spawn, spawn_blocking,
        spawn_detached, tick, yield_now,
    };
}

/// Timers, the callbacks and the futures. Node: `node:timers`, `node:timers/promises`.
pub mod timers {
    pub use lunation_executor::{
        Immediate, Timeout, clear_immediate, clear_timeout, promises, refreshable_timeout,
        scheduler, set_immediate, set_interval, set_timeout,
    };
}

/// Cancelling what is under way. Node: `AbortController`, `AbortSignal`.
pub mod abort {
    pub use lunation_executor::{
        AbortController, AbortError, AbortListener, AbortReason, AbortSignal, Abortable,
        UntilAborted,
    };
}
pub use abort::{AbortController, AbortError, AbortSignal};

#[cfg(unix)]
pub use lunation_executor::signal;
pub use lunation_executor::{events, performance, scheduler, time};

// ---- context ----

pub use lunation_context::{
    AsyncHooks, AsyncId, AsyncLocalStorage, AsyncResource, EventEmitter, EventEmitterAsyncResource,
    Hook, Inherit, ListenerId, ResourceKind, ResourceRef, Scoped, Snapshot, Store, StoreGuard,
    async_wrap_providers, bind, create_hook, diagnostics_channel, execution_async_id,
    execution_async_resource, hooks, snapshot, trigger_async_id,
};

/// The whole of the context crate, for integrations.
pub use lunation_context as context;

// ---- I/O ----

/// Sockets and host names. Tokio: `tokio::net`.
pub mod net {
    pub use lunation_executor::{Operation, ToHost, lookup_host};
    pub use lunation_reactor::net::*;
}

/// Files and folders. Tokio: `tokio::fs`.
pub mod fs {
    pub use lunation_executor::Operation;
    pub use lunation_executor::fs::*;
}

/// Child processes. Tokio: `tokio::process`.
#[cfg(unix)]
pub mod process {
    pub use lunation_executor::process::*;
    pub use std::process::{ExitStatus, Output, Stdio};
}

/// Registering sources of your own with the loop. Tokio: `AsyncFd`.
pub mod io {
    #[cfg(unix)]
    pub use lunation_reactor::SourceFd;
    pub use lunation_reactor::{Interest, Ready, Registration, Registry, Source, Token};
}

/// The loop as hyper's runtime: give these to hyper's builders. The sockets of [`net`] implement
/// `hyper::rt::{Read, Write}`.
///
/// They write head and body of a response without copying them together. Where all bodies are
/// small the copy costs less: `.writev(false)` of hyper's builder saves 7 % of a request's
/// instructions and 6 % of its time if the body has 13 bytes, and nothing if it has 16 KiB. With
/// 256 KiB it costs 70 % more time, and each connection keeps as much memory as its largest
/// response took.
#[cfg(feature = "hyper")]
pub mod hyper {
    pub use lunation_executor::{HyperExecutor as Executor, HyperTimer as Timer};
}

#[cfg(feature = "http")]
pub mod http;

pub mod channels;

/// Makes a future `Send` for an interface that demands it, though it stays on this thread.
///
/// For handlers of axum and tonic that hold values that are not `Send`. The wrapper is checked at
/// run time.
///
/// # Panics
/// Polling it or dropping it on another thread panics.
///
/// ```
/// use std::rc::Rc;
///
/// fn demands_send<F: Future + Send>(future: F) -> F {
///     future
/// }
/// let shared = Rc::new(1);
/// let future = demands_send(lunation::local(async move { *shared }));
/// assert_eq!(lunation::Runtime::new().block_on(future), 1);
/// ```
#[cfg(feature = "local")]
pub fn local<F: Future>(future: F) -> send_wrapper::SendWrapper<F> {
    send_wrapper::SendWrapper::new(future)
}

pub mod docs;

/// The code of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;

//! Who is running, and what it carries: the async context of Lunation.
//!
//! Three ideas carry this crate:
//! - A *resource* is anything asynchronous (a task, a timer, a socket). It has an [`AsyncId`], a
//!   trigger, a kind, and the *frame* that was current when it was created.
//! - An *activation* is one running flow of a resource with its live frame. One thread-local
//!   pointer says which is current; entering one is the only way to user code.
//! - A *frame* maps each [`AsyncLocalStorage`] to a value. Capturing it is copying a pointer.
//!
//! Users meet the storages, [`Snapshot`], [`AsyncResource`] and the [`hooks`]. [`Activation`],
//! [`Frame`] and [`Resource`] are for the runtime and for integrations.
#![deny(unsafe_code)]

// In reading order: a module imports only from the ones above it.

// Names.
mod id;
mod kind;

mod info;

mod origin;

// What a flow carries.
mod key;
mod policy;
mod pool;

mod boxes;

mod value;

mod frame;

mod entries;

mod flow;

// Who is running.
mod activation;
mod current;
mod inherit;

// Who watches.
mod callbacks;
mod enabled;
pub mod hooks;
mod poll_hook;
mod run;

// What runs in a captured context.
mod scoped;
mod snapshot;
mod transfer;

mod resource;

mod async_resource;

// The stores.
mod defaults;
mod warning;

mod misplaced;
mod storage;

// Who is told: emitters and channels.
mod emitter;
mod failure;

pub mod diagnostics_channel;

pub use activation::Activation;
pub use async_resource::{
    AsyncResource, AsyncResourceBuilder, Bound, ResourceScope, SnapshotFn, bind, snapshot,
};
pub use current::{execution_async_id, execution_async_resource, trigger_async_id, with_base};
pub use emitter::{EventEmitter, EventEmitterAsyncResource, ListenerId};
pub use failure::{FailureHandler, contain, set_failure_handler};
pub use frame::Frame;
pub use hooks::{AsyncHooks, Hook, create_hook};
pub use id::{AsyncId, newest_async_id};
pub use info::{Extensions, ResourceRef};
pub use kind::{ResourceKind, async_wrap_providers};
pub use misplaced::{misplaced_guards, set_strict_guards};
pub use policy::Inherit;
pub use poll_hook::{PollHook, set_poll_hook};
pub use resource::{RemoteCall, Resource};
pub use scoped::Scoped;
pub use snapshot::Snapshot;
pub use storage::{AsyncLocalStorage, StorageBuilder, Store, StoreGuard};
pub use transfer::TransferSnapshot;
pub use warning::{Warning, WarningHandler, emit_warning, set_warning_handler};

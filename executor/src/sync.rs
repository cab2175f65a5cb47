//! The primitives of the cross-thread protocol: std's, or loom's under `cfg(loom)`.
//!
//! `task` takes from here what the protocol between threads stands on, so that the loom models in
//! `task/models` check the very code that runs in production.

#[cfg(not(loom))]
pub(crate) use std::{
    alloc::{alloc, dealloc},
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence},
    thread_local,
};

/// Loom's `thread_local!` does not know `const` initialisers.
#[cfg(loom)]
macro_rules! loom_thread_local {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = const { $init:expr };) => {
        loom::thread_local! { $(#[$attribute])* static $name: $type = $init; }
    };
}

#[cfg(loom)]
pub(crate) use loom_thread_local as thread_local;

#[cfg(loom)]
pub(crate) use loom::{
    alloc::{alloc, dealloc},
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence},
};

//! The primitives of the cross-thread protocol: std's, or loom's under `cfg(loom)`.
//!
//! `task` takes from here what the protocol between threads stands on, so that the loom models in
//! `task/loom` check the very code that runs in production.

#[cfg(not(loom))]
pub(crate) use std::{
    alloc::{alloc, dealloc},
    cell::Cell,
    sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::{
    alloc::{alloc, dealloc},
    cell::Cell,
    sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering, fence},
};

//! The atomics of the cross-thread protocol: std's, or loom's under `cfg(loom)`.
//!
//! Only `task::life` and `task::inbox` import from here, so that the loom models in
//! `task/loom.rs` check the very code that runs in production.

#[cfg(not(loom))]
pub(crate) use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence},
};

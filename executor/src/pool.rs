//! The thread pool: that of the `blocking` crate.
//!
//! Threads are started as they are needed, up to 500 (the environment variable
//! `BLOCKING_MAX_THREADS` sets another bound).

/// Runs `work`, which may block, on a thread of the pool.
#[cfg(not(loom))]
pub(crate) fn run(work: impl FnOnce() + Send + 'static) {
    blocking::unblock(work).detach();
}

/// The crates below `blocking` do not build under `cfg(loom)`; no model uses the pool.
#[cfg(loom)]
pub(crate) fn run(work: impl FnOnce() + Send + 'static) {
    drop(std::thread::spawn(work));
}

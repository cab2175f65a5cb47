//! The context crate without any loop: flows are made by hand.

mod channel;
mod drops;
mod emitter;
mod facts;
mod hook_abort;
mod hooks;
mod inherit;
mod model;
mod poll_hook;
mod resources;
mod restoring;
mod scoped;
mod storages;
mod support;
mod threads;
mod tracing;
mod transfer;

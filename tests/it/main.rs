//! The runtime as its users see it: ordered journals, compared whole.
#![allow(missing_docs, reason = "tests")]

mod callbacks;
mod clock;
mod completion;
mod events;
mod failures;
mod node;
mod order;
mod runtimes;
#[cfg(unix)]
mod signals;
mod support;
mod tasks;

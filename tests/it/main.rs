//! The runtime as its users see it: ordered journals, compared whole.
#![allow(missing_docs, reason = "tests")]

mod abort;
mod blocking;
mod builtin_channels;
mod callbacks;
mod clock;
mod completion;
mod criticised;
mod events;
mod dns;
mod exit;
mod failures;
mod fs;
mod insight;
mod node;
mod order;
mod performance;
#[cfg(unix)]
mod process;
mod promised_events;
mod promises;
mod runtimes;
#[cfg(unix)]
mod signals;
mod sockets;
mod support;
mod tasks;

//! What the runtime itself tells: built-in diagnostics channels, under Node's names where Node has
//! one.
//!
//! | channel | published | Node |
//! |---|---|---|
//! | [`NET_CLIENT_SOCKET`] | a stream is about to connect | `net.client.socket` |
//! | [`NET_SERVER_SOCKET`] | a listener has accepted a stream | `net.server.socket` |
//! | [`NET_SERVER_LISTEN`] | a server begins to listen, or fails | `tracing:net.server.listen` |
//! | [`UDP_SOCKET`] | a datagram socket was made | `udp.socket` |
//! | [`CHILD_PROCESS_SPAWN`] | a program is started, or cannot be | `tracing:child_process.spawn` |
//! | [`TASK_SPAWN`], [`TASK_COMPLETE`], [`TASK_PANIC`], [`TASK_ABORT`] | the life of tasks | |
//! | [`TIMER_START`], [`TIMER_FIRE`], [`TIMER_CLEAR`] | the life of timeouts and intervals | |
//!
//! With the feature `http` there are seven more, for requests to servers and of clients: see
//! `http::channels`.
//!
//! A [`Channel`](crate::diagnostics_channel::Channel) without subscribers costs one load and one
//! branch, and nothing is published around polls. Subscriptions belong to the thread that makes
//! them, and last until they are dropped.
//!
//! ```
//! use lunation::{Runtime, channels::TIMER_START, set_timeout};
//! use std::{cell::Cell, rc::Rc, time::Duration};
//!
//! let longest = Rc::new(Cell::new(Duration::ZERO));
//! let seen = longest.clone();
//! let _subscription = TIMER_START.subscribe(move |timer, channel| {
//!     assert_eq!(channel, "timer.start");
//!     seen.set(seen.get().max(timer.delay));
//! });
//! Runtime::new().enter(|| {
//!     set_timeout(Duration::from_secs(9), || {}).clear();
//!     set_timeout(Duration::from_secs(3), || {}).clear();
//! });
//! assert_eq!(longest.get(), Duration::from_secs(9));
//! ```

#[cfg(feature = "http")]
pub use crate::http::channels::*;
pub use lunation_executor::channels::*;
pub use lunation_reactor::net::channels::*;

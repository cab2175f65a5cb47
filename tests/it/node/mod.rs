//! Node's own tests, ported: one test per file, of the same name. `README.md` lists them all.
//!
//! Each begins with the number of assertions in the original and here, as the README counts them.

mod activity;
mod async_local_storage;
mod async_local_storage_more;
mod async_resource;
mod channels;
mod channels_builtin;
mod channels_tracing;
mod failures;
mod hooks;
mod hooks_ids;
mod hooks_list;
mod http;
mod http_agent;
mod immediates;
mod process;
mod promises;
mod rejections;
#[cfg(unix)]
mod signals;
mod support;
mod ticks;
mod timers;
mod timers_more;
mod timers_promises;

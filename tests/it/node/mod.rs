//! Node's own tests, ported: one test per file, of the same name. `README.md` lists them all.
//!
//! Each begins with the number of assertions in the original and here, as the README counts them.

mod activity;
mod async_local_storage;
mod async_local_storage_more;
mod async_resource;
mod channels;
mod channels_builtin;
mod channels_lifetime;
mod channels_tracing;
#[cfg(unix)]
mod children;
mod failures;
mod hooks;
mod hooks_ids;
mod hooks_list;
mod hooks_misuse;
mod hooks_tracking;
mod http;
mod http_agent;
mod immediates;
mod net;
#[cfg(unix)]
mod net_paths;
mod pool;
mod process;
mod promise_hooks;
mod promises;
mod rejections;
mod requests;
#[cfg(unix)]
mod signals;
mod sockets;
mod support;
mod ticks;
mod timers;
mod timers_more;
mod timers_promises;
mod workers;

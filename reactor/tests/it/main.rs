//! Tests of the reactor and its sockets, on the loopback interface, driven by a loop of one future.

mod support;

mod budget;
mod facts;
#[cfg(unix)]
mod families;
mod hooks;
mod listener;
mod reactor;
mod registration;
mod requests;
mod split;
mod stream;
mod threads;
mod traits;
mod udp;
#[cfg(unix)]
mod unix;

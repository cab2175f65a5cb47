//! The HTTP server: what runs in a request, what bad input does, how it stops; and the example.
#![cfg(unix)]
#![allow(missing_docs, reason = "tests")]

mod bad_input;
mod client;
mod example;
mod flow;
mod panics;
mod pooling;
mod program;
mod requests;
mod stop;
mod support;
mod upgrade;

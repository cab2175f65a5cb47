//! A tour of async context: the programs by which Node's documentation and its users explain it.
//!
//! ```text
//! cargo run --example tour           lists them
//! cargo run --example tour -- NAME   runs one
//! ```
//!
//! Each file begins with what its program prints. Beside it lies the same program for Node, which
//! prints the same; `promises` says what differs, and why. `tests/tour.rs` checks all of it.
#![allow(clippy::print_stdout, reason = "these are programs")]

mod auth;
mod client;
mod connection;
mod current_resource;
mod early_close;
mod emit_in_run;
mod indented;
mod promises;
mod request_log;
mod resource_storage;
mod run_and_timer;
mod three_runs;
mod trace_id;
mod transaction;
mod two_runs;

use std::process::ExitCode;

const PROGRAMS: [(&str, fn()); 14] = [
    ("two_runs", two_runs::main),
    ("three_runs", three_runs::main),
    ("run_and_timer", run_and_timer::main),
    ("request_log", request_log::main),
    ("trace_id", trace_id::main),
    ("auth", auth::main),
    ("transaction", transaction::main),
    ("emit_in_run", emit_in_run::main),
    ("early_close", early_close::main),
    ("connection", connection::main),
    ("indented", indented::main),
    ("promises", promises::main),
    ("current_resource", current_resource::main),
    ("resource_storage", resource_storage::main),
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    let Some(wanted) = wanted else {
        for (name, _) in PROGRAMS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, program)) = PROGRAMS.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("there is no program {wanted}; without an argument all are listed");
        return ExitCode::FAILURE;
    };
    program();
    ExitCode::SUCCESS
}

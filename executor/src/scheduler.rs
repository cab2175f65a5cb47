//! Node's `scheduler`, of `node:timers/promises`. With a signal: [`promises::with_signal`].

use crate::promises::{self, Wait};
use std::time::Duration;

/// Waits for `delay`: [`promises::set_timeout`] without a value. Node: `scheduler.wait`.
///
/// # Panics
/// Outside of a runtime.
///
/// # Cancel safety
/// Cancel safe: dropping it clears the timer.
#[track_caller]
pub fn wait(delay: Duration) -> Wait<()> {
    promises::set_timeout(delay, ())
}

/// Lets the loop make a turn: [`promises::set_immediate`] without a value. Node:
/// `scheduler.yield`, a word that is reserved in Rust.
///
/// It is an `Immediate` resource; [`yield_now`](crate::yield_now) is none.
///
/// # Panics
/// Outside of a runtime.
///
/// # Cancel safety
/// Cancel safe: dropping it clears the immediate.
#[track_caller]
pub fn yield_now() -> Wait<()> {
    promises::set_immediate(())
}

//! Where Node is criticised: what its users complain of, and what happens here instead.
#![doc = include_str!("README.md")]

mod alive;
mod failures;
mod hooks;
mod queues;
mod release;
mod stores;

use crate::support::Journal;
use lunation::AsyncLocalStorage;
use std::time::Duration;

/// The value the rows are about.
static VALUE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

/// Adds `place=value`.
fn note(journal: &Journal, place: &str) {
    journal.add(format_args!("{place}={}", VALUE.cloned().unwrap_or("-")));
}

/// A callback that does.
fn notes(journal: &Journal, place: &'static str) -> impl Fn() + Clone + 'static + use<> {
    let journal = journal.clone();
    move || note(&journal, place)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

//! Two processes share one logger, and each line knows whose it is.
//!
//! ```text
//! 1: Starting process
//! 2: Another process
//! 1: Timeout finished
//! 2: Another timeout finished
//! ```

use lunation::{AsyncLocalStorage, Runtime, set_timeout};
use std::time::Duration;

static PROCESS: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

fn log(message: &str) {
    let id = PROCESS.cloned().expect("called in a run");
    println!("{id}: {message}");
}

pub(crate) fn main() {
    let runtime = Runtime::new();
    runtime.enter(|| {
        PROCESS.run(1, || {
            log("Starting process");
            set_timeout(Duration::from_millis(100), || log("Timeout finished"));
        });
        PROCESS.run(2, || {
            log("Another process");
            set_timeout(Duration::from_millis(200), || log("Another timeout finished"));
        });
    });
    runtime.run_to_idle();
}

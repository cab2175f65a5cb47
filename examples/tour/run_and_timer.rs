//! What a run starts keeps its value, however late it ends; what is outside never sees it.
//!
//! ```text
//! in run: value
//! outside: -
//! after await: value
//! timer: value
//! timer outside: -
//! ```

use lunation::{AsyncLocalStorage, Runtime, immediate, set_timeout, spawn};
use std::time::Duration;

static VALUE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

fn show(place: &str) {
    println!("{place}: {}", VALUE.cloned().unwrap_or("-"));
}

async fn work() {
    immediate().await;
    show("after await");
    set_timeout(Duration::from_millis(1), || show("timer"));
}

pub(crate) fn main() {
    let runtime = Runtime::new();
    runtime.enter(|| {
        VALUE.run("value", || {
            show("in run");
            spawn(work());
        });
        show("outside");
        set_timeout(Duration::from_millis(50), || show("timer outside"));
    });
    runtime.run_to_idle();
}

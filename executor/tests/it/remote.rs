//! Wakers, handles and posts on other threads, while the runtime lives and after its end.

use lunation_executor::{Runtime, spawn};
use std::thread;

/// The last reference to a task goes on another thread, and the runtime ends before it is told.
#[test]
fn a_dead_task_is_not_revived_at_the_end() {
    let runtime = Runtime::new();
    let (handle, abort) = runtime.enter(|| {
        let handle = spawn(async {});
        let abort = handle.abort_handle();
        (handle, abort)
    });
    runtime.run_to_idle();
    // One reference is counted as a foreign one ...
    let foreign = thread::scope(|scope| scope.spawn(|| abort.clone()).join().unwrap());
    // ... and is the only one left.
    runtime.enter(|| drop((handle, abort)));
    thread::spawn(move || drop(foreign)).join().unwrap();
    drop(runtime);
}

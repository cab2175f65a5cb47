//! Signals. Raising one concerns the whole process: this is the only test file that does.

use crate::support::Journal;
use lunation::{Runtime, signal, spawn, yield_now};

#[test]
fn an_interrupt_wakes_who_waits_and_keeps_nothing_alive() {
    let (journal, runtime) = (Journal::default(), Runtime::new());
    let waiting = runtime.enter(|| {
        let journal = journal.clone();
        spawn(async move {
            signal::ctrl_c().await.expect("a handler");
            journal.add("interrupted");
        })
    });
    // Ends although a task waits for the signal; the handler is installed then.
    runtime.run_to_idle();
    assert!(!waiting.is_finished());
    signal_hook::low_level::raise(signal_hook::consts::SIGINT).expect("a signal");
    runtime.block_on(async {
        while !waiting.is_finished() {
            yield_now().await;
        }
    });
    assert_eq!(journal.take(), "interrupted");
}

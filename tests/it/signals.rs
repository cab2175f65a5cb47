//! Signals. Raising one concerns the whole process: this is the only test file that does.

use crate::support::{HookEvents, Journal, paused};
use lunation::signal::{self, SignalKind, signal};
use lunation::{Runtime, create_hook, spawn, time, yield_now};
use std::future::poll_fn;
use std::time::Duration;

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

/// Every listener gets every signal; those that came before the first is received are one.
#[test]
fn each_listener_receives_and_those_that_wait_are_one() {
    let (journal, runtime) = (Journal::default(), Runtime::new());
    runtime.block_on(async {
        let kind = SignalKind::user_defined1();
        let [mut first, mut second] = [(); 2].map(|()| signal(kind).expect("a listener"));
        for _ in 0..3 {
            signal_hook::low_level::raise(kind.as_raw_value()).expect("a signal");
        }
        for listener in [&mut first, &mut second] {
            listener.recv().await.expect("a signal");
            journal.add("received");
            let again = time::timeout(Duration::from_millis(5), listener.recv()).await;
            journal.add(again.is_err());
        }
        drop(first);
        signal_hook::low_level::raise(kind.as_raw_value()).expect("a signal");
        second.recv().await.expect("a signal");
        journal.add("second");
    });
    assert_eq!(journal.take(), "received true received true second");
}

#[test]
fn what_cannot_be_listened_to_is_an_error_that_names_it() {
    let (journal, runtime) = (Journal::default(), Runtime::new());
    let hook = create_hook(HookEvents(journal.clone()));
    runtime.enter(|| {
        hook.enable();
        for number in [9, 19, 11, 0, -1, 127, 4000] {
            let error = signal(SignalKind::from_raw(number)).expect_err("an error");
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{number}");
            journal.add(format_args!("{error};"));
        }
        hook.disable();
    });
    let error = signal(SignalKind::hangup()).expect_err("outside of a runtime");
    assert!(error.to_string().contains("runtime"), "{error}");
    // No resource came into being on the way.
    let expected = "listen to signal SIGKILL (9): it cannot be handled; \
                    listen to signal SIGSTOP (19): it cannot be handled; \
                    listen to signal SIGSEGV (11): it cannot be handled; \
                    listen to signal 0: there is no such signal; \
                    listen to signal -1: there is no such signal; \
                    listen to signal 127: Invalid argument (os error 22); \
                    listen to signal 4000: there is no such signal;";
    assert_eq!(journal.take(), expected);
}

/// A virtual clock does not take main for lost while a source can wake it.
#[test]
fn main_may_wait_for_a_signal_with_a_virtual_clock() {
    let (journal, runtime) = (Journal::default(), paused());
    runtime.block_on(async {
        let kind = SignalKind::window_change();
        let mut changes = signal(kind).expect("a listener");
        let mut raised = false;
        poll_fn(|context| {
            let received = changes.poll_recv(context);
            if !std::mem::replace(&mut raised, true) {
                journal.add(received.is_pending());
                signal_hook::low_level::raise(kind.as_raw_value()).expect("a signal");
            }
            received
        })
        .await
        .expect("a signal");
        journal.add("received");
    });
    assert_eq!(journal.take(), "true received");
}

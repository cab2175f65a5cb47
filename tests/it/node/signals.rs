//! Node's tests of signals. A signal reaches the whole process: each test has one of its own.

use super::activity::Activities;
use crate::support::{Journal, alone};
use lunation::process::{Child, Command, Stdio};
use lunation::signal::{Signal, SignalKind, signal};
use lunation::{AsyncId, Runtime, UnhandledPanic, immediate, set_immediate, set_interval, spawn};
use std::future::Future;
use std::time::Duration;

fn sigusr2() -> Signal {
    signal(SignalKind::user_defined2()).expect("a listener")
}

/// Sends the signal when whoever runs waits for it.
fn send_later() {
    set_immediate(|| {
        signal_hook::low_level::raise(signal_hook::consts::SIGUSR2).expect("a signal");
    });
}

/// Runs a task while an interval keeps the loop alive, then the loop to its end; returns its id.
fn run<F: Future<Output = Signal> + 'static>(main: impl FnOnce() -> F) -> AsyncId {
    let builder = Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate);
    let runtime = builder.build().expect("a runtime");
    runtime.enter(|| {
        let interval = set_interval(Duration::from_secs(10), || ());
        let main = main();
        let task = spawn(async move {
            let listening = main.await;
            interval.clear();
            listening
        });
        runtime.run_to_idle();
        assert!(task.is_finished(), "the loop has ended without the task");
        let id = task.async_id();
        let _still_listening = runtime.block_on(task).expect("no panic");
        id
    })
}

#[test]
fn test_signalwrap() {
    // Node: async-hooks/test-signalwrap. Assertions: 19 there, 10 here; left out: ids that are
    // numbers (4: types). DIFFERENCE: a handler is a task that waits, and goes on when the
    // signal's after has come. A listener that has ended is destroyed, one that still listens is
    // not, as there.
    if !alone("node::signals::test_signalwrap") {
        return;
    }
    let (journal, seen) = (Journal::default(), Activities::enabled());
    let (j, activities) = (journal.clone(), seen.clone());
    run(move || {
        let counts = move |nth| activities.counts("SIGNALWRAP", nth);
        let mut first = sigusr2();
        assert_eq!(counts(0), [1, 0, 0, 0, 0]);
        send_later();
        async move {
            first.recv().await.expect("a signal");
            assert_eq!(counts(0), [1, 1, 1, 0, 0]);
            send_later();
            first.recv().await.expect("a signal");
            assert_eq!(counts(0), [1, 2, 2, 0, 0]);
            drop(first);
            let mut second = sigusr2();
            assert_eq!((counts(0), counts(1)), ([1, 2, 2, 0, 0], [1, 0, 0, 0, 0]));
            send_later();
            second.recv().await.expect("a signal");
            j.add("again");
            immediate().await;
            assert_eq!((counts(0), counts(1)), ([1, 2, 2, 1, 0], [1, 1, 1, 0, 0]));
            second
        }
    });
    assert_eq!(journal.take(), "again");
    seen.disable();
    let found = seen.of("SIGNALWRAP");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].counts, [1, 2, 2, 1, 0]);
    assert_eq!(found[1].counts[..3], [1, 1, 1]);
    assert_eq!(found[0].trigger, AsyncId::ROOT);
}

/// Node's `exec("kill ..")`: a child with pipes, that nobody waits for.
fn exec_kill() -> Child {
    let this = std::process::id();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("kill -USR2 {this}")]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("a child")
}

#[test]
fn test_graph_signal() {
    // Node: async-hooks/test-graph.signal. Assertions: 3 there, 3 here; left out: none.
    // DIFFERENCE: what a handler starts is triggered by the task that waits for the signal.
    if !alone("node::signals::test_graph_signal") {
        return;
    }
    let seen = Activities::enabled();
    let task = run(|| {
        let (mut first, _child) = (sigusr2(), exec_kill());
        async move {
            first.recv().await.expect("a signal");
            let _child = exec_kill();
            first.recv().await.expect("a signal");
            drop(first);
            let (mut second, _child) = (sigusr2(), exec_kill());
            second.recv().await.expect("a signal");
            second
        }
    });
    seen.disable();
    let triggers = |kind| -> Vec<_> { seen.of(kind).iter().map(|it| it.trigger).collect() };
    assert_eq!(triggers("SIGNALWRAP"), [AsyncId::ROOT, task]);
    assert_eq!(triggers("PROCESSWRAP"), [AsyncId::ROOT, task, task]);
    let of_children = [AsyncId::ROOT, task, task].map(|trigger| [trigger; 3]);
    assert_eq!(triggers("PIPEWRAP"), of_children.concat());
}

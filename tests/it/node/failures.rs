//! Node's tests of uncaught exceptions, here panics of callbacks, and of hooks that fail; where a
//! process ends of them, in a child.

use super::support::{script_with_handler, throw};
use crate::support::{Journal, case, in_child_with};
use lunation::{
    AsyncHooks, AsyncId, AsyncResource, ResourceKind, ResourceRef, Runtime, Unhandled,
    UnhandledPanic, add_uncaught_exception_capture_callback, create_hook, next_tick, spawn,
};
use std::cell::Cell;
use std::io::Write;
use std::panic::resume_unwind;
use std::process::Output;
use std::rc::Rc;

#[test]
fn test_process_exception_capture() {
    // Node: parallel/test-process-exception-capture. Assertions: 4 there, 2 here (a journal); left
    // out: asking whether there is one (1). Added: what it does not take goes on to the handler.
    let journal = Journal::default();
    let (log, handled) = (journal.clone(), journal.clone());
    let handler = move |failure: &Unhandled| handled.add(failure.message());
    let journal = script_with_handler(&journal.clone(), handler, |_| {
        let captures = add_uncaught_exception_capture_callback(move |failure| {
            log.add(format_args!("captured:{}", failure.message()));
            failure.message() == "foo"
        });
        captures.detach();
        next_tick(|| throw("foo"));
        next_tick(|| throw("bar"));
    });
    assert_eq!(journal, "captured:foo captured:bar bar");
}

/// The last lines of a child's standard error, and how it has ended.
fn ended(output: &Output) -> (String, Option<i32>) {
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

#[test]
fn test_process_uncaught_exception_monitor() {
    // Node: parallel/test-process-uncaught-exception-monitor. Assertions: 14 there, 7 here; left
    // out: the error's prototype (1), must-calls (5). DIFFERENCE: a process ends with code 101, as
    // Rust's do.
    const TEST: &str = "node::failures::test_process_uncaught_exception_monitor";
    let seen = Rc::new(Cell::new(0));
    let count = seen.clone();
    let builder = Runtime::builder().on_uncaught_exception_monitor(move |failure| {
        assert_eq!(failure.origin().as_str(), "uncaughtException");
        count.set(count.get() + 1);
        let _ = writeln!(std::io::stdout(), "Monitored: {}", failure.message());
    });
    if case().is_some() {
        let runtime = builder.on_unhandled(|_| UnhandledPanic::Propagate).build();
        let runtime = runtime.expect("a runtime");
        runtime.enter(|| next_tick(|| panic!("Shall exit")));
        return runtime.run_to_idle();
    }
    let child = in_child_with(TEST, "child");
    let (stderr, code) = ended(&child);
    assert_eq!(code, Some(101));
    assert!(String::from_utf8_lossy(&child.stdout).contains("Monitored: Shall exit\n"));
    assert!(stderr.contains("Shall exit"), "{stderr}");

    let handled = Rc::new(Cell::new(0));
    let count = handled.clone();
    let runtime = builder.on_unhandled(move |failure| {
        assert_eq!(failure.message(), "MyError");
        count.set(count.get() + 1);
        UnhandledPanic::Continue
    });
    let runtime = runtime.build().expect("a runtime");
    runtime.enter(|| next_tick(|| throw("MyError")));
    runtime.run_to_idle();
    assert_eq!((seen.get(), handled.get()), (1, 1));
    let capture = runtime.enter(|| add_uncaught_exception_capture_callback(|_| true));
    runtime.enter(|| next_tick(|| throw("MyError")));
    runtime.run_to_idle();
    drop(capture);
    assert_eq!((seen.get(), handled.get()), (2, 1));
}

#[test]
fn test_unhandled_exception_rethrow_error() {
    // Node: parallel/test-unhandled-exception-rethrow-error. Assertions: 6 there, 4 here; left out:
    // the signal (1: as the code), the property of the error (1). DIFFERENCE: the panic of a
    // handler leaves the loop; a process that does not catch it ends with 101 instead of 7.
    const TEST: &str = "node::failures::test_unhandled_exception_rethrow_error";
    if case().is_some() {
        let builder = Runtime::builder().on_unhandled(|_| panic!("rethrown"));
        let runtime = builder.build().expect("a runtime");
        runtime.enter(|| next_tick(|| panic!("boom")));
        runtime.run_to_idle();
        let _ = writeln!(std::io::stdout(), "not reached");
        return;
    }
    let child = in_child_with(TEST, "child");
    let (stderr, code) = ended(&child);
    assert_eq!(code, Some(101));
    let (boom, rethrown) = (stderr.find("boom"), stderr.find("rethrown"));
    assert!(boom.is_some() && boom < rethrown, "{stderr}");
    assert!(stderr.contains("failures.rs"), "{stderr}");
    assert!(!String::from_utf8_lossy(&child.stdout).contains("not reached"));
}

/// Hooks of which one fails, with a text or with something else.
struct Failing {
    event: String,
    text: bool,
}

impl Failing {
    fn at(&self, event: &str) {
        if event == self.event {
            match self.text {
                true => throw::<()>("test_callback"),
                false => resume_unwind(Box::new(42)),
            }
        }
    }
}

impl AsyncHooks for Failing {
    fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.at("init");
    }

    fn before(&self, _: AsyncId) {
        self.at("before");
    }

    fn after(&self, _: AsyncId) {
        self.at("after");
    }

    fn destroy(&self, _: AsyncId) {
        self.at("destroy");
    }

    fn promise_resolve(&self, _: AsyncId) {
        self.at("promise_resolve");
    }
}

#[cfg(unix)]
fn signal(output: &Output) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&output.status)
}

#[test]
#[cfg(unix)]
fn test_callback_error() {
    // Node: async-hooks/test-callback-error. Assertions: 16 there, 3 here (in a loop); left out:
    // must-calls (3), errors of starting the child (3: it panics), Windows (2). DIFFERENCE: the
    // process aborts in all three cases, as Node does when it is told to: what a hook cannot see,
    // nobody should rely on.
    const TEST: &str = "node::failures::test_callback_error";
    if let Some(event) = case() {
        create_hook(Failing { event, text: true }).enable();
        Runtime::new().enter(|| AsyncResource::new("test_type").run_in_async_scope(|| ()));
        return;
    }
    for event in ["init", "before"] {
        let child = in_child_with(TEST, event);
        assert_eq!(signal(&child), Some(signal_hook::consts::SIGABRT));
        let stderr = String::from_utf8_lossy(&child.stderr).into_owned();
        let first = stderr.lines().next().expect("a report");
        assert_eq!(
            first.split("test_type").next(),
            Some(&*format!("lunation: hook panicked in {event} of "))
        );
        assert!(first.ends_with(": test_callback"), "{first}");
    }
}

#[test]
#[cfg(unix)]
fn test_async_hooks_fatal_error() {
    // Node: parallel/test-async-hooks-fatal-error. Assertions: 2 there, 3 here (in a loop, as
    // there). Two kinds of values that are no errors are one here. DIFFERENCE: it aborts.
    const TEST: &str = "node::failures::test_async_hooks_fatal_error";
    if let Some(event) = case() {
        create_hook(Failing { event, text: false }).enable();
        let runtime = Runtime::new();
        runtime.block_on(async { spawn(async {}).await.expect("no panic") });
        runtime.run_to_idle();
        return;
    }
    for event in ["init", "before", "after", "destroy", "promise_resolve"] {
        let child = in_child_with(TEST, event);
        assert_eq!(signal(&child), Some(signal_hook::consts::SIGABRT), "{event}");
        let stderr = String::from_utf8_lossy(&child.stderr).into_owned();
        let first = stderr.lines().next().expect("a report").to_owned();
        assert!(first.starts_with(&format!("lunation: hook panicked in {event} of ")), "{first}");
        assert!(first.ends_with(": (no message)"), "{first}");
    }
}

//! Panics of callbacks and tasks: who hears of them, in which context, and that the loop goes on.

use crate::support::Journal;
use lunation::{
    AsyncLocalStorage, Runtime, UnhandledPanic, UnhandledRejections, Warning,
    add_uncaught_exception_capture_callback, emit_warning, execution_async_id, next_tick,
    queue_microtask, set_immediate, set_interval, set_timeout, spawn,
};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

/// Panics without the message of the panic hook.
fn fail(text: &'static str) {
    resume_unwind(Box::new(text));
}

/// A runtime whose handler writes down what it gets and where it runs.
fn recording(journal: &Journal) -> Runtime {
    let journal = journal.clone();
    Runtime::builder()
        .start_paused(true)
        .on_unhandled(move |failure| {
            assert_eq!(execution_async_id(), failure.id());
            let (kind, text) = (failure.kind().as_str(), failure.message());
            journal.add(format_args!("{kind}:{text}@{}", STORE.cloned().unwrap_or("-")));
            UnhandledPanic::Continue
        })
        .build()
        .expect("a runtime")
}

#[test]
fn callbacks_fail_in_their_own_context_and_the_drain_follows() {
    let journal = Journal::default();
    let runtime = recording(&journal);
    runtime.enter(|| {
        STORE.run("t", || {
            let j = journal.clone();
            set_timeout(Duration::from_millis(1), move || {
                next_tick(j.adds("tick"));
                fail("timer")
            })
        });
        set_timeout(Duration::from_millis(1), journal.adds("next-timer"));
        STORE.run("i", || set_immediate(|| fail("immediate")));
        STORE.run("k", || next_tick(|| fail("tick")));
        STORE.run("m", || queue_microtask(|| fail("micro")));
        queue_microtask(journal.adds("next-micro"));
    });
    runtime.run_to_idle();
    let expected = "TickObject:tick@k Microtask:micro@m next-micro Immediate:immediate@i \
                    Timeout:timer@t tick next-timer";
    assert_eq!(journal.take(), expected);
}

#[test]
fn an_interval_goes_on_after_a_panic() {
    let journal = Journal::default();
    let runtime = recording(&journal);
    runtime.enter(|| {
        let (calls, handle) = (RefCell::new(0), Rc::new(RefCell::new(None)));
        let own: Rc<RefCell<Option<lunation::Timeout>>> = handle.clone();
        let interval = set_interval(Duration::from_millis(1), move || {
            *calls.borrow_mut() += 1;
            if *calls.borrow() == 2 {
                own.borrow().as_ref().expect("set below").clear();
            }
            fail("again");
        });
        *handle.borrow_mut() = Some(interval);
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "Timeout:again@- Timeout:again@-");
}

#[test]
fn a_failed_task_is_unhandled_only_when_nobody_can_join_it() {
    let journal = Journal::default();
    let runtime = recording(&journal);
    runtime.block_on(async {
        let joined = STORE.run("joined", || spawn(async { fail("heard") }));
        assert!(joined.await.expect_err("it panicked").is_panic());
        let unread = STORE.run("unread", || spawn(async { fail("unread") }));
        STORE.run("dropped", || drop(spawn(async { fail("dropped") })));
        queue_microtask(journal.adds("same-drain"));
        lunation::yield_now().await;
        journal.add("yielded");
        drop(unread);
        lunation::yield_now().await;
    });
    assert_eq!(journal.take(), "same-drain TASK:dropped@dropped yielded TASK:unread@unread");
}

#[test]
fn a_failure_can_leave_the_loop_and_the_rest_waits() {
    let journal = Journal::default();
    let runtime =
        Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate).build().expect("a runtime");
    runtime.enter(|| {
        set_immediate(journal.adds("i1"));
        set_immediate(|| fail("out"));
        set_immediate(journal.adds("i3"));
    });
    let left = catch_unwind(AssertUnwindSafe(|| runtime.run_to_idle()));
    assert_eq!(*left.expect_err("propagated").downcast::<&str>().expect("a text"), "out");
    assert_eq!(journal.take(), "i1");
    runtime.run_to_idle();
    assert_eq!(journal.take(), "i3");
}

#[test]
fn a_panic_of_main_leaves_block_on_and_the_runtime_goes_on() {
    let journal = Journal::default();
    let runtime = recording(&journal);
    let left = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let _dropped = journal.on_drop("unwound");
            lunation::yield_now().await;
            fail("main");
        });
    }));
    assert_eq!(*left.expect_err("it panicked").downcast::<&str>().expect("a text"), "main");
    assert_eq!(runtime.block_on(async { 3 }), 3);
    assert_eq!(journal.take(), "unwound");
}

#[test]
fn a_handler_that_panics_lets_its_panic_leave() {
    let runtime = Runtime::builder()
        .on_unhandled(|_| resume_unwind(Box::new("handler")))
        .build()
        .expect("a runtime");
    runtime.enter(|| set_immediate(|| fail("callback")));
    let left = catch_unwind(AssertUnwindSafe(|| runtime.run_to_idle()));
    assert_eq!(*left.expect_err("it panicked").downcast::<&str>().expect("a text"), "handler");
}

/// A runtime for which everything that can hear of a failure writes it down.
fn listening(journal: &Journal, mode: UnhandledRejections, rejections: bool) -> Runtime {
    let [first, second, handled, rejected, warned] = [(); 5].map(|()| journal.clone());
    let mut builder = Runtime::builder()
        .start_paused(true)
        .on_uncaught_exception_monitor(move |failure| {
            first.add(format_args!("monitor:{}", failure.origin().as_str()));
        })
        .on_uncaught_exception_monitor(move |_| second.add("again"))
        .unhandled_rejections(mode)
        .on_warning(move |warning| warned.add(warning.name()))
        .on_unhandled(move |failure| {
            handled.add(format_args!("handler:{}", failure.message()));
            UnhandledPanic::Continue
        });
    if rejections {
        builder = builder.on_unhandled_rejection(move |failure| {
            assert_eq!(execution_async_id(), failure.id());
            rejected.add(format_args!("rejection:{}", failure.message()));
        });
    }
    builder.build().expect("a runtime")
}

/// What is heard of one failed task.
fn heard(mode: UnhandledRejections, rejections: bool) -> String {
    let journal = Journal::default();
    let runtime = listening(&journal, mode, rejections);
    runtime.block_on(async {
        drop(spawn(async { fail("t") }));
        lunation::yield_now().await;
    });
    journal.take()
}

#[test]
fn the_modes_of_unhandled_rejections_are_those_of_node() {
    use UnhandledRejections::{None, Strict, Throw, Warn};
    let monitored = |rest: &str| format!("monitor:unhandledRejection again{rest}");
    assert_eq!(heard(Throw, true), monitored(" rejection:t"));
    assert_eq!(heard(Throw, false), monitored(" handler:t"));
    assert_eq!(heard(Strict, true), monitored(" handler:t rejection:t"));
    assert_eq!(heard(Strict, false), monitored(" handler:t"));
    assert_eq!(heard(Warn, true), monitored(" UnhandledRejection rejection:t"));
    assert_eq!(heard(Warn, false), monitored(" UnhandledRejection"));
    assert_eq!(heard(None, true), monitored(" rejection:t"));
    assert_eq!(heard(None, false), monitored(""));
}

#[test]
fn capture_callbacks_are_asked_before_the_handler_the_last_one_first() {
    let journal = Journal::default();
    let runtime = listening(&journal, UnhandledRejections::Throw, false);
    let capture = |name: &'static str, takes: &'static str| {
        let journal = journal.clone();
        add_uncaught_exception_capture_callback(move |failure| {
            journal.add(name);
            failure.message() == takes
        })
    };
    let fails = |text: &'static str| {
        runtime.enter(|| set_immediate(move || fail(text)));
        runtime.run_to_idle();
        journal.take()
    };
    let monitor = "monitor:uncaughtException again";
    let (first, second) = runtime.enter(|| (capture("c1", "one"), capture("c2", "two")));
    assert_eq!(fails("one"), format!("{monitor} c2 c1"));
    assert_eq!(fails("two"), format!("{monitor} c2"));
    assert_eq!(fails("three"), format!("{monitor} c2 c1 handler:three"));
    drop(second);
    assert_eq!(fails("two"), format!("{monitor} c1 handler:two"));
    first.detach();
    assert_eq!(fails("one"), format!("{monitor} c1"));
}

#[test]
fn a_capture_callback_may_remove_itself_and_outlive_the_runtime() {
    let journal = Journal::default();
    let runtime = recording(&journal);
    let own = Rc::new(RefCell::new(None));
    let (inner, dropped) = (own.clone(), journal.on_drop("dropped"));
    let capture = runtime.enter(|| {
        add_uncaught_exception_capture_callback(move |_| {
            let _keep = &dropped;
            drop(inner.take());
            true
        })
    });
    *own.borrow_mut() = Some(capture);
    let kept = runtime.enter(|| add_uncaught_exception_capture_callback(|_| false));
    runtime.enter(|| {
        set_immediate(|| fail("captured"));
        set_immediate(|| fail("handled"));
    });
    runtime.run_to_idle();
    drop(runtime);
    drop(kept);
    assert_eq!(journal.take(), "dropped Immediate:handled@-");
}

#[test]
fn a_panic_of_a_monitor_leaves_the_loop() {
    let runtime = Runtime::builder()
        .on_uncaught_exception_monitor(|_| resume_unwind(Box::new("monitor")))
        .on_unhandled(|_| unreachable!("nobody else is asked"))
        .build()
        .expect("a runtime");
    runtime.enter(|| set_immediate(|| fail("callback")));
    let left = catch_unwind(AssertUnwindSafe(|| runtime.run_to_idle()));
    assert_eq!(*left.expect_err("it panicked").downcast::<&str>().expect("a text"), "monitor");
}

#[test]
fn warnings_go_to_the_handler_in_the_context_of_who_warns() {
    let journal = Journal::default();
    let log = journal.clone();
    let runtime = Runtime::builder()
        .start_paused(true)
        .on_warning(move |warning| {
            let at = STORE.cloned().unwrap_or("-");
            log.add(format_args!("{}@{at}:{}", warning.name(), execution_async_id()));
        })
        .build()
        .expect("a runtime");
    runtime.enter(|| STORE.run("u", || emit_warning(&Warning::new("Own", "text"))));
    assert_eq!(journal.take(), "Own@u:1");
    // Nobody handles this failure.
    let id = runtime.enter(|| STORE.run("i", || set_immediate(|| fail("lost")))).async_id();
    runtime.run_to_idle();
    assert_eq!(journal.take(), format!("UnhandledPanic@i:{id}"));
    // A guard that leaves in another flow.
    let id = runtime.block_on(async {
        let guard = STORE.enter("main");
        let task = spawn(async move { drop(guard) });
        let id = task.async_id();
        task.await.expect("it drops a guard");
        id
    });
    assert_eq!(journal.take(), format!("MisplacedGuard@main:{id}"));
}

#[test]
fn a_handler_of_warnings_that_panics_or_warns_ends_somewhere() {
    let journal = Journal::default();
    let log = journal.clone();
    let runtime = Runtime::builder()
        .on_warning(move |warning| {
            log.add(warning.name());
            // To standard error; else this would go round for ever.
            emit_warning(&Warning::new("Nested", "text"));
            fail("handler of warnings");
        })
        .build()
        .expect("a runtime");
    runtime.enter(|| emit_warning(&Warning::new("First", "text")));
    // Its panic is an unhandled one, of which it is not warned: standard error is.
    runtime.run_to_idle();
    assert_eq!(journal.take(), "First");
}

/// What was queued behind a panic that leaves the loop waits for the next run.
#[test]
fn nothing_runs_between_a_propagated_panic_and_the_end_of_the_run() {
    let journal = Journal::default();
    let propagate = Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate);
    let runtime = propagate.build().expect("a runtime");
    runtime.enter(|| {
        let (queued, journal) = (journal.clone(), journal.clone());
        set_immediate(move || {
            next_tick(queued.adds("tick"));
            queue_microtask(queued.adds("microtask"));
            panic!("a bug");
        });
        set_immediate(journal.adds("immediate"));
    });
    assert!(catch_unwind(AssertUnwindSafe(|| runtime.run_to_idle())).is_err());
    journal.add("left");
    runtime.run_to_idle();
    assert_eq!(journal.take(), "left tick microtask immediate");
}

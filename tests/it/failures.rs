//! Panics of callbacks and tasks: who hears of them, in which context, and that the loop goes on.

use crate::support::Journal;
use lunation::{
    AsyncLocalStorage, Runtime, UnhandledPanic, execution_async_id, next_tick, queue_microtask,
    set_immediate, set_interval, set_timeout, spawn,
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

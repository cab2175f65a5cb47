//! Controllers and signals: who is called when, where, and what is left.

use crate::support::{Journal, paused, script};
use lunation::{
    AbortController, AbortSignal, AsyncLocalStorage, Runtime, UnhandledPanic, immediate, microtask,
    spawn, time,
};
use std::time::Duration;

static PLACE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

const SECOND: Duration = Duration::from_secs(1);

/// A listener that says where it runs.
fn says(journal: &Journal, name: &'static str, signal: &AbortSignal) {
    let journal = journal.clone();
    let listener = signal.on_abort(move |error| {
        let place = PLACE.cloned().unwrap_or("nowhere");
        journal.add(format_args!("{name}:{}@{place}", error.reason()));
    });
    listener.detach();
}

#[test]
fn listeners_run_once_in_order_in_the_context_of_the_abort() {
    let trace = script(|j| {
        let controller = AbortController::new();
        let signal = controller.signal();
        PLACE.run("on", || says(j, "first", &signal));
        says(j, "second", &signal);
        drop(signal.on_abort(|_| unreachable!("it was taken back")));
        PLACE.run("abort", || controller.abort_with("why"));
        controller.abort_with("again");
        j.add(signal.reason().expect("a reason"));
        j.add(signal.throw_if_aborted().expect_err("aborted").reason());
        // As Node's addAbortListener does: a listener that is late is called all the same.
        PLACE.run("late", || says(j, "late", &signal));
        j.add(signal.listener_count());
    });
    assert_eq!(trace, "first:why@abort second:why@abort why why 0 late:why@late");
}

#[test]
fn a_listener_can_take_back_the_next_one() {
    let trace = script(|j| {
        let controller = AbortController::new();
        let signal = controller.signal();
        let next = std::rc::Rc::new(std::cell::Cell::new(None));
        let (taken, journal) = (next.clone(), j.clone());
        let listener = signal.on_abort(move |_| {
            drop(taken.take());
            journal.add("first");
        });
        next.set(Some(signal.on_abort(|_| unreachable!("it was taken back"))));
        says(j, "third", &signal);
        controller.abort();
        drop(listener);
    });
    assert_eq!(trace, "first third:this operation was aborted@nowhere");
}

#[test]
fn a_listener_that_panics_does_not_stop_the_others() {
    let journal = Journal::default();
    let j = journal.clone();
    let builder = Runtime::builder().on_unhandled(move |failure| {
        j.add(format_args!("{} {}", failure.kind(), failure.message()));
        UnhandledPanic::Continue
    });
    builder.build().expect("a runtime").block_on(async {
        let controller = AbortController::new();
        let signal = controller.signal();
        signal.on_abort(|_| std::panic::panic_any("first")).detach();
        says(&journal, "second", &signal);
        controller.abort_with("why");
        journal.add("after");
    });
    assert_eq!(journal.take(), "ROOT first second:why@nowhere after");
}

#[test]
fn any_follows_its_sources_and_all_are_aborted_before_the_first_listener() {
    let trace = script(|j| {
        let (left, right) = (AbortController::new(), AbortController::new());
        let both = AbortSignal::any([&left.signal(), &right.signal()]);
        let of_both = AbortSignal::any([&both]);
        says(j, "of_both", &of_both);
        says(j, "both", &both);
        let (journal, seen) = (j.clone(), [both.clone(), of_both.clone()]);
        let listener = right.signal().on_abort(move |_| {
            journal.add(format_args!("right {:?}", seen.map(|signal| signal.aborted())));
        });
        PLACE.run("abort", || right.abort_with("why"));
        drop(listener);
        left.abort();
        j.add(AbortSignal::any([&left.signal(), &both]).reason().expect("the first's"));
        j.add(AbortSignal::any([&AbortController::new().signal(), &both]).aborted());
    });
    // Of those made by `any`, in the order in which they were made.
    let expected = "right [true, true] both:why@abort of_both:why@abort \
                    this operation was aborted true";
    assert_eq!(trace, expected);
}

#[test]
fn a_dropped_signal_leaves_nothing_in_its_sources() {
    let trace = script(|j| {
        let long = AbortController::new();
        for _ in 0..3 {
            let request = AbortSignal::any([&long.signal()]);
            let token = j.on_drop("dropped");
            request.on_abort(move |_| drop(token)).detach();
        }
        j.add("kept");
        long.abort();
        j.add("aborted");
    });
    assert_eq!(trace, "dropped dropped dropped kept aborted");
}

#[test]
fn a_timeout_aborts_in_its_context_and_keeps_nothing_alive() {
    let (journal, runtime) = (Journal::default(), paused());
    runtime.enter(|| {
        let dropped = AbortSignal::timeout(SECOND);
        let signal = PLACE.run("made", || AbortSignal::timeout(SECOND));
        assert_eq!(runtime.metrics().live_timers, 2);
        drop(dropped);
        assert_eq!(runtime.metrics().live_timers, 1);
        says(&journal, "timeout", &signal);
        // It does not keep the loop alive: nothing has happened, no time has passed.
        let start = time::now();
        runtime.run_to_idle();
        assert_eq!((journal.take(), time::now()), (String::new(), start));
        runtime.block_on(time::sleep(2 * SECOND));
    });
    let elapsed = "the time for the operation has elapsed";
    assert_eq!(journal.take(), format!("timeout:{elapsed}@made"));
}

#[test]
fn an_abortable_future_is_dropped_where_it_was_polled() {
    let (journal, runtime) = (Journal::default(), paused());
    runtime.block_on(async {
        let controller = AbortController::new();
        let (signal, j) = (controller.signal(), journal.clone());
        let task = PLACE.run("task", || {
            spawn(async move {
                let token = j.on_drop("dropped");
                let pending = async move {
                    time::sleep(3600 * SECOND).await;
                    drop(token);
                };
                let result = signal.abortable(|| pending).await;
                j.add(format_args!("{} {:?}", result.is_err(), PLACE.cloned()));
                signal.abortable(|| -> std::future::Ready<()> { unreachable!() }).await
            })
        });
        immediate().await;
        PLACE.run("abort", || controller.abort());
        journal.add("aborted");
        microtask().await;
        journal.add("microtask");
        assert!(task.await.expect("no panic").is_err());
    });
    assert_eq!(journal.take(), "aborted dropped true Some(\"task\") microtask");
}

#[test]
fn a_future_that_is_ready_wins_over_the_abort() {
    let signal = AbortController::new();
    let mut ready = Box::pin(signal.signal().abortable(|| std::future::ready(7)));
    signal.abort();
    let result = paused().block_on(&mut ready);
    assert_eq!(result.expect("its value"), 7);
    let never = paused().block_on(async { signal.signal().until_aborted().await });
    assert_eq!(never.to_string(), "the operation was aborted");
}

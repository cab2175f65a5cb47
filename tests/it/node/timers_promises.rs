//! Node's `timers/promises` and `scheduler`.

use super::support::{async_script, ms, script};
use lunation::timers::promises::{self, set_immediate, set_interval, set_timeout};
use lunation::{
    AbortController, AbortError, AbortSignal, EventEmitter, queue_microtask, scheduler, spawn, time,
};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// What Node's tests match with `/AbortError/`, and the reason that lies in it.
#[track_caller]
fn assert_aborted<T>(result: Result<T, AbortError>, reason: &str) {
    let Err(error) = result else { panic!("it was not aborted") };
    assert_eq!(error.to_string(), "the operation was aborted");
    assert_eq!(error.reason().to_string(), reason);
}

const NO_REASON: &str = "this operation was aborted";

#[test]
fn test_timers_timeout_promisified() {
    // Node: parallel/test-timers-timeout-promisified. Assertions: 26 there, 8 here; left out: the
    // identity of the promisified function (1), settling twice (1: types), wrong types (8: they
    // do not compile). The others are here, `assert_aborted` for each of those that reject.
    async_script(async {
        assert_eq!(set_timeout(ms(1), ()).await, ());
        assert_eq!(set_timeout(ms(1), "foobar").await, "foobar");
        let controller = AbortController::new();
        let wait = promises::with_signal(&controller.signal()).set_timeout(ms(10), ());
        controller.abort();
        assert_aborted(wait.await, NO_REASON);
        let signal = AbortSignal::abort("in advance");
        let wait = promises::with_signal(&signal).set_timeout(ms(10), ());
        assert_aborted(wait.await, "in advance");
        let controller = AbortController::new();
        let signal = controller.signal();
        let mut wait = promises::with_signal(&signal).set_timeout(ms(10), ());
        assert!((&mut wait).await.is_ok());
        // The wait is still there, but its listener is not.
        assert_eq!(signal.listener_count(), 0);
        controller.abort();
        let boom = AbortSignal::abort("boom");
        assert_aborted(promises::with_signal(&boom).set_timeout(ms(1), ()).await, "boom");
    });
    let trace = script(|j| {
        let (journal, start) = (j.clone(), time::now());
        let _lost = spawn(async move {
            set_timeout(ms(1000), ()).unref().await;
            journal.add("never");
        });
        j.add(start == time::now());
    });
    assert_eq!(trace, "true");
}

#[test]
fn test_timers_immediate_promisified() {
    // Node: parallel/test-timers-immediate-promisified. Assertions: 23 there, 8 here; left out: the
    // identity of the promisified function (1), settling twice (1: types), wrong types (6: they
    // do not compile).
    async_script(async {
        assert_eq!(set_immediate(()).await, ());
        assert_eq!(set_immediate("foobar").await, "foobar");
        let controller = AbortController::new();
        let wait = promises::with_signal(&controller.signal()).set_immediate(10);
        controller.abort();
        assert_aborted(wait.await, NO_REASON);
        let signal = AbortSignal::abort("in advance");
        assert_aborted(promises::with_signal(&signal).set_immediate(10).await, "in advance");
        let controller = AbortController::new();
        let signal = controller.signal();
        let mut wait = promises::with_signal(&signal).set_immediate(10);
        assert!(matches!((&mut wait).await, Ok(10)));
        assert_eq!(signal.listener_count(), 0);
        controller.abort();
        let boom = AbortSignal::abort("boom");
        assert_aborted(promises::with_signal(&boom).set_immediate(()).await, "boom");
    });
    let trace = script(|j| {
        let journal = j.clone();
        let _lost = spawn(async move {
            let wait = set_immediate(()).unref();
            journal.add("waits");
            wait.await;
            journal.add("never");
        });
    });
    assert_eq!(trace, "waits");
}

/// The body of `for await`: called for each value, until an abort.
async fn run_interval(
    period: Duration,
    signal: &AbortSignal,
    body: impl AsyncFn(u32),
) -> AbortError {
    let mut interval = promises::with_signal(signal).set_interval(period, "foobar");
    let mut iteration = 0;
    while let Some(item) = interval.next().await {
        match item {
            Ok(value) => assert_eq!(value, "foobar"),
            Err(error) => return error,
        }
        iteration += 1;
        body(iteration).await;
    }
    unreachable!("it ends with an error")
}

#[test]
fn test_timers_interval_promisified() {
    // Node: parallel/test-timers-interval-promisified. Assertions: 54 there, 21 here; left out:
    // settling twice (1: types), wrong types (6: they do not compile), and that a next value is
    // not the end, which `Some` says.
    async_script(async {
        assert_eq!(set_interval(ms(1), ()).next().await, Some(()));
        assert_eq!(set_interval(ms(1), "foobar").next().await, Some("foobar"));
        let mut twice = set_interval(ms(1), "foobar");
        assert_eq!((twice.next().await, twice.next().await), (Some("foobar"), Some("foobar")));
        drop(twice);
        interval_aborts().await;
        interval_listeners().await;
        interval_backlog().await;
    });
    let trace = script(|j| {
        let journal = j.clone();
        let _lost = spawn(async move {
            let mut interval = set_interval(ms(1000), ()).unref();
            journal.add("waits");
            interval.next().await;
            journal.add("never");
        });
    });
    assert_eq!(trace, "waits");
    let trace = script(|j| {
        let (unit, journal) = (ms(50), j.clone());
        spawn(async move {
            let mut interval = set_interval(unit * 2, ());
            interval.next().await;
            journal.add("first");
            interval.next().await;
            journal.add("second");
        });
        for (delay, name) in [(ms(1), "pre"), (unit * 3, "post")] {
            let journal = j.clone();
            spawn(async move { journal.add(set_timeout(delay, name).await) });
        }
    });
    assert_eq!(trace, "pre first post second");
}

async fn interval_aborts() {
    let signal = AbortSignal::abort("boom");
    let mut interval = promises::with_signal(&signal).set_interval(ms(2), ());
    assert_aborted(interval.next().await.expect("an error"), "boom");
    assert!(interval.next().await.is_none());
    for after_a_value in [false, true] {
        let controller = AbortController::new();
        let mut interval = promises::with_signal(&controller.signal()).set_interval(ms(100), ());
        if after_a_value {
            assert!(matches!(interval.next().await, Some(Ok(()))));
        }
        spawn(async move { controller.abort() });
        assert_aborted(interval.next().await.expect("an error"), NO_REASON);
        assert!(interval.next().await.is_none());
    }
}

async fn interval_listeners() {
    let controller = AbortController::new();
    let signal = controller.signal();
    let mut interval = promises::with_signal(&signal).set_interval(ms(10), ());
    let mut iterations = 0;
    while let Some(Ok(())) = interval.next().await {
        assert_eq!(signal.listener_count(), 1);
        iterations += 1;
        if iterations == 2 {
            break;
        }
    }
    drop(interval);
    assert_eq!((iterations, signal.listener_count()), (2, 0));
}

async fn interval_backlog() {
    let controller = AbortController::new();
    let signal = controller.signal();
    let loops = Cell::new(0);
    let error = run_interval(ms(20), &signal, async |iteration| {
        loops.set(iteration);
        if iteration == 5 {
            controller.abort();
        }
    });
    assert_aborted::<()>(Err(error.await), NO_REASON);
    assert_eq!(loops.get(), 5);
    let controller = AbortController::new();
    let signal = controller.signal();
    let error = run_interval(ms(10), &signal, async |iteration| {
        set_timeout(ms(40), ()).await;
        assert_eq!(signal.aborted(), iteration > 2);
        if iteration == 2 {
            controller.abort();
        }
        loops.set(iteration);
    });
    assert_aborted::<()>(Err(error.await), NO_REASON);
    // The ticks before the abort at 90 ms: none is lost, and none is added.
    assert_eq!(loops.get(), 8);
}

#[test]
fn test_timers_promises_scheduler() {
    // Node: parallel/test-timers-promises-scheduler. Assertions: 12 there, 4 here; left out: that
    // the class cannot be constructed (3: there is none).
    let trace = script(|j| {
        let emitter = Rc::new(EventEmitter::<&str>::new());
        let (listeners, journal) = (emitter.clone(), j.clone());
        spawn(async move {
            scheduler::yield_now().await;
            emitter.emit("foo", &());
        });
        queue_microtask(move || _ = listeners.on("foo", move |()| journal.add("foo")));
        let (waits, counts) = (j.clone(), Rc::new(Cell::new(0)));
        let value = counts.clone();
        lunation::set_timeout(ms(10), move || counts.set(counts.get() + 1));
        spawn(async move {
            scheduler::wait(ms(15)).await;
            waits.add(value.get());
        });
    });
    assert_eq!(trace, "foo 1");
    async_script(async {
        let controller = AbortController::new();
        let long = Duration::from_secs(1000);
        let wait = promises::with_signal(&controller.signal()).set_timeout(long, ());
        controller.abort();
        assert_aborted(wait.await, NO_REASON);
        let signal = AbortSignal::abort(NO_REASON);
        assert_aborted(promises::with_signal(&signal).set_timeout(ms(10_000), ()).await, NO_REASON);
    });
}

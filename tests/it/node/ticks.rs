//! Node's tests of `process.nextTick` and of the microtask queue.

use super::activity::Activities;
use super::support::{ms, script, script_with_handler, throw};
use crate::support::Journal;
use lunation::{
    Runtime, UnhandledPanic, next_tick, queue_microtask, set_immediate, set_timeout, spawn, time,
};
use std::cell::Cell;
use std::rc::Rc;

/// Queues a task that calls `f`: a promise's `then`.
fn then(f: impl FnOnce() + 'static) {
    spawn(async move { f() });
}

/// A handler that writes the failures down.
fn recording(journal: &Journal) -> impl Fn(&lunation::Unhandled) + 'static + use<> {
    let journal = journal.clone();
    move |failure| journal.add(format_args!("!{}", failure.message()))
}

#[test]
fn test_next_tick() {
    // Node: parallel/test-next-tick. Assertions: 15 there, 7 here; left out: `this` (4) and
    // arguments (4: captures), a tick made in 'exit' (see when-exiting).
    let trace = script(|j| {
        let journal = j.clone();
        next_tick(move || {
            journal.add("a");
            next_tick(move || {
                journal.add("aa");
                next_tick(journal.adds("aaa"));
            });
        });
        let journal = j.clone();
        set_timeout(ms(50), move || {
            journal.add("timer");
            next_tick(journal.adds("timer.tick"));
        });
        next_tick(j.adds("b"));
        let captured = String::from("c");
        let journal = j.clone();
        next_tick(move || journal.add(captured));
    });
    assert_eq!(trace, "a b c aa aaa timer timer.tick");
}

#[test]
fn test_next_tick_doesnt_hang() {
    // Node: parallel/test-next-tick-doesnt-hang. Assertions: 0 there, 1 here; left out: none (that
    // it ends is the test).
    assert_eq!(script(|j| next_tick(j.adds("tick"))), "tick");
}

#[test]
fn test_next_tick_errors() {
    // Node: parallel/test-next-tick-errors. Assertions: 2 there, 3 here; left out: ticks that are
    // no functions (1: types).
    let journal = Journal::default();
    let trace = script_with_handler(&journal, recording(&journal), |j| {
        let journal = j.clone();
        next_tick(move || {
            journal.add("A");
            throw("B")
        });
        next_tick(j.adds("C"));
    });
    assert_eq!(trace, "A !B C");
}

#[test]
fn test_process_next_tick() {
    // Node: parallel/test-process-next-tick. Assertions: 3 there, 6 here; left out: a tick that is
    // no function (1: types). As many as there (3), each with the one after it.
    let journal = Journal::default();
    let trace = script_with_handler(&journal, recording(&journal), |j| {
        for (text, next) in [("1", "a"), ("2", "b"), ("3", "c")] {
            next_tick(move || throw(text));
            next_tick(j.adds(next));
        }
    });
    assert_eq!(trace, "!1 a !2 b !3 c");
}

#[test]
fn test_next_tick_error_spin() {
    // Node: parallel/test-next-tick-error-spin. Assertions: 1 there, 12 here; left out: none. After
    // the description of the original (its text was not at hand): ticks that fail, made by the
    // handler of failures, do not keep the immediate from running.
    let journal = Journal::default();
    let left = Rc::new(Cell::new(10));
    let j = journal.clone();
    let handler = move |_: &lunation::Unhandled| {
        j.add(left.get());
        if left.get() > 0 {
            left.set(left.get() - 1);
            next_tick(|| throw("again"));
        }
    };
    let trace = script_with_handler(&journal, handler, |j| {
        next_tick(|| throw("first"));
        set_immediate(j.adds("immediate"));
    });
    assert_eq!(trace, "10 9 8 7 6 5 4 3 2 1 0 immediate");
}

#[test]
fn test_next_tick_fixed_queue_regression() {
    // Node: parallel/test-next-tick-fixed-queue-regression. Assertions: 4 there, 3 here; left out:
    // none (the ticks are counted, the immediate is cleared by the last one).
    let ticks = Rc::new(Cell::new(0));
    let count = ticks.clone();
    let trace = script(|j| {
        let j = j.clone();
        next_tick(move || {
            let journal = j.clone();
            then(move || {
                for _ in 0..2047 {
                    let count = count.clone();
                    next_tick(move || count.set(count.get() + 1));
                }
                let immediate = set_immediate(journal.adds("never"));
                next_tick(move || {
                    immediate.clear();
                    journal.add("cleared");
                });
                then(j.adds("then"));
            });
        });
    });
    assert_eq!(trace, "then cleared");
    assert_eq!(ticks.get(), 2047);
}

#[test]
fn test_next_tick_intentional_starvation() {
    // Node: parallel/test-next-tick-intentional-starvation. Assertions: 4 there, 6 here; left out:
    // none. Without a drain budget (Node) ticks do starve timers and immediates.
    // DIFFERENCE: with the default budget they do not: the loop's phases go on between them.
    fn spin(journal: &Journal, unlimited: bool) -> String {
        fn again(left: u32, journal: Journal) {
            match left {
                0 => journal.add("free"),
                _ => next_tick(move || again(left - 1, journal)),
            }
        }
        let builder = Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate);
        let builder = builder.start_paused(true);
        let builder = if unlimited { builder.drain_budget(None) } else { builder };
        let runtime = builder.build().expect("a runtime");
        runtime.enter(|| {
            again(200_000, journal.clone());
            set_immediate(journal.adds("immediate"));
            set_timeout(ms(1), journal.adds("timer"));
            time::advance(ms(5));
        });
        runtime.run_to_idle();
        journal.take()
    }
    let journal = Journal::default();
    assert_eq!(spin(&journal, true), "free timer immediate");
    assert_eq!(spin(&journal, false), "timer immediate free");
}

#[test]
fn test_next_tick_ordering() {
    // Node: parallel/test-next-tick-ordering. Assertions: 1 there, 4 here; left out: none. Node's
    // test has 30 timers; the shortest are enough to come before.
    let trace = script(|j| {
        for name in ["0", "1", "2"] {
            set_timeout(ms(0), j.adds(name));
        }
        next_tick(j.adds("tick"));
        time::advance(ms(3));
    });
    assert_eq!(trace, "tick 0 1 2");
}

#[test]
fn test_next_tick_ordering2() {
    // Node: parallel/test-next-tick-ordering2. Assertions: 1 there, 2 here; left out: none.
    let trace = script(|j| {
        let j = j.clone();
        next_tick(move || {
            set_timeout(ms(0), j.adds("setTimeout"));
            next_tick(j.adds("nextTick"));
        });
    });
    assert_eq!(trace, "nextTick setTimeout");
}

#[test]
fn test_next_tick_when_exiting() {
    // Node: parallel/test-next-tick-when-exiting. Assertions: 2 there, 2 here; left out: the
    // process's exit and its code. The runtime's end is the exit: a tick made then is dropped
    // unrun.
    let journal = Journal::default();
    let runtime = Runtime::new();
    runtime.enter(|| {
        let j = journal.clone();
        let guard = journal.on_drop("dropped");
        next_tick(move || {
            drop(guard);
            j.add("never");
        });
    });
    drop(runtime);
    assert_eq!(journal.take(), "dropped");
    assert_eq!(script(|j| next_tick(j.adds("tick"))), "tick");
}

#[test]
fn test_microtask_queue_integration() {
    // Node: parallel/test-microtask-queue-integration. Assertions: 2 there, 4 here; left out: none.
    // Both ways to make a microtask: a task, and `queue_microtask`.
    fn test(schedule: fn(Box<dyn FnOnce()>), journal: Journal) {
        schedule(Box::new(move || {
            next_tick(journal.adds("tick"));
            set_timeout(ms(0), journal.adds("timer"));
        }));
    }
    type Way = fn(Box<dyn FnOnce()>);
    for way in [then as Way, queue_microtask] {
        let trace = script(|j| {
            test(way, j.clone());
            let j = j.clone();
            set_timeout(ms(5), move || next_tick(move || test(way, j)));
        });
        assert_eq!(trace, "tick timer tick timer");
    }
}

#[test]
fn test_microtask_queue_run() {
    // Node: parallel/test-microtask-queue-run. Assertions: 1 there, 5 here; left out: none.
    let trace = script(|j| {
        let journal = j.clone();
        set_timeout(ms(0), move || then(journal.adds("1.micro")));
        let journal = j.clone();
        set_timeout(ms(0), move || {
            journal.add("2");
            let j = journal.clone();
            then(move || next_tick(j.adds("2.micro.tick")));
            set_timeout(ms(0), journal.adds("later"));
        });
        set_timeout(ms(0), j.adds("3"));
    });
    assert_eq!(trace, "1.micro 2 2.micro.tick 3 later");
}

#[test]
fn test_microtask_queue_run_immediate() {
    // Node: parallel/test-microtask-queue-run-immediate. Assertions: 1 there, 5 here; left out:
    // none.
    let trace = script(|j| {
        let journal = j.clone();
        set_immediate(move || then(journal.adds("1.micro")));
        let journal = j.clone();
        set_immediate(move || {
            journal.add("2");
            let j = journal.clone();
            then(move || next_tick(j.adds("2.micro.tick")));
            set_immediate(journal.adds("later"));
        });
        set_immediate(j.adds("3"));
    });
    assert_eq!(trace, "1.micro 2 2.micro.tick 3 later");
}

#[test]
fn test_queue_microtask() {
    // Node: parallel/test-queue-microtask. Assertions: 15 there, 9 here; left out: what is no
    // function (3: types), arguments (2), a class as a function (1).
    let journal = Journal::default();
    let trace = script_with_handler(&journal, recording(&journal), |j| {
        queue_microtask(j.adds("called"));
        j.add("main");
        then(j.adds("a"));
        queue_microtask(j.adds("b"));
        then(j.adds("c"));
        queue_microtask(|| throw("E1"));
        queue_microtask(|| throw("E2"));
        queue_microtask(j.adds("last"));
        next_tick(j.adds("tick"));
    });
    assert_eq!(trace, "main tick called a b c !E1 !E2 last");
}

#[test]
fn test_queue_microtask_uncaught_asynchooks() {
    // Node: parallel/test-queue-microtask-uncaught-asynchooks. Assertions: 2 there, 4 here; left
    // out: none. Node's own is vacuous: its order cannot fail. Here it is D.6's rule for all
    // callbacks: the handler runs inside of the failing resource, then after, once.
    let (journal, seen) = (Journal::default(), Activities::enabled());
    let (j, in_handler) = (journal.clone(), seen.clone());
    let handler = move |failure: &lunation::Unhandled| {
        let found = in_handler.nth("Microtask", 0);
        assert_eq!((found.id, lunation::execution_async_id()), (failure.id(), failure.id()));
        j.add(format_args!("{:?}", found.counts));
    };
    let trace = script_with_handler(&journal, handler, |_| queue_microtask(|| throw("Error")));
    seen.disable();
    assert_eq!(trace, "[1, 1, 0, 0, 0]");
    assert_eq!(seen.counts("Microtask", 0), [1, 1, 1, 1, 0]);
    assert_eq!(seen.of("Microtask").len(), 1);
}

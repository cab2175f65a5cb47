//! The events at the end of `run_to_idle`.

use crate::support::{Journal, paused};
use lunation::{
    AsyncLocalStorage, Runtime, RuntimeEvent, UnhandledPanic, execution_async_id, next_tick,
    queue_microtask, runtime_events, set_timeout, spawn, time, trigger_async_id,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn before_exit_comes_again_after_more_work_and_exit_once() {
    let (runtime, journal) = (paused(), Journal::default());
    runtime.enter(|| {
        let (log, rounds) = (journal.clone(), Cell::new(0));
        runtime_events().on(RuntimeEvent::BeforeExit, move |_| {
            rounds.set(rounds.get() + 1);
            log.add("before");
            let later = log.clone();
            match rounds.get() {
                1 => drop(set_timeout(MS, move || later.add("timer"))),
                2 => drop(spawn(async move {
                    time::sleep(MS).await;
                    later.add("task");
                })),
                _ => {}
            }
        });
        let log = journal.clone();
        runtime_events().on(RuntimeEvent::Exit, move |_| log.add("exit"));
        spawn(async {});
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "before timer before task before exit");
    runtime.run_to_idle();
    assert_eq!(journal.take(), "before exit");
}

#[test]
fn what_is_queued_in_before_exit_runs_but_is_no_reason_to_go_on() {
    let (runtime, journal) = (paused(), Journal::default());
    runtime.enter(|| {
        let log = journal.clone();
        runtime_events().on(RuntimeEvent::BeforeExit, move |_| {
            next_tick(log.adds("tick"));
            queue_microtask(log.adds("microtask"));
            log.add("before");
        });
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "before tick microtask");
}

#[test]
fn what_exit_schedules_waits_for_the_next_run() {
    let (runtime, journal) = (paused(), Journal::default());
    runtime.enter(|| {
        let log = journal.clone();
        runtime_events().once(RuntimeEvent::Exit, move |_| {
            next_tick(log.adds("tick"));
            set_timeout(MS, log.adds("timer"));
            log.add("exit");
        });
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "exit");
    runtime.run_to_idle();
    assert_eq!(journal.take(), "tick timer");
}

#[test]
fn listeners_run_as_the_root_in_the_empty_context() {
    static STORE: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
    let (runtime, journal) = (paused(), Journal::default());
    STORE.run(7, || {
        runtime.enter(|| {
            for event in [RuntimeEvent::BeforeExit, RuntimeEvent::Exit] {
                let log = journal.clone();
                runtime_events().on(event, move |_| {
                    log.add(format!("{:?}", STORE.cloned()));
                    log.add(execution_async_id());
                    log.add(trigger_async_id());
                    STORE.enter_with(8);
                });
            }
            let log = journal.clone();
            let bound = move |_: &()| log.add(format!("{:?}", STORE.cloned()));
            runtime_events().on_bound(RuntimeEvent::Exit, bound);
        });
        runtime.run_to_idle();
        assert_eq!(STORE.cloned(), Some(7));
    });
    assert_eq!(journal.take(), "None 1 0 None 1 0 Some(7)");
}

#[test]
fn a_panic_in_a_listener_is_a_failure_of_the_root() {
    let journal = Journal::default();
    let log = journal.clone();
    let builder = Runtime::builder().start_paused(true).on_unhandled(move |failure| {
        log.add(format!("{}:{}", failure.id(), failure.message()));
        UnhandledPanic::Continue
    });
    let runtime = builder.build().unwrap();
    runtime.enter(|| {
        let log = journal.clone();
        runtime_events().on(RuntimeEvent::BeforeExit, |_| panic!("oops"));
        runtime_events().on(RuntimeEvent::BeforeExit, log.adds("not called").into_listener());
        runtime_events().on(RuntimeEvent::Exit, journal.adds("exit").into_listener());
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "1:oops exit");
}

/// A plain callback as a listener.
trait IntoListener {
    fn into_listener(self) -> impl Fn(&()) + 'static;
}

impl<F: Fn() + 'static> IntoListener for F {
    fn into_listener(self) -> impl Fn(&()) + 'static {
        move |_| self()
    }
}

#[test]
fn a_panic_that_leaves_the_loop_skips_before_exit_but_not_exit() {
    let journal = Journal::default();
    let builder = Runtime::builder().start_paused(true);
    let runtime = builder.on_unhandled(|_| UnhandledPanic::Propagate).build().unwrap();
    runtime.enter(|| {
        let before = journal.adds("before").into_listener();
        runtime_events().on(RuntimeEvent::BeforeExit, before);
        runtime_events().on(RuntimeEvent::Exit, journal.adds("exit").into_listener());
        next_tick(|| panic!("out"));
    });
    let left = catch_unwind(AssertUnwindSafe(|| runtime.run_to_idle()));
    assert_eq!(left.unwrap_err().downcast_ref::<&str>(), Some(&"out"));
    assert_eq!(journal.take(), "exit");
}

#[test]
fn listeners_are_dropped_with_the_runtime() {
    let journal = Journal::default();
    let runtime = paused();
    let events = runtime.enter(runtime_events);
    let dropped = journal.on_drop("dropped");
    events.on(RuntimeEvent::Exit, move |_| {
        let _ = &dropped;
    });
    drop(runtime);
    assert_eq!(journal.take(), "dropped");
    assert_eq!(events.listener_count(&RuntimeEvent::Exit), 0);
}

#[test]
fn block_on_and_turns_have_no_end_to_tell_of() {
    let (runtime, journal) = (paused(), Journal::default());
    let seen = Rc::new(Cell::new(0));
    runtime.enter(|| {
        for event in [RuntimeEvent::BeforeExit, RuntimeEvent::Exit] {
            runtime_events().on(event, journal.adds("told").into_listener());
        }
    });
    let count = seen.clone();
    runtime.block_on(async move { count.set(1) });
    runtime.turn(lunation::Turn::NoWait).unwrap();
    assert_eq!((seen.get(), journal.take()), (1, String::new()));
}

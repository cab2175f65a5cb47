//! Driving a loop: block_on, run_to_idle, turn, enter, budgets and hosts.

use crate::support::{Journal, paused};
use lunation::{
    AsyncId, AsyncLocalStorage, ResourceKind, Runtime, Turn, execution_async_id, microtask,
    next_tick, queue_close, queue_microtask, set_immediate, set_timeout, spawn, trigger_async_id,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn main_is_the_root_and_starts_in_the_callers_context() {
    static STORE: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
    let runtime = Runtime::new();
    let borrowed = String::from("not static");
    let length = STORE.run(5, || {
        runtime.block_on(async {
            assert_eq!((execution_async_id(), trigger_async_id()), (AsyncId::ROOT, AsyncId::LOOP));
            lunation::yield_now().await;
            assert_eq!(STORE.cloned(), Some(5));
            STORE.enter_with(6);
            lunation::yield_now().await;
            assert_eq!(STORE.cloned(), Some(6));
            borrowed.len()
        })
    });
    assert_eq!(length, 10);
    assert_eq!(STORE.cloned(), None, "main's changes end with it");
}

#[test]
fn block_on_returns_after_the_poll_in_which_main_is_ready() {
    let (journal, runtime) = (Journal::default(), Runtime::new());
    runtime.block_on(async {
        queue_microtask(journal.adds("waits"));
        next_tick(journal.adds("tick"));
        set_immediate(journal.adds("immediate"));
    });
    assert_eq!(journal.take(), "");
    runtime.block_on(async { journal.add("main") });
    assert_eq!(journal.take(), "main");
    runtime.block_on(async {
        journal.add("main");
        microtask().await;
        microtask().await;
        journal.add("end");
    });
    assert_eq!(journal.take(), "main tick waits end");
    runtime.run_to_idle();
    assert_eq!(journal.take(), "immediate");
}

#[test]
fn a_waker_of_an_earlier_main_does_nothing() {
    let runtime = Runtime::new();
    let mut waker = None;
    runtime.block_on(std::future::poll_fn(|context| {
        waker = Some(context.waker().clone());
        std::task::Poll::Ready(())
    }));
    waker.as_ref().expect("kept").wake_by_ref();
    let polls = runtime.metrics().polls;
    runtime.run_to_idle();
    assert_eq!(runtime.metrics().polls, polls);
    drop(runtime);
    waker.expect("kept").wake();
}

#[test]
fn a_loop_cannot_run_inside_a_loop() {
    let (outer, inner) = (Runtime::new(), Runtime::new());
    let nested = |f: &dyn Fn()| {
        let result = outer.block_on(async { catch_unwind(AssertUnwindSafe(f)) });
        let text = *result.expect_err("a panic").downcast::<&str>().expect("a text");
        assert!(text.contains("runs on this thread already"), "{text}");
    };
    nested(&|| outer.block_on(async {}));
    nested(&|| inner.run_to_idle());
    nested(&|| drop(inner.turn(Turn::NoWait)));
    // Entering is fine.
    assert_eq!(outer.block_on(async { inner.enter(|| 1) }), 1);
}

#[test]
fn calls_outside_of_a_runtime_name_the_remedy() {
    let text = |result: std::thread::Result<()>| {
        *result.expect_err("a panic").downcast::<String>().expect("a text")
    };
    for call in [
        || drop(spawn(async {})),
        || next_tick(|| {}),
        || drop(set_timeout(Duration::ZERO, || {})),
        || drop(set_immediate(|| {})),
    ] {
        assert!(text(catch_unwind(call)).contains("call it inside `Runtime::block_on`"));
    }
}

#[test]
fn a_spent_budget_lets_timers_and_immediates_through() {
    fn forever() {
        queue_microtask(forever);
    }
    let journal = Journal::default();
    let builder = Runtime::builder().drain_budget(Some(10)).start_paused(true);
    let runtime = builder.build().expect("a runtime");
    runtime.block_on(async {
        forever();
        let ended = std::rc::Rc::new(std::cell::Cell::new(false));
        let done = ended.clone();
        let j = journal.clone();
        set_immediate(move || j.add("immediate"));
        let j = journal.clone();
        set_timeout(ms(1), move || {
            j.add("timer");
            done.set(true);
        });
        while !ended.get() {
            lunation::yield_now().await;
            lunation::time::advance(ms(1));
        }
    });
    assert_eq!(journal.take(), "immediate timer");
    assert!(runtime.metrics().budget_hits > 0);
}

#[test]
fn a_loop_ends_when_the_jobs_of_a_spent_budget_were_its_last() {
    let builder = Runtime::builder().drain_budget(Some(1)).start_paused(true);
    let (journal, runtime) = (Journal::default(), builder.build().expect("a runtime"));
    runtime.block_on(async {
        next_tick(journal.adds("first"));
        next_tick(journal.adds("second"));
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "first second");
}

#[test]
fn a_host_turns_the_loop_itself() {
    let (journal, runtime) = (Journal::default(), paused());
    assert_eq!(runtime.next_deadline(), None);
    assert!(!runtime.has_pending_ticks());
    runtime.enter(|| {
        next_tick(journal.adds("tick"));
        set_timeout(ms(5), journal.adds("timer"));
    });
    assert!(runtime.has_pending_ticks());
    let now = runtime.enter(lunation::time::now);
    assert_eq!(runtime.next_deadline(), Some(now), "the tick can run");
    assert!(runtime.turn(Turn::NoWait).expect("a turn"), "the timer is left");
    assert_eq!(journal.take(), "tick");
    assert_eq!(runtime.next_deadline(), Some(now + ms(5)));
    runtime.enter(|| queue_close(ResourceKind::User("Close"), journal.adds("close")));
    assert_eq!(runtime.next_deadline(), Some(now), "the close callback can run");
    assert!(runtime.turn(Turn::NoWait).expect("a turn"), "the timer is left");
    assert_eq!(journal.take(), "close");
    assert!(!runtime.turn(Turn::Wait).expect("a turn"), "nothing is left");
    assert_eq!(journal.take(), "timer");
    runtime.block_on(async {});
    assert_eq!(runtime.next_deadline(), None, "a loop that main has stopped is not busy");
}

#[test]
fn shutdown_runs_what_is_left_but_not_longer_than_told() {
    let journal = Journal::default();
    let runtime = Runtime::new();
    runtime.enter(|| {
        set_timeout(ms(1), journal.adds("soon"));
        let late = journal.on_drop("late dropped");
        set_timeout(Duration::from_secs(3600), move || drop(late));
    });
    runtime.shutdown(ms(50));
    assert_eq!(journal.take(), "soon late dropped");
    // With nothing to wait for it ends at once: an hour would exceed the test's patience.
    Runtime::new().shutdown(Duration::from_secs(3600));
}

#[test]
fn metrics_count() {
    let runtime = paused();
    runtime.enter(|| {
        next_tick(|| {});
        queue_microtask(|| {});
        set_immediate(|| {});
        set_timeout(ms(1), || {});
        drop(spawn(std::future::pending::<()>()));
    });
    let before = runtime.metrics();
    assert_eq!((before.ticks_queued, before.microtasks_queued), (1, 2));
    assert_eq!((before.immediates_queued, before.live_timers, before.live_tasks), (1, 1, 1));
    runtime.run_to_idle();
    let after = runtime.metrics();
    assert_eq!((after.ticks_queued, after.microtasks_queued), (0, 0));
    assert_eq!((after.immediates_queued, after.live_timers, after.live_tasks), (0, 0, 1));
    assert_eq!((after.polls, after.turns), (1, 2));
}

#[test]
fn runtimes_of_one_thread_do_not_mix() {
    let (journal, one, two) = (Journal::default(), Runtime::new(), Runtime::new());
    one.enter(|| {
        next_tick(journal.adds("one"));
        two.enter(|| next_tick(journal.adds("two")));
        next_tick(journal.adds("one again"));
    });
    two.run_to_idle();
    assert_eq!(journal.take(), "two");
    one.run_to_idle();
    assert_eq!(journal.take(), "one one again");
}

#[test]
fn a_runtime_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static MINE: std::cell::RefCell<Option<Runtime>> = const { std::cell::RefCell::new(None) };
    }
    struct Tells(std::sync::mpsc::Sender<&'static str>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        // Registered first, so destroyed last: the runtime's own thread-locals are gone by then.
        MINE.with(|_| {});
        let runtime = Runtime::new();
        runtime.enter(|| {
            let (a, b, c) = (Tells(sender.clone()), Tells(sender.clone()), Tells(sender));
            drop(spawn(async move {
                let _a = a;
                std::future::pending::<()>().await;
            }));
            set_timeout(ms(1), move || drop(b));
            lunation::queue_close(lunation::ResourceKind::User("Close"), move || drop(c));
        });
        MINE.set(Some(runtime));
    });
    thread.join().expect("no panic");
    assert_eq!(receiver.try_iter().count(), 3);
}

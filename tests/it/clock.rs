//! The virtual clock, sleeps, timeouts and intervals.

use crate::support::{Journal, message, paused};
use lunation::timers::promises;
use lunation::{AbortSignal, Runtime, spawn, time};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_virtual_clock_stands_while_code_runs_and_jumps_to_timers() {
    paused().block_on(async {
        let start = time::now();
        std::thread::yield_now();
        assert_eq!(time::now(), start);
        time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(time::now() - start, Duration::from_secs(3600));
        time::advance(ms(7));
        assert_eq!(time::now() - start, Duration::from_secs(3600) + ms(7));
    });
}

#[test]
fn sleeps_round_up_and_never_end_early() {
    paused().block_on(async {
        let start = time::now();
        time::sleep(Duration::from_micros(1)).await;
        assert_eq!(time::now() - start, ms(1));
        time::advance(Duration::from_micros(300));
        let start = time::now();
        time::sleep(ms(1)).await;
        assert!(time::now() - start >= ms(1));
    });
    Runtime::new().block_on(async {
        for micros in [1, 500, 999, 1000, 1001, 2500] {
            let (start, duration) = (Instant::now(), Duration::from_micros(micros));
            time::sleep(duration).await;
            assert!(start.elapsed() >= duration, "slept less than {duration:?}");
        }
    });
}

#[test]
fn sleeps_of_zero_and_past_deadlines_end_at_once() {
    paused().block_on(async {
        let start = time::now();
        time::sleep(Duration::ZERO).await;
        time::sleep_until(start).await;
        let mut sleep = Box::pin(time::sleep(Duration::ZERO));
        assert!(sleep.is_elapsed());
        sleep.as_mut().reset(start + ms(3));
        assert!(!sleep.is_elapsed());
        sleep.await;
        assert_eq!(time::now() - start, ms(3));
    });
}

#[test]
fn sleeps_that_were_dropped_wake_nobody() {
    let runtime = paused();
    let arm = |duration| {
        let mut sleep = Box::pin(time::sleep(duration));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        sleep
    };
    runtime.enter(|| drop([arm(ms(5)), arm(ms(3)), arm(ms(5)), Box::pin(time::sleep(ms(7)))]));
    assert_eq!(runtime.next_deadline(), None);
    runtime.enter(|| {
        drop(arm(ms(3)));
        time::advance(ms(1));
        let sleep = arm(ms(3));
        assert_eq!(runtime.next_deadline(), Some(time::now() + ms(3)));
        drop(sleep);
    });
    assert_eq!((runtime.next_deadline(), runtime.metrics().live_timers), (None, 0));
}

/// A later end leaves the timer in its old place: nothing may be seen of that.
#[test]
fn a_sleep_that_is_reset_wakes_its_task_once_at_the_new_end() {
    let (journal, runtime) = (Journal::default(), paused());
    let start = runtime.block_on(async { time::now() });
    let at = move || (time::now() - start).as_micros();
    // Name, then when it ends, in microseconds: at first, and what that becomes at 3 ms.
    let sleeps = [
        ("later", 10_000, 15_000, 20_500),
        ("earlier", 10_000, 6_000, 5_000),
        ("same", 10_000, 10_000, 10_000),
        ("past", 10_000, 30_000, 1_000),
        ("back", 10_000, 30_000, 15_000),
    ];
    for (name, first, second, last) in sleeps {
        let until = move |micros| start + Duration::from_micros(micros);
        let mut sleep = Box::pin(runtime.enter(|| time::sleep_until(until(first))));
        let journal = journal.clone();
        let task = async move {
            time::sleep_until(until(3_000)).await;
            for end in [second, last] {
                sleep.as_mut().reset(until(end));
                assert_eq!(sleep.deadline(), Some(until(end)));
            }
            poll_fn(|context| {
                journal.add(format!("{name} polled {}", at()));
                sleep.as_mut().poll(context)
            })
            .await;
        };
        runtime.enter(|| drop(spawn(task)));
    }
    runtime.run_to_idle();
    let expected = [
        "later polled 3000",
        "earlier polled 3000",
        "same polled 3000",
        "past polled 3000",
        "back polled 3000",
        "past polled 3000",
        "earlier polled 5000",
        "same polled 10000",
        "back polled 15000",
        "later polled 21000",
    ];
    assert_eq!(journal.take(), expected.join(" "));
}

#[test]
fn a_timeout_prefers_the_future_and_else_elapses() {
    paused().block_on(async {
        assert_eq!(time::timeout(ms(5), async { 1 }).await, Ok(1));
        assert_eq!(time::timeout(Duration::ZERO, async { 2 }).await, Ok(2));
        let start = time::now();
        let never = std::future::pending::<()>();
        assert_eq!(time::timeout(ms(5), never).await, Err(time::Elapsed));
        assert_eq!(time::now() - start, ms(5));
    });
}

#[test]
fn an_interval_ticks_at_once_and_bursts_after_a_delay() {
    paused().block_on(async {
        let start = time::now();
        let mut interval = time::interval(ms(10));
        let mut ticks = Vec::new();
        for _ in 0..2 {
            ticks.push((interval.tick().await - start).as_millis());
        }
        time::advance(ms(25));
        for _ in 0..3 {
            let due = interval.tick().await;
            ticks.push((due - start).as_millis());
            ticks.push((time::now() - start).as_millis());
        }
        assert_eq!(ticks, [0, 10, 20, 35, 30, 35, 40, 40]);
    });
}

#[test]
fn sleeping_tasks_keep_a_loop_alive_and_unpolled_sleeps_do_not() {
    let (journal, runtime) = (Journal::default(), paused());
    let unpolled = runtime.enter(|| {
        let journal = journal.clone();
        drop(spawn(async move {
            time::sleep(ms(5)).await;
            journal.add("slept");
        }));
        time::sleep(Duration::from_secs(1))
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "slept");
    drop(unpolled);
}

#[test]
fn waiting_for_ever_under_a_virtual_clock_names_the_tasks() {
    let runtime = paused();
    let hang = || {
        runtime.block_on(async {
            let name = lunation::task::Builder::new().name("stuck");
            let _task = name.spawn(std::future::pending::<()>());
            std::future::pending::<()>().await;
        });
    };
    let text = message(catch_unwind(AssertUnwindSafe(hang)));
    assert!(text.contains("nothing is left that could wake main"), "{text}");
    assert!(text.contains("\"stuck\", created at tests/it/clock.rs"), "{text}");
    // The runtime is whole afterwards.
    assert_eq!(runtime.block_on(async { 1 }), 1);
}

#[test]
fn misuse_of_time_panics_with_the_remedy() {
    let outside = catch_unwind(|| drop(time::sleep(ms(1))));
    let text = *outside.expect_err("a panic").downcast::<String>().expect("a text");
    assert!(text.contains("outside of a lunation runtime"), "{text}");
    let real = Runtime::new();
    let advance = catch_unwind(AssertUnwindSafe(|| real.enter(|| time::advance(ms(1)))));
    assert!(advance.is_err());
    let zero = catch_unwind(AssertUnwindSafe(|| real.enter(|| drop(time::interval(ms(0))))));
    assert!(zero.is_err());
    // A sleep of another runtime would never be woken here.
    let other = paused();
    let sleep = real.enter(|| time::sleep(ms(1)));
    let foreign = catch_unwind(AssertUnwindSafe(|| other.block_on(sleep)));
    assert!(foreign.is_err());
}

#[test]
fn a_sleep_may_be_dropped_on_another_thread() {
    let runtime = Runtime::new();
    runtime.block_on(async {
        let sleep = time::sleep(Duration::from_secs(3600));
        std::thread::spawn(move || drop(sleep)).join().expect("the thread");
        lunation::yield_now().await;
        lunation::yield_now().await;
    });
    assert_eq!(runtime.metrics().live_timers, 0);
}

#[test]
fn what_is_beyond_all_times_does_not_come() {
    paused().block_on(async {
        let start = time::now();
        let mut never = time::interval(Duration::MAX);
        assert_eq!(never.tick().await, start);
        assert!(time::timeout(ms(5), never.tick()).await.is_err());
        assert_eq!(time::now() - start, ms(5));
    });
}

#[test]
fn the_clock_has_an_end() {
    paused().block_on(async {
        let start = time::now();
        time::advance(Duration::MAX);
        time::advance(ms(1));
        assert_eq!(time::now() - start, ms(u64::MAX));
        time::sleep(Duration::MAX).await;
    });
}

/// Main is not lost while something can wake it, even if that would let `run_to_idle` end.
#[test]
fn main_may_wait_for_what_keeps_no_loop_alive() {
    let journal = Journal::default();
    paused().block_on(async {
        let start = time::now();
        AbortSignal::timeout(ms(5)).until_aborted().await;
        journal.add((time::now() - start).as_millis());
        promises::set_immediate(()).unref().await;
        journal.add("immediate");
    });
    assert_eq!(journal.take(), "5 immediate");
}

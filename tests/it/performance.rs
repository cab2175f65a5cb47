//! Utilization and delay of the loop, measured on a virtual clock.

use crate::support::paused;
use lunation::performance::{
    EventLoopUtilization, event_loop_utilization, monitor_event_loop_delay,
};
use lunation::{Runtime, immediate, set_immediate, time};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn split(utilization: &EventLoopUtilization) -> (u128, u128, f64) {
    let EventLoopUtilization { idle, active, utilization, .. } = utilization;
    (idle.as_millis(), active.as_millis(), *utilization)
}

#[test]
fn sleep_is_idle_and_work_is_active() {
    let runtime = paused();
    runtime.block_on(async {
        time::sleep(ms(5)).await;
        // Measured from here on.
        assert_eq!(split(&event_loop_utilization(None)), (0, 0, 0.0));
        time::advance(ms(30));
        assert_eq!(split(&event_loop_utilization(None)), (0, 30, 1.0));
        time::sleep(ms(90)).await;
        let first = event_loop_utilization(None);
        assert_eq!(split(&first), (90, 30, 0.25));
        time::advance(ms(5));
        immediate().await;
        let second = event_loop_utilization(Some(&first));
        assert_eq!(split(&second), (0, 5, 1.0));
        assert_eq!(event_loop_utilization(None).since(&first), second);
    });
}

#[test]
fn a_delay_is_the_time_between_two_sleeps() {
    let runtime = paused();
    runtime.block_on(async {
        let delay = monitor_event_loop_delay();
        assert!(delay.enable() && !delay.enable());
        for busy in [10, 20, 30, 40] {
            time::advance(ms(busy));
            immediate().await;
        }
        // An idle loop adds one value for the turn that woke, however long it slept.
        time::sleep(ms(100_000)).await;
        time::advance(ms(100));
        immediate().await;
        assert_eq!(delay.count(), 6);
        assert_eq!((delay.min().as_nanos(), delay.max().as_millis()), (1, 100));
        assert_eq!(delay.mean().as_micros() / 100, 333);
        assert_eq!(delay.stddev().as_micros() / 1000, 32);
        assert_eq!(delay.percentile(50.0).as_millis(), 20);
        assert_eq!(delay.percentile(100.0).as_millis(), 100);
        let steps = delay.percentiles();
        assert_eq!(steps.last().map(|(at, delay)| (*at, delay.as_millis())), Some((100.0, 100)));
        assert!(delay.disable() && !delay.disable());
        time::advance(ms(500));
        immediate().await;
        assert_eq!((delay.count(), delay.max().as_millis()), (6, 100));
        delay.reset();
        assert_eq!((delay.count(), delay.min(), delay.max()), (0, Duration::ZERO, Duration::ZERO));
        assert_eq!((delay.mean(), delay.stddev()), (Duration::ZERO, Duration::ZERO));
    });
}

#[test]
fn a_monitor_wakes_no_idle_loop() {
    // Catalogue F 22: Node samples by a timer. Here only what runs is measured, so a sleep of a
    // day is one turn with a monitor as without.
    let turns = |monitored: bool| {
        let runtime = paused();
        runtime.block_on(async {
            let delay = monitor_event_loop_delay();
            if monitored {
                delay.enable();
            }
            time::sleep(Duration::from_secs(86_400)).await;
            assert_eq!(delay.count(), u64::from(monitored));
            assert_eq!(delay.exceeds(), 0);
        });
        runtime.metrics().turns
    };
    assert_eq!(turns(true), turns(false));
}

#[test]
fn delays_above_an_hour_are_counted_as_one() {
    let runtime = paused();
    runtime.block_on(async {
        let delay = monitor_event_loop_delay();
        delay.enable();
        time::advance(Duration::from_secs(7200));
        immediate().await;
        assert_eq!((delay.count(), delay.exceeds()), (1, 1));
        assert_eq!(delay.max().as_secs() / 10, 360);
    });
}

#[test]
fn a_dropped_monitor_records_no_more_and_others_go_on() {
    let runtime = paused();
    runtime.block_on(async {
        let (kept, dropped) = (monitor_event_loop_delay(), monitor_event_loop_delay());
        kept.enable();
        dropped.enable();
        immediate().await;
        drop(dropped);
        immediate().await;
        assert_eq!(kept.count(), 2);
    });
}

#[test]
fn a_percentile_out_of_range_says_so() {
    let runtime = paused();
    for wrong in [0.0, -1.0, 100.1, f64::NAN] {
        let ask = || runtime.enter(|| monitor_event_loop_delay().percentile(wrong));
        let panic = catch_unwind(AssertUnwindSafe(ask)).unwrap_err();
        let text = panic.downcast::<String>().unwrap();
        assert!(text.contains(&wrong.to_string()), "{text}");
    }
}

#[test]
fn a_monitor_outlives_its_runtime() {
    let runtime = Runtime::new();
    let delay = runtime.block_on(async {
        let delay = monitor_event_loop_delay();
        delay.enable();
        set_immediate(|| {});
        immediate().await;
        delay
    });
    drop(runtime);
    assert_eq!((delay.count(), delay.enable()), (1, false));
    assert_eq!(format!("{delay:?}"), "EventLoopDelay { enabled: true, count: 1 }");
}

/// A monitor measures too: what the loop slept before somebody asked for its utilization is not
/// part of the answer.
#[test]
fn utilization_begins_with_the_first_question() {
    paused().block_on(async {
        let delay = monitor_event_loop_delay();
        delay.enable();
        time::sleep(ms(100)).await;
        assert_eq!(split(&event_loop_utilization(None)), (0, 0, 0.0));
        time::advance(ms(30));
        assert_eq!(split(&event_loop_utilization(None)), (0, 30, 1.0));
    });
}

#[test]
fn utilization_of_any_times_is_a_number() {
    let mut endless = EventLoopUtilization::default();
    (endless.idle, endless.active) = (Duration::MAX, Duration::MAX);
    let since = endless.since(&EventLoopUtilization::default());
    assert_eq!((since.idle, since.utilization), (Duration::MAX, 1.0));
}

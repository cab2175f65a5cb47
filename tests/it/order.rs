//! The ordering contract: phases, drains, batches. B.x are sections of Node's measured behaviour.

use crate::support::{Journal, paused, script};
use lunation::{
    Completion, ResourceKind, immediate, microtask, next_tick, queue_close, queue_microtask,
    set_immediate, set_timeout, spawn, tick, time, yield_now,
};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Adds `name`, and a tick and a microtask that add their own entries.
fn noisy(journal: &Journal, name: &'static str) -> impl FnOnce() + 'static + use<> {
    let journal = journal.clone();
    move || {
        journal.add(name);
        let (tick, micro) = (journal.clone(), journal);
        next_tick(move || tick.add(format_args!("{name}.tick")));
        queue_microtask(move || micro.add(format_args!("{name}.micro")));
    }
}

#[test]
fn ticks_run_before_microtasks_until_both_are_empty() {
    // B.1
    let trace = script(|j| {
        let journal = j.clone();
        next_tick(move || {
            journal.add("A");
            let j = journal.clone();
            queue_microtask(move || {
                j.add("a1");
                next_tick(j.adds("C"));
                queue_microtask(j.adds("a2"));
            });
        });
        let journal = j.clone();
        next_tick(move || {
            journal.add("B");
            next_tick(journal.adds("B2"));
        });
        let journal = j.clone();
        queue_microtask(move || {
            journal.add("m1");
            next_tick(journal.adds("D"));
            queue_microtask(journal.adds("m2"));
        });
        set_timeout(ms(0), j.adds("timeout"));
    });
    assert_eq!(trace, "A B B2 m1 a1 m2 a2 D C timeout");
}

#[test]
fn a_drain_follows_every_callback_of_every_phase() {
    // B.5, B.14
    let trace = script(|j| {
        for name in ["i1", "i2"] {
            set_immediate(noisy(j, name));
        }
        for name in ["c1", "c2"] {
            queue_close(ResourceKind::User("Close"), noisy(j, name));
        }
        for (at, name) in [(1, "t1"), (1, "t2"), (2, "t3")] {
            set_timeout(ms(at), noisy(j, name));
        }
        for name in ["io1", "io2"] {
            let (completion, completer) = Completion::<()>::new(ResourceKind::User("IO"));
            let callback = noisy(j, name);
            completion.on_complete(move |_| callback());
            completer.complete(());
        }
    });
    let expected = [
        "io1 io1.tick io1.micro io2 io2.tick io2.micro",
        "i1 i1.tick i1.micro i2 i2.tick i2.micro",
        // The last issued is closed first.
        "c2 c2.tick c2.micro c1 c1.tick c1.micro",
        "t1 t1.tick t1.micro t2 t2.tick t2.micro t3 t3.tick t3.micro",
    ];
    assert_eq!(trace, expected.join(" "));
}

#[test]
fn what_a_batch_adds_waits_for_the_next_turn() {
    // B.7
    let trace = script(|j| {
        let journal = j.clone();
        set_immediate(move || {
            journal.add("i1");
            set_immediate(journal.adds("i1-child"));
            let j = journal.clone();
            queue_close(ResourceKind::User("Close"), move || {
                j.add("c1");
                queue_close(ResourceKind::User("Close"), j.adds("c1-child"));
                set_timeout(ms(1), j.adds("timer"));
                time::advance(ms(1));
            });
        });
        set_immediate(j.adds("i2"));
    });
    assert_eq!(trace, "i1 i2 c1 timer i1-child c1-child");
}

#[test]
fn row_18_a_timers_list_is_served_whole_and_the_clock_stands_meanwhile() {
    // B.8's quirk: A and B share a list, C's deadline lies between theirs.
    let trace = script(|j| {
        let journal = j.clone();
        set_timeout(ms(10), move || {
            journal.add("A");
            set_timeout(ms(0), journal.adds("A-child"));
            set_immediate(journal.adds("A-immediate"));
            time::advance(ms(20));
        });
        set_timeout(ms(12), j.adds("C"));
        time::advance(ms(5));
        set_timeout(ms(10), j.adds("B"));
        set_timeout(ms(45), j.adds("late"));
        time::advance(ms(30));
    });
    assert_eq!(trace, "A B C A-immediate A-child late");
}

#[test]
fn row_18_timers_of_all_lists_go_by_expiry_then_by_age_of_the_list() {
    // B.8: 1.9 counts as 1, 0 as 1.
    let trace = script(|j| {
        let entries =
            [(3000, "3"), (1000, "1"), (2000, "2"), (0, "0"), (1000, "1b"), (1900, "1.9")];
        for (micros, name) in entries {
            set_timeout(Duration::from_micros(micros), j.adds(name));
        }
        time::advance(ms(10));
    });
    assert_eq!(trace, "1 0 1b 1.9 2 3");
}

#[test]
fn a_task_is_polled_in_microtasks() {
    let trace = script(|j| {
        queue_microtask(j.adds("m1"));
        let journal = j.clone();
        spawn(async move {
            journal.add("poll1");
            microtask().await;
            journal.add("poll2");
            tick().await;
            journal.add("after-tick");
            immediate().await;
            journal.add("after-immediate");
            yield_now().await;
            journal.add("after-yield");
            time::sleep(ms(1)).await;
            journal.add("after-sleep");
        });
        queue_microtask(j.adds("m2"));
        next_tick(j.adds("tick"));
        set_immediate(j.adds("i"));
    });
    assert_eq!(
        trace,
        "tick m1 poll1 m2 poll2 after-tick i after-immediate after-yield after-sleep"
    );
}

#[test]
fn a_wait_for_the_check_phase_may_change_hands_or_go() {
    let (journal, runtime) = (Journal::default(), paused());
    runtime.block_on(async {
        let [mut moved, mut gone, mut unseen] = [(); 3].map(|()| Box::pin(immediate()));
        poll_fn(|context| {
            let waits = [&mut moved, &mut gone, &mut unseen];
            waits.into_iter().for_each(|wait| assert!(wait.as_mut().poll(context).is_pending()));
            Poll::Ready(())
        })
        .await;
        let task = spawn({
            let journal = journal.clone();
            async move {
                moved.await;
                journal.add("moved");
            }
        });
        set_immediate(journal.adds("i"));
        drop(gone);
        // What is not seen of `unseen` wakes this task in vain, before its own turn.
        immediate().await;
        journal.add("here");
        drop(unseen);
        task.await.expect("no panic");
    });
    assert_eq!(journal.take(), "moved i here");
    assert_eq!(runtime.metrics().immediates_queued, 0);
    runtime.run_to_idle();
}

#[test]
fn a_drained_wake_runs_before_the_next_callback() {
    let trace = script(|j| {
        for name in ["s1", "s2"] {
            let journal = j.clone();
            spawn(async move {
                time::sleep(ms(1)).await;
                journal.add(name);
                queue_microtask(journal.adds("micro"));
                next_tick(journal.adds("tick"));
            });
        }
    });
    assert_eq!(trace, "s1 micro tick s2 micro tick");
}

#[test]
fn waiting_futures_that_are_dropped_leave_nothing_behind() {
    let journal = Journal::default();
    let runtime = crate::support::paused();
    runtime.block_on(async {
        let mut waits = (immediate(), tick(), time::sleep(ms(5)));
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        use std::future::Future;
        assert!(std::pin::Pin::new(&mut waits.0).poll(&mut context).is_pending());
        assert!(std::pin::Pin::new(&mut waits.1).poll(&mut context).is_pending());
        assert!(std::pin::Pin::new(&mut waits.2).poll(&mut context).is_pending());
        drop(waits);
        journal.add("dropped");
    });
    let metrics = runtime.metrics();
    assert_eq!((metrics.live_timers, metrics.immediates_queued), (0, 0));
    runtime.run_to_idle();
    assert_eq!(journal.take(), "dropped");
}

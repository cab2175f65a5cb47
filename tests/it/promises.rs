//! Timers to wait for: what they are, and that nothing of them stays.

use crate::support::{HookEvents, Journal, paused};
use lunation::timers::promises;
use lunation::{
    AbortController, AsyncHooks, AsyncId, AsyncLocalStorage, JoinHandle, ResourceKind, ResourceRef,
    create_hook, scheduler, spawn, time, timers,
};
use std::time::Duration;

static PLACE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_aborted_wait_leaves_no_timer_and_no_listener() {
    let (journal, runtime) = (Journal::default(), paused());
    runtime.enter(|| {
        let start = time::now();
        let controller = AbortController::new();
        let signal = controller.signal();
        let with = promises::with_signal(&signal);
        let token = |name| PLACE.run("made", || journal.on_drop(name));
        let waits = [with.set_timeout(HOUR, token("a")), with.set_immediate(token("b"))];
        let mut beats = with.set_interval(HOUR, 1);
        assert_eq!((signal.listener_count(), runtime.metrics().live_timers), (3, 2));
        controller.abort();
        // At once, though nobody has polled any of them.
        assert_eq!((signal.listener_count(), runtime.metrics().live_timers), (0, 0));
        assert_eq!(journal.take(), "a b");
        runtime.run_to_idle();
        assert_eq!(time::now(), start);
        for wait in waits {
            assert!(runtime.block_on(wait).is_err());
        }
        assert!(runtime.block_on(beats.next()).expect("the error").is_err());
        assert!(runtime.block_on(beats.next()).is_none());
    });
}

#[test]
fn a_dropped_wait_leaves_nothing_either() {
    let runtime = paused();
    runtime.enter(|| {
        let (start, controller) = (time::now(), AbortController::new());
        let signal = controller.signal();
        drop(promises::with_signal(&signal).set_timeout(HOUR, ()));
        drop(promises::with_signal(&signal).set_interval(HOUR, ()));
        drop((scheduler::wait(HOUR), scheduler::yield_now()));
        assert_eq!((signal.listener_count(), runtime.metrics().live_timers), (0, 0));
        runtime.run_to_idle();
        assert_eq!(time::now(), start);
    });
}

#[test]
fn they_are_resources_with_the_place_of_their_call() {
    let (journal, runtime) = (Journal::default(), paused());
    let hook = create_hook(HookEvents(journal.clone()));
    runtime.enter(|| {
        hook.enable();
        let aborted = lunation::AbortSignal::abort("before");
        let _no_timer = promises::with_signal(&aborted).set_timeout(HOUR, ());
        let _no_interval = promises::with_signal(&aborted).set_interval(HOUR, ());
        assert_eq!(journal.take(), "");
        drop(scheduler::wait(HOUR));
        drop(scheduler::yield_now());
        drop(promises::set_interval(HOUR, ()));
        runtime.run_to_idle();
        hook.disable();
    });
    let here = file!();
    let expected =
        format!("Timeout {here} Immediate {here} Timeout {here} destroy destroy destroy");
    assert_eq!(journal.take(), expected);
}

#[test]
fn what_follows_has_the_context_of_who_waits() {
    let (journal, runtime) = (Journal::default(), paused());
    runtime.enter(|| {
        let wait = PLACE.run("made", || promises::set_timeout(HOUR, PLACE.cloned()));
        let j = journal.clone();
        PLACE.run("waits", || {
            let _detached: JoinHandle<()> = spawn(async move {
                j.add(format_args!("{:?} {:?}", wait.await, PLACE.cloned()));
            });
        });
        runtime.run_to_idle();
    });
    assert_eq!(journal.take(), "Some(\"made\") Some(\"waits\")");
}

#[test]
fn unrefed_they_come_only_if_the_loop_lives() {
    let (journal, runtime) = (Journal::default(), paused());
    runtime.enter(|| {
        let (start, j) = (time::now(), journal.clone());
        let task = spawn(async move {
            let mut beats = promises::set_interval(HOUR, "beat").unref();
            promises::set_immediate(()).unref().await;
            promises::set_timeout(HOUR, ()).unref().await;
            j.add(beats.next().await.expect("it never ends"));
        });
        runtime.run_to_idle();
        assert_eq!((time::now(), task.is_finished()), (start, false));
        let _keeps_the_loop_alive = timers::set_timeout(2 * HOUR, || ());
        runtime.run_to_idle();
        assert!(task.is_finished());
    });
    assert_eq!(journal.take(), "beat");
}

/// The timers begin with an init event, whose hook may abort the signal.
#[test]
fn an_abort_in_an_init_hook_is_not_missed() {
    struct Aborts(AbortController);
    impl AsyncHooks for Aborts {
        fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
            self.0.abort();
        }
    }
    fn aborted_by_a_hook<R>(make: impl FnOnce(promises::WithSignal<'_>) -> R) -> R {
        let controller = AbortController::new();
        let signal = controller.signal();
        let hook = create_hook(Aborts(controller));
        hook.enable();
        let made = make(promises::with_signal(&signal));
        hook.disable();
        assert_eq!(signal.listener_count(), 0);
        made
    }
    let runtime = paused();
    runtime.block_on(async {
        let start = time::now();
        let timeout = aborted_by_a_hook(|with| with.set_timeout(HOUR, ()));
        let mut beats = aborted_by_a_hook(|with| with.set_interval(HOUR, ()));
        assert_eq!(runtime.metrics().live_timers, 0);
        assert!(timeout.await.is_err());
        assert!(beats.next().await.expect("the error").is_err());
        assert!(beats.next().await.is_none());
        assert!(aborted_by_a_hook(|with| with.set_immediate(())).await.is_err());
        assert_eq!(time::now(), start);
    });
}

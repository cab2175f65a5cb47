//! Jobs on the thread pool: who runs there, what follows, and how they end.

use crate::support::{HookEvents, Journal, alone, message, paused};
use lunation::{
    AsyncId, AsyncLocalStorage, JoinError, ResourceKind, Runtime, UnhandledPanic, create_hook,
    execution_async_id, execution_async_resource, spawn, spawn_blocking, time, trigger_async_id,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

static FOLLOWS: AsyncLocalStorage<u32> = AsyncLocalStorage::builder().transferable().build();
static STAYS: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

#[test]
fn a_job_runs_as_its_resource_with_what_is_transferable() {
    Runtime::new().block_on(async {
        FOLLOWS.enter_with(1);
        STAYS.enter_with(2);
        let job = spawn_blocking(|| {
            let stores = (FOLLOWS.cloned(), STAYS.cloned());
            FOLLOWS.enter_with(10);
            let ids = (execution_async_id(), trigger_async_id());
            (ids, execution_async_resource().kind(), stores)
        });
        FOLLOWS.enter_with(3);
        let ids = (job.async_id(), execution_async_id());
        assert_eq!(job.await.expect("no panic"), (ids, ResourceKind::Job, (Some(1), None)));
        assert_eq!((FOLLOWS.cloned(), STAYS.cloned()), (Some(3), Some(2)));
    });
}

#[test]
fn a_job_is_one_resource_and_keeps_the_loop_going() {
    let (journal, runtime) = (Journal::default(), Runtime::new());
    let hook = create_hook(HookEvents(journal.clone()));
    hook.enable();
    runtime.enter(|| drop(spawn_blocking(|| ())));
    assert_eq!(runtime.metrics().live_jobs, 1);
    runtime.run_to_idle();
    assert_eq!(runtime.metrics().live_jobs, 0);
    hook.disable();
    assert_eq!(journal.take(), "JOB tests/it/blocking.rs before after destroy");
}

#[test]
fn a_panic_goes_to_whoever_awaits() {
    Runtime::new().block_on(async {
        let job = spawn_blocking(|| panic!("inside"));
        let error: JoinError = job.await.map(|()| 0).expect_err("a panic");
        assert_eq!(error.to_string(), "the task panicked: inside");
        assert_eq!(spawn_blocking(|| 1).await.expect("the pool is whole"), 1);
    });
}

#[test]
fn a_panic_nobody_awaits_is_unhandled() {
    let journal = Journal::default();
    let runtime = Runtime::builder().on_unhandled({
        let journal = journal.clone();
        move |failure| {
            let inside = failure.id() == execution_async_id();
            journal.add(format_args!("{} {} {inside}", failure.kind(), failure.message()));
            UnhandledPanic::Continue
        }
    });
    let runtime = runtime.build().expect("a runtime");
    runtime.block_on(async {
        drop(spawn_blocking(|| panic!("early")));
        while runtime.metrics().live_jobs > 0 {
            lunation::yield_now().await;
        }
        let late = spawn_blocking(|| panic!("late"));
        while !late.is_finished() {
            lunation::yield_now().await;
        }
        drop(late);
        lunation::yield_now().await;
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "JOB early true JOB late true");
}

/// Keeps the only thread of the pool busy until the sender is dropped.
fn occupy_the_pool() -> std::sync::mpsc::Sender<()> {
    let (release, wait): (_, Receiver<()>) = channel();
    let (begun, has_begun) = channel();
    drop(spawn_blocking(move || {
        let _ = begun.send(());
        let _ = wait.recv();
    }));
    has_begun.recv().expect("the pool has one thread");
    release
}

#[test]
fn a_job_that_has_not_begun_can_be_aborted() {
    if !alone("blocking::a_job_that_has_not_begun_can_be_aborted") {
        return;
    }
    Runtime::new().block_on(async {
        let release = occupy_the_pool();
        let (dropped, has_dropped) = channel();
        let on_drop = Sends(dropped);
        let job = spawn_blocking(move || drop(on_drop));
        job.abort();
        assert_eq!(has_dropped.try_recv(), Ok(job.async_id()));
        assert!(matches!(job.await, Err(JoinError::Cancelled)));
        drop(release);
        let (begun, has_begun) = channel();
        let job = spawn_blocking(move || {
            let _ = begun.send(());
            5
        });
        has_begun.recv().expect("it runs");
        job.abort();
        assert_eq!(job.await.expect("it had begun"), 5);
    });
}

/// Sends who is running when it is dropped.
struct Sends(std::sync::mpsc::Sender<AsyncId>);

impl Drop for Sends {
    fn drop(&mut self) {
        let _ = self.0.send(execution_async_id());
    }
}

#[test]
fn the_end_of_the_runtime_cancels_what_has_not_begun() {
    if !alone("blocking::the_end_of_the_runtime_cancels_what_has_not_begun") {
        return;
    }
    let runtime = Runtime::new();
    let (dropped, has_dropped) = channel();
    let (release, job, id) = runtime.enter(|| {
        let release = occupy_the_pool();
        let on_drop = Sends(dropped);
        let job = spawn_blocking(move || -> u32 { panic!("{:?}", on_drop.0) });
        let id = job.async_id();
        (release, job, id)
    });
    drop(runtime);
    assert_eq!(has_dropped.try_recv(), Ok(id));
    drop(release);
    assert!(job.is_finished());
    let result = Runtime::new().block_on(job);
    assert!(matches!(result, Err(JoinError::Cancelled)));
}

#[test]
fn jobs_made_while_the_runtime_ends_are_cancelled() {
    struct Late(Rc<Cell<bool>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let job = spawn_blocking(|| ());
            self.0.set(job.is_finished());
        }
    }
    let (seen, runtime) = (Rc::new(Cell::new(true)), Runtime::new());
    let late = Late(seen.clone());
    runtime.enter(|| drop(spawn(async move { drop(late) })));
    drop(runtime);
    assert!(!seen.get());
}

#[test]
fn a_virtual_clock_stands_while_a_job_is_in_flight() {
    let (journal, runtime) = (Journal::default(), paused());
    runtime.enter(|| {
        let j = journal.clone();
        drop(spawn(async move {
            time::sleep(Duration::from_millis(1)).await;
            j.add("slept");
        }));
        let (j, start) = (journal.clone(), time::now());
        drop(spawn(async move {
            let (never, wait) = channel::<()>();
            let job = spawn_blocking(move || wait.recv_timeout(Duration::from_millis(20)));
            job.await.expect("no panic").expect_err("nobody sends");
            drop(never);
            j.add(format_args!("worked {:?}", time::now() - start));
        }));
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "worked 0ns slept");
}

#[test]
fn outside_of_a_runtime_it_says_what_to_do() {
    let text = message(catch_unwind(AssertUnwindSafe(|| drop(spawn_blocking(|| ())))));
    assert!(text.contains("outside of a lunation runtime"), "{text}");
}

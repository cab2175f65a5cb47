//! Tasks: joining, aborting, sets, builders, ids.

use crate::support::Journal;
use lunation::task::{AbortOnDrop, Builder, JoinSet};
use lunation::{
    AsyncId, AsyncLocalStorage, JoinError, Runtime, execution_async_id, microtask, spawn,
    spawn_detached, trigger_async_id,
};
use std::future::pending;

static STORE: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

#[test]
fn a_task_has_an_id_a_trigger_and_the_context_of_its_spawn() {
    Runtime::new().block_on(async {
        let outer = STORE.run(1, || {
            spawn(async {
                let (me, inner) = (execution_async_id(), spawn(async { trigger_async_id() }));
                assert_eq!(inner.await.expect("no panic"), me);
                (me, trigger_async_id(), STORE.cloned())
            })
        });
        let id = outer.async_id();
        assert_eq!(outer.await.expect("no panic"), (id, AsyncId::ROOT, Some(1)));
    });
}

#[test]
fn detached_tasks_start_from_the_empty_context() {
    Runtime::new().block_on(async {
        let _guard = STORE.enter(1);
        let read = || async { (STORE.cloned(), trigger_async_id()) };
        assert_eq!(spawn_detached(read()).await.expect("no panic"), (None, AsyncId::ROOT));
        let built = Builder::new().detached(true).trigger(AsyncId::LOOP).spawn(read());
        assert_eq!(built.await.expect("no panic"), (None, AsyncId::LOOP));
    });
}

#[test]
fn abort_drops_the_future_later_and_in_its_context() {
    struct Reads(Journal);
    impl Drop for Reads {
        fn drop(&mut self) {
            self.0.add(format_args!("dropped@{:?}", STORE.cloned()));
        }
    }
    let journal = Journal::default();
    Runtime::new().block_on(async {
        let reads = Reads(journal.clone());
        let task = STORE.run(7, || {
            spawn(async move {
                let _reads = reads;
                pending::<()>().await;
            })
        });
        microtask().await;
        task.abort();
        journal.add("aborted");
        assert!(!task.is_finished());
        assert!(matches!(task.await, Err(JoinError::Cancelled)));
        journal.add("joined");
    });
    assert_eq!(journal.take(), "aborted dropped@Some(7) joined");
}

#[test]
fn an_output_wins_over_an_abort_of_the_running_task() {
    Runtime::new().block_on(async {
        let slot = std::rc::Rc::new(std::cell::RefCell::new(None));
        let own = slot.clone();
        let task = spawn(async move {
            let handle: lunation::task::AbortHandle = own.borrow_mut().take().expect("set below");
            handle.abort();
            5
        });
        *slot.borrow_mut() = Some(task.abort_handle());
        assert_eq!(task.await.expect("the output"), 5);
    });
}

#[test]
fn a_finished_task_is_joined_at_once() {
    Runtime::new().block_on(async {
        let mut task = spawn(async { 1 });
        microtask().await;
        assert!(task.is_finished());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let poll = std::future::Future::poll(std::pin::Pin::new(&mut task), &mut context);
        assert!(matches!(poll, std::task::Poll::Ready(Ok(1))));
    });
}

#[test]
fn handles_outlive_their_runtime() {
    let runtime = Runtime::new();
    let (pending, done) = runtime.enter(|| (spawn(pending::<u8>()), spawn(async { 1 })));
    runtime.run_to_idle();
    let abort = pending.abort_handle();
    drop(runtime);
    assert!(pending.is_finished() && done.is_finished() && abort.is_finished());
    abort.abort();
    let other = Runtime::new();
    assert!(other.block_on(pending).expect_err("cancelled").is_cancelled());
    assert!(other.block_on(done).expect_err("cancelled").is_cancelled());
}

#[test]
fn sets_join_in_the_order_of_the_ends_and_abort_the_rest() {
    let journal = Journal::default();
    let runtime = crate::support::paused();
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for ms in [3, 1, 2] {
            set.spawn(async move {
                lunation::time::sleep(std::time::Duration::from_millis(ms)).await;
                ms
            });
        }
        let mut order = Vec::new();
        while let Some(ms) = set.join_next().await {
            order.push(ms.expect("no panic"));
        }
        assert_eq!(order, [1, 2, 3]);
        let guard = journal.on_drop("aborted");
        set.spawn(async move {
            let _guard = guard;
            pending().await
        });
        microtask().await;
        drop(set);
        let guard = journal.on_drop("aborted too");
        drop(AbortOnDrop::new(spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        })));
        lunation::yield_now().await;
    });
    assert_eq!(journal.take(), "aborted aborted too");
    assert_eq!(runtime.metrics().live_tasks, 0);
}

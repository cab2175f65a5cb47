//! Work of other threads: completions, posts, keep-alive.

use crate::support::{Journal, paused};
use lunation::{
    AsyncId, AsyncLocalStorage, Canceled, Completion, Handle, ResourceKind, Runtime, spawn,
    trigger_async_id,
};
use std::thread;

static STORE: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
const KIND: ResourceKind = ResourceKind::User("WORK");

#[test]
fn a_completion_runs_in_its_captured_context() {
    let (journal, runtime) = (Journal::default(), Runtime::new());
    runtime.enter(|| {
        let (completion, completer) = STORE.run(3, || Completion::new(KIND));
        let (id, j) = (completion.async_id(), journal.clone());
        completion.on_complete(move |value| {
            assert_eq!(lunation::execution_async_id(), id);
            j.add(format_args!("{value:?} {:?}", STORE.cloned()));
        });
        thread::spawn(move || completer.complete("done"));
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "Ok(\"done\") Some(3)");
}

#[test]
fn completions_can_be_awaited_late_cancelled_and_forgotten() {
    Runtime::new().block_on(async {
        let (completion, completer) = Completion::new(KIND);
        completer.complete(1);
        lunation::yield_now().await;
        assert_eq!(completion.await, Ok(1));
        let (completion, completer) = Completion::<u8>::new(KIND);
        thread::spawn(move || drop(completer));
        assert_eq!(completion.await, Err(Canceled));
        let (completion, completer) = Completion::new(KIND);
        drop(completion);
        completer.complete(String::from("nobody hears"));
        lunation::yield_now().await;
    });
}

#[test]
fn a_completion_that_the_runtime_does_not_live_to_see_is_cancelled() {
    let (journal, runtime) = (Journal::default(), Runtime::new());
    let completer = runtime.enter(|| {
        let (completion, completer) = Completion::<u8>::new(KIND);
        let guard = journal.on_drop("dropped");
        completion.on_complete(move |_| drop(guard));
        completer
    });
    drop(runtime);
    assert_eq!(journal.take(), "dropped");
    completer.complete(1);
}

#[test]
fn posts_run_in_order_in_the_empty_context() {
    let (runtime, (sender, receiver)) = (Runtime::new(), std::sync::mpsc::channel());
    let handle = runtime.handle();
    let alive = handle.keep_alive();
    thread::spawn(move || {
        let _alive = alive;
        for n in 0..3 {
            let sender = sender.clone();
            handle.post(move || {
                let _ = sender.send((n, STORE.cloned(), trigger_async_id()));
            });
        }
        let answer = sender.clone();
        handle.spawn_with(move || async move {
            let local = std::rc::Rc::new(3);
            lunation::yield_now().await;
            let _ = answer.send((*local, STORE.cloned(), AsyncId::LOOP));
        });
    });
    STORE.run(1, || runtime.run_to_idle());
    let got: Vec<_> = receiver.try_iter().collect();
    assert_eq!(got, (0..4).map(|n| (n, None, AsyncId::LOOP)).collect::<Vec<_>>());
}

#[test]
fn a_post_after_the_end_is_dropped_where_it_is_sent() {
    let runtime = Runtime::new();
    let handle = runtime.enter(Handle::current);
    drop(runtime);
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    handle.post(move || sender.send(()).expect("never called"));
    assert!(receiver.recv().is_err());
}

#[test]
fn tasks_wait_for_other_threads_under_a_virtual_clock() {
    let value = paused().block_on(async {
        let (completion, completer) = Completion::new(KIND);
        thread::spawn(move || completer.complete(5));
        spawn(completion).await.expect("no panic")
    });
    assert_eq!(value, Ok(5));
}

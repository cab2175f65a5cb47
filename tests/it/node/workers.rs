//! Node's tests of workers that exit inside of an async function while hooks are enabled. A worker
//! is here a runtime on a thread of its own, `process.exit` in it a panic that leaves its loop:
//! what follows does not run, what waits is dropped.

use super::support::{async_script, script, throw};
use lunation::{
    AsyncHooks, AsyncId, ResourceKind, ResourceRef, create_hook, hooks, microtask, set_immediate,
    set_timeout, spawn, spawn_blocking,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// What happened on the other thread.
#[derive(Default)]
struct Seen {
    inits: AtomicU32,
    after_exit: AtomicU32,
    dropped: AtomicU32,
}

struct Inits(Arc<Seen>);

impl AsyncHooks for Inits {
    fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.0.inits.fetch_add(1, SeqCst);
    }
}

struct CountDrop(Arc<Seen>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

fn enable(seen: &Arc<Seen>) {
    create_hook(Inits(seen.clone())).enable();
}

fn exit() {
    throw("exit")
}

/// Runs `main` in an immediate of a worker, beside a task that waits for ever, and returns what
/// was seen when the worker has exited.
fn worker<F: Future<Output = ()> + 'static>(main: fn(Arc<Seen>) -> F) -> Arc<Seen> {
    let seen = Arc::<Seen>::default();
    let there = seen.clone();
    let worker = thread::spawn(move || {
        script(|_| {
            let held = CountDrop(there.clone());
            drop(spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            }));
            set_immediate(move || drop(spawn(main(there))));
        });
    });
    let payload = worker.join().expect_err("it exits by a panic");
    assert_eq!(payload.downcast_ref(), Some(&"exit"));
    assert_eq!(seen.dropped.load(SeqCst), 1);
    assert!(!hooks::enabled());
    seen
}

#[test]
fn test_async_hooks_worker_asyncfn_terminate_1() {
    // Node: parallel/test-async-hooks-worker-asyncfn-terminate-1. Assertions: 1 there, 4 here; left
    // out: none. Added: what waits is dropped, and no hook is left behind.
    let seen = worker(|seen| async move {
        enable(&seen);
        microtask().await;
        exit();
    });
    assert_eq!(seen.inits.load(SeqCst), 0);
}

#[test]
fn test_async_hooks_worker_asyncfn_terminate_2() {
    // Node: parallel/test-async-hooks-worker-asyncfn-terminate-2. Assertions: 1 there, 4 here; left
    // out: none. Added: the hook works when the await is over.
    let seen = worker(|seen| async move {
        microtask().await;
        enable(&seen);
        set_immediate(|| ());
        exit();
    });
    assert_eq!(seen.inits.load(SeqCst), 1);
}

#[test]
fn test_async_hooks_worker_asyncfn_terminate_3() {
    // Node: parallel/test-async-hooks-worker-asyncfn-terminate-3. Assertions: 1 there, 4 here; left
    // out: none (that the statement is not reached is counted). Here an immediate and a timer
    // are queued behind the exit as well.
    let seen = worker(|seen| async move {
        enable(&seen);
        microtask().await;
        let later = || {
            let seen = seen.clone();
            move || _ = seen.after_exit.fetch_add(1, SeqCst)
        };
        set_immediate(later());
        set_timeout(Duration::ZERO, later());
        exit();
        later()();
    });
    assert_eq!(seen.after_exit.load(SeqCst), 0);
}

#[test]
fn test_async_hooks_worker_asyncfn_terminate_4() {
    // Node: parallel/test-async-hooks-worker-asyncfn-terminate-4. Assertions: 2 there, 4 here; left
    // out: none.
    let seen = worker(|seen| async move {
        enable(&seen);
        microtask().await;
        exit();
        seen.after_exit.fetch_add(1, SeqCst);
    });
    assert_eq!(seen.after_exit.load(SeqCst), 0);
}

#[test]
fn test_unhandled_exception_with_worker_inuse() {
    // Node: parallel/test-unhandled-exception-with-worker-inuse. Assertions: 2 there, 3 here; left
    // out: none. The panic leaves its own loop, with its payload. Added: the worker goes on.
    let (started, starts) = channel();
    let (end, ends) = channel();
    let worker = thread::spawn(move || {
        async_script(async move {
            let waiting = spawn_blocking(move || ends.recv());
            started.send(()).expect("the other thread waits");
            waiting.await.expect("no panic")
        })
    });
    assert_eq!(starts.recv(), Ok(()));
    let unhandled = AssertUnwindSafe(|| script(|_| drop(set_immediate(|| throw("xxx")))));
    let payload = catch_unwind(unhandled).expect_err("a panic");
    assert_eq!(payload.downcast_ref(), Some(&"xxx"));
    end.send(7).expect("the worker waits");
    assert_eq!(worker.join().expect("no panic"), Ok(7));
}

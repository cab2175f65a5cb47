//! Whole runtimes, on threads of their own.

use crate::world::World;
use lunation::net::UdpSocket;
use lunation::{
    AsyncLocalStorage, Completion, ResourceKind, Runtime, next_tick, queue_microtask,
    set_immediate, set_timeout, spawn, spawn_blocking, time, yield_now,
};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

static STORE: AsyncLocalStorage<u64> = AsyncLocalStorage::builder().default_value(|| 9).build();

/// A runtime that ends with everything pending; a waker and a handle of it outlive it.
pub async fn round(_: Rc<World>) {
    let (completion, completer) = Completion::new(ResourceKind::User("RUNTIME"));
    let thread = thread::spawn(move || completer.complete(live()));
    let (waker, sleep, handle) = completion.await.expect("it completes");
    waker.wake_by_ref();
    handle.abort();
    drop((waker, sleep, handle));
    let joined = spawn_blocking(move || thread.join().is_ok()).await;
    assert!(joined.is_ok_and(|joined| joined));
}

type Kept = (Waker, time::Sleep, lunation::JoinHandle<()>);

fn live() -> Kept {
    let runtime = Runtime::new();
    let kept = runtime.block_on(async {
        assert_eq!(STORE.cloned(), Some(9));
        let _store = STORE.enter(3);
        for _ in 0..100 {
            spawn(async {
                let _socket = UdpSocket::bind("127.0.0.1:0").await;
                time::sleep(Duration::from_secs(1000)).await;
            });
        }
        yield_now().await;
        set_timeout(Duration::from_secs(100), || {});
        set_immediate(|| {});
        next_tick(|| {});
        queue_microtask(|| {});
        drop(spawn_blocking(|| ()));
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        (waker, time::sleep(Duration::from_secs(50)), spawn(pending()))
    });
    drop(runtime);
    kept
}

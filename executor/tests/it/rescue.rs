//! User code that fails or re-enters at an unexpected place: nothing is lost by it.

use lunation_context::{AsyncHooks, AsyncId, AsyncResource, create_hook, execution_async_resource};
use lunation_executor::{
    Runtime, Turn, UnhandledPanic, microtask, next_tick, queue_microtask, spawn,
};
use lunation_reactor::net::TcpStream;
use std::cell::Cell;
use std::future::Future;
use std::io::Write;
use std::net;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};

/// Queues a tick when it hears of an end.
struct TickOnDestroy(Rc<()>);

impl AsyncHooks for TickOnDestroy {
    fn destroy(&self, _: AsyncId) {
        let value = self.0.clone();
        next_tick(move || drop(value));
    }
}

#[test]
fn what_hooks_queue_at_the_very_end_is_dropped() {
    let value = Rc::new(());
    let hook = create_hook(TickOnDestroy(value.clone()));
    hook.enable();
    let last = AsyncResource::new("LAST");
    // Of all that a runtime holds, the handler goes last.
    let handler = move |_: &_| {
        let _last = &last;
        UnhandledPanic::Continue
    };
    let runtime = Runtime::builder().on_unhandled(handler).build().expect("a runtime");
    runtime.enter(|| next_tick(|| ()));
    drop(runtime);
    hook.disable();
    drop(hook);
    assert_eq!(Rc::strong_count(&value), 1);
}

/// Panics without the report on standard error.
fn throw() -> ! {
    resume_unwind(Box::new("rescue"))
}

/// A runtime that counts what its handler hears.
fn counting(drain_budget: Option<u32>) -> (Runtime, Rc<Cell<u32>>) {
    let heard = Rc::new(Cell::new(0));
    let count = heard.clone();
    let builder = Runtime::builder().drain_budget(drain_budget).on_unhandled(move |_| {
        count.set(count.get() + 1);
        UnhandledPanic::Continue
    });
    (builder.build().expect("a runtime"), heard)
}

#[test]
fn a_failure_that_ends_the_drain_budget_is_told_in_the_same_run() {
    let (runtime, heard) = counting(Some(1));
    runtime.enter(|| drop(spawn(async { throw() })));
    runtime.run_to_idle();
    assert_eq!(heard.get(), 1);
}

#[test]
fn a_host_learns_that_a_failure_waits() {
    let (runtime, heard) = counting(Some(1));
    runtime.enter(|| drop(spawn(async { throw() })));
    // The task's poll is all that the budget allows.
    assert!(runtime.turn(Turn::NoWait).expect("a turn"));
    assert_eq!(heard.get(), 0);
    assert!(runtime.next_deadline().is_some() && runtime.has_pending_ticks());
    assert!(!runtime.turn(Turn::Wait).expect("a turn"));
    assert_eq!(heard.get(), 1);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        throw();
    }
}

/// Gives the current resource an extension whose drop panics.
fn mine() {
    execution_async_resource().extensions().insert(Bomb);
}

#[test]
fn extensions_that_panic_when_they_are_dropped_are_failures() {
    let (runtime, heard) = counting(None);
    runtime.block_on(async {
        next_tick(mine);
        queue_microtask(mine);
        drop(spawn(async { mine() }));
        let joined = spawn(async {
            mine();
            7
        });
        assert!(matches!(joined.await, Ok(7)));
        microtask().await;
    });
    runtime.run_to_idle();
    assert_eq!(heard.get(), 4);
}

/// A waker that is not the runtime's, and panics.
struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        throw();
    }
}

#[derive(Default)]
struct Counting(AtomicU32);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream of which it is known that nothing is there to be read, and its peer.
fn blocked_pair(runtime: &Runtime) -> (TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let peer = net::TcpStream::connect(listener.local_addr().expect("an address"));
    let (ours, _) = listener.accept().expect("a connection");
    let ours = runtime.enter(|| TcpStream::from_std(ours).expect("a stream"));
    runtime.turn(Turn::NoWait).expect("a turn");
    assert!(runtime.enter(|| ours.try_read(&mut [0])).is_err(), "nothing was sent");
    (ours, peer.expect("a stream"))
}

#[test]
fn a_waker_that_panics_keeps_io_from_nobody() {
    let (runtime, heard) = counting(None);
    let (stream, mut peer) = blocked_pair(&runtime);
    let count = Arc::new(Counting::default());
    let panicking = || Waker::from(Arc::new(Panicking));
    let wakers = [panicking(), panicking(), Waker::from(count.clone())];
    let waits = wakers.each_ref().map(|waker| {
        let mut wait = Box::pin(stream.readable());
        let mut context = Context::from_waker(waker);
        runtime.enter(|| assert!(wait.as_mut().poll(&mut context).is_pending()));
        wait
    });
    peer.write_all(b"x").expect("a write");
    runtime.turn(Turn::Wait).expect("a turn");
    assert_eq!((heard.take(), count.0.swap(0, Ordering::Relaxed)), (2, 1));
    drop(waits);
    // Their budget is spent.
    runtime.enter(|| {
        for waker in &wakers {
            let mut context = Context::from_waker(waker);
            while stream.poll_read_ready(&mut context).is_ready() {}
        }
    });
    runtime.turn(Turn::NoWait).expect("a turn");
    assert_eq!((heard.take(), count.0.load(Ordering::Relaxed)), (2, 1));
}

//! Wakers, handles and posts on other threads, while the runtime lives and after its end.

use lunation_context::ResourceKind;
use lunation_executor::{
    Completion, Handle, JoinError, JoinHandle, Runtime, Turn, immediate, microtask, spawn, time,
};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// Counts its drops, and on which thread they happen.
struct Token {
    drops: Arc<AtomicU32>,
    home: thread::ThreadId,
}

impl Token {
    fn new(drops: &Arc<AtomicU32>) -> Token {
        Token { drops: drops.clone(), home: thread::current().id() }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.home, "dropped on a foreign thread");
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// A detached task that hands out its waker and waits until `done`.
fn waiting(runtime: &Runtime, done: &Arc<AtomicBool>, token: Token) -> (Waker, Rc<Cell<u32>>) {
    let (place, polls) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
    let (waker, count, done) = (place.clone(), polls.clone(), done.clone());
    runtime.enter(|| {
        drop(spawn(poll_fn(move |context| {
            let _ = &token;
            count.set(count.get() + 1);
            waker.replace(Some(context.waker().clone()));
            if done.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })));
    });
    runtime.run_to_idle();
    let waker = place.take().expect("the task was polled");
    (waker, polls)
}

/// The last reference to a task goes on another thread, and the runtime ends before it is told.
#[test]
fn a_dead_task_is_not_revived_at_the_end() {
    let runtime = Runtime::new();
    let (handle, abort) = runtime.enter(|| {
        let handle = spawn(async {});
        let abort = handle.abort_handle();
        (handle, abort)
    });
    runtime.run_to_idle();
    // One reference is counted as a foreign one ...
    let foreign = thread::scope(|scope| scope.spawn(|| abort.clone()).join().unwrap());
    // ... and is the only one left.
    runtime.enter(|| drop((handle, abort)));
    thread::spawn(move || drop(foreign)).join().unwrap();
    drop(runtime);
}

#[test]
fn wakers_are_cloned_woken_and_dropped_elsewhere() {
    let drops = Arc::new(AtomicU32::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let runtime = Runtime::new();
    let (waker, polls) = waiting(&runtime, &done, Token::new(&drops));
    let start = Arc::new(Barrier::new(4));
    let threads = [0, 1, 2].map(|_| {
        let (waker, start) = (waker.clone(), start.clone());
        thread::spawn(move || {
            start.wait();
            for round in 0..1000 {
                let clone = waker.clone();
                match round % 3 {
                    0 => clone.wake(),
                    1 => clone.wake_by_ref(),
                    _ => drop(clone),
                }
            }
        })
    });
    start.wait();
    runtime.enter(|| {
        for _ in 0..1000 {
            drop(waker.clone());
        }
    });
    while threads.iter().any(|thread| !thread.is_finished()) {
        runtime.run_to_idle();
    }
    done.store(true, Ordering::Release);
    thread::spawn(move || waker.wake()).join().unwrap();
    runtime.run_to_idle();
    assert!(polls.get() >= 2);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(runtime.metrics().live_tasks, 0);
}

#[test]
fn no_wake_of_a_flood_is_lost() {
    const WAKES: usize = 100_000;
    const TASKS: usize = 1000;
    let (send, receive) = mpsc::channel::<Waker>();
    let sent = Arc::new(AtomicU32::new(0));
    let count = sent.clone();
    let thread = thread::spawn(move || {
        for waker in receive {
            count.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        }
    });
    Runtime::new().block_on(async {
        for task in 0..TASKS {
            let (send, sent) = (send.clone(), sent.clone());
            drop(spawn(async move {
                for _ in 0..WAKES / TASKS {
                    let mut asked = false;
                    // Goes on only when its own waker comes back: a lost one hangs the test.
                    poll_fn(|context| {
                        if std::mem::replace(&mut asked, true) {
                            return Poll::Ready(());
                        }
                        send.send(context.waker().clone()).unwrap();
                        Poll::Pending
                    })
                    .await;
                }
                assert!(sent.load(Ordering::Relaxed) as usize >= WAKES / TASKS, "task {task}");
            }));
        }
        drop(send);
        while sent.load(Ordering::Relaxed) < WAKES as u32 {
            immediate().await;
        }
    });
    thread.join().unwrap();
}

#[test]
fn a_sleeping_loop_is_woken() {
    let answer = Runtime::new().block_on(async {
        let (completion, completer) = Completion::new(ResourceKind::User("WORK"));
        let handle = Handle::current();
        let thread = thread::spawn(move || {
            // Long enough for the loop to fall asleep.
            thread::park_timeout(Duration::from_millis(5));
            handle.post(|| drop(spawn(async {})));
            completer.complete(7);
        });
        let answer = completion.await;
        thread.join().unwrap();
        answer
    });
    assert_eq!(answer, Ok(7));
}

/// The handle of a task with an output that counts its drops.
fn with_output(runtime: &Runtime, drops: &Arc<AtomicU32>) -> JoinHandle<SendToken> {
    let token = Token::new(drops);
    runtime.enter(|| spawn(async move { SendToken(token) }))
}

struct SendToken(#[expect(dead_code, reason = "for its drop")] Token);

#[test]
fn a_join_handle_is_dropped_elsewhere() {
    for completed in [false, true] {
        for told in [false, true] {
            let drops = Arc::new(AtomicU32::new(0));
            let runtime = Runtime::new();
            let handle = with_output(&runtime, &drops);
            if completed {
                runtime.run_to_idle();
                assert!(handle.is_finished());
            }
            thread::spawn(move || drop(handle)).join().unwrap();
            assert_eq!(drops.load(Ordering::Relaxed), 0, "the owner drops it");
            if told {
                runtime.run_to_idle();
                assert_eq!(drops.load(Ordering::Relaxed), 1);
            }
            drop(runtime);
            assert_eq!(drops.load(Ordering::Relaxed), 1);
        }
    }
}

#[test]
fn a_task_is_aborted_elsewhere() {
    let runtime = Runtime::new();
    let handle = runtime.enter(|| spawn(pending::<()>()));
    let abort = handle.abort_handle();
    thread::spawn(move || abort.abort()).join().unwrap();
    assert!(!handle.is_finished(), "the owner does it");
    assert!(matches!(runtime.block_on(handle), Err(JoinError::Cancelled)));
}

#[test]
fn a_join_handle_is_not_polled_elsewhere() {
    let runtime = Runtime::new();
    let handle = runtime.enter(|| spawn(async { 5 }));
    let handle = thread::spawn(move || {
        let mut handle = Box::pin(handle);
        let mut context = Context::from_waker(Waker::noop());
        let poll = std::panic::AssertUnwindSafe(|| handle.as_mut().poll(&mut context));
        let panic = std::panic::catch_unwind(poll).unwrap_err();
        let message = *panic.downcast::<&str>().unwrap();
        assert!(message.contains("outside of the runtime"), "{message}");
        handle
    })
    .join()
    .unwrap();
    assert_eq!(runtime.block_on(handle).unwrap(), 5);
}

#[test]
fn a_join_handle_outlives_the_runtime() {
    let drops = Arc::new(AtomicU32::new(0));
    let runtime = Runtime::new();
    let handle = with_output(&runtime, &drops);
    drop(runtime);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    let handle = thread::spawn(move || {
        assert!(handle.is_finished());
        handle.abort();
        let mut handle = pin!(handle);
        let poll = handle.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Ready(Err(JoinError::Cancelled))));
    });
    handle.join().unwrap();
}

#[test]
fn a_post_after_the_end_is_dropped() {
    struct Told(Arc<AtomicU32>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicU32::new(0));
    let runtime = Runtime::new();
    let handle = runtime.handle();
    let (before, after, value) = (Told(drops.clone()), Told(drops.clone()), Told(drops.clone()));
    let (_completion, completer) = runtime.enter(|| Completion::new(ResourceKind::User("WORK")));
    handle.post(move || {
        let _before = &before;
        unreachable!("the loop does not run");
    });
    drop(runtime);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    thread::spawn(move || {
        handle.post(move || drop(after));
        handle.spawn_with(|| async {});
        drop(handle.keep_alive());
        completer.complete(value);
    })
    .join()
    .unwrap();
    assert_eq!(drops.load(Ordering::Relaxed), 3);
}

/// Wakers, handles and timers of a runtime that ends while other threads use them.
#[test]
fn a_runtime_ends_while_others_hold_on_to_it() {
    for _ in 0..50 {
        let drops = Arc::new(AtomicU32::new(0));
        let runtime = Runtime::new();
        let never = Arc::new(AtomicBool::new(false));
        let start = Arc::new(Barrier::new(4));
        let threads = [0, 1, 2].map(|_| {
            let (waker, _) = waiting(&runtime, &never, Token::new(&drops));
            let joined = with_output(&runtime, &drops);
            let sleep = runtime.enter(|| time::sleep(Duration::from_secs(60)));
            let start = start.clone();
            thread::spawn(move || {
                start.wait();
                waker.wake_by_ref();
                let clone = waker.clone();
                joined.abort();
                drop(waker);
                drop(joined);
                drop(sleep);
                clone.wake();
            })
        });
        start.wait();
        drop(runtime);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(drops.load(Ordering::Relaxed), 6);
    }
}

struct WakeAtExit(RefCell<Vec<Waker>>);

impl Drop for WakeAtExit {
    fn drop(&mut self) {
        for waker in self.0.take() {
            let clone = waker.clone();
            waker.wake_by_ref();
            clone.wake();
        }
    }
}

thread_local! {
    static AT_EXIT: WakeAtExit = const { WakeAtExit(RefCell::new(Vec::new())) };
}

#[test]
fn wakers_are_used_in_destructors_of_thread_locals() {
    let drops = Arc::new(AtomicU32::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let runtime = Runtime::new();
    let (waker, polls) = waiting(&runtime, &done, Token::new(&drops));
    let clone = waker.clone();
    done.store(true, Ordering::Release);
    thread::spawn(move || AT_EXIT.with(|at_exit| at_exit.0.borrow_mut().push(clone)))
        .join()
        .unwrap();
    runtime.run_to_idle();
    assert_eq!((polls.get(), drops.load(Ordering::Relaxed)), (2, 1));
    drop(waker);

    // On the runtime's own thread too, before and after its end.
    thread::spawn(|| {
        let runtime = Runtime::new();
        runtime.block_on(async {
            drop(spawn(poll_fn(|context| {
                AT_EXIT.with(|at_exit| at_exit.0.borrow_mut().push(context.waker().clone()));
                Poll::<()>::Pending
            })));
            microtask().await;
        });
        drop(runtime);
    })
    .join()
    .unwrap();
}

/// A host may sleep in a selector of its own at any time that the loop does not run.
#[test]
#[cfg(unix)]
fn the_descriptor_tells_a_host_of_posts_and_wakes() {
    use mio::unix::SourceFd;

    let runtime = Runtime::new();
    let is_readable = || {
        let mut host = mio::Poll::new().expect("a selector");
        let fd = runtime.as_raw_fd();
        let interest = mio::Interest::READABLE;
        host.registry().register(&mut SourceFd(&fd), mio::Token(0), interest).expect("a source");
        let mut events = mio::Events::with_capacity(1);
        host.poll(&mut events, Some(Duration::ZERO)).expect("a look");
        !events.is_empty()
    };
    let (handle, ran) = (runtime.handle(), Arc::new(AtomicU32::new(0)));
    let post = || {
        let (handle, ran) = (handle.clone(), ran.clone());
        let send = move || {
            handle.post(move || {
                ran.fetch_add(1, Ordering::Relaxed);
            });
        };
        thread::spawn(send).join().expect("it is sent");
    };
    let turn = || runtime.turn(Turn::NoWait).expect("a turn");
    post();
    assert!(is_readable(), "before the first turn");
    turn();
    assert!(!is_readable());
    runtime.block_on(async {});
    post();
    assert!(is_readable(), "after `block_on`");
    turn();
    assert_eq!(ran.load(Ordering::Relaxed), 2);
    let (waker, polls) = waiting(&runtime, &Arc::default(), Token::new(&Arc::default()));
    thread::spawn(move || waker.wake()).join().expect("the waking thread does not panic");
    assert!(is_readable(), "after `run_to_idle`");
    turn();
    assert!(!is_readable());
    assert_eq!(polls.get(), 2);
}

//! Models of the cross-thread protocol: the product's own cells, wakers, messages and core, on
//! loom's threads and atomics.
//!
//! A model fails on a leaked, doubly freed or used-after-free cell, on a leaked core, on a race of
//! `Life`'s local count, and when a future misses what happened before a wake of it.
//! `tests/mutants.sh` shows that it does. To run them:
//! `RUSTFLAGS="--cfg loom" cargo test -p lunation-executor --release --lib loom`.

use crate::handlers::Handlers;
use crate::task::cell;
use crate::task::inbox::{Inbox, Message, Pushed};
use crate::task::queue::{self, Core};
use crate::task::reference::{JoinRef, TaskRef};
use crate::task::waker;
use crate::unhandled::UnhandledPanic;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use lunation_context::{Activation, ResourceKind};
use lunation_reactor::{Notifier, Reactor};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Poll, Waker};

/// What `Runtime` and `EventLoop` do with a core, without phases and I/O.
struct Owner {
    core: RefCell<Option<Arc<Core>>>,
    threads: RefCell<Vec<thread::JoinHandle<()>>>,
    /// The first execution lets the threads go first.
    waits: bool,
}

/// Runs a model in all its executions, or in those with at most `preemptions`.
///
/// Twice: loom finds the other executions from the races in the ones it has seen, and overlooks
/// some (it forgets a load when the next thread loads too before it writes). Begun from both ends,
/// it meets them.
fn check(preemptions: Option<usize>, model: impl Fn(&Owner) + Clone + Send + Sync + 'static) {
    check_from(false, preemptions, model.clone());
    check_from(true, preemptions, model);
}

fn check_from(
    waits: bool,
    preemptions: Option<usize>,
    model: impl Fn(&Owner) + Send + Sync + 'static,
) {
    let notifier = Reactor::new().expect("a reactor").notifier();
    explore(preemptions, move || {
        let owner = Owner::new(notifier.clone(), waits);
        let core = Arc::downgrade(&owner.core());
        model(&owner);
        owner.end();
        owner.join();
        assert!(core.upgrade().is_none(), "the core leaks");
    });
}

/// Runs `model` in every execution and says how many there are.
fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let count = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    eprintln!("{executions} executions, preemption bound {preemptions:?}");
}

impl Owner {
    fn new(notifier: Notifier, waits: bool) -> Owner {
        let core = Core::new(notifier);
        // A panic inside of a task or a callback is one of the model: `end` passes it on.
        let mut handlers = Handlers::default();
        handlers.unhandled = Some(Box::new(|_| UnhandledPanic::Propagate));
        drop(core.failures.set_handlers(Some(Rc::new(handlers))));
        Owner { core: RefCell::new(Some(core)), threads: RefCell::default(), waits }
    }

    fn core(&self) -> Arc<Core> {
        self.core.borrow().clone().expect("the loop has not ended")
    }

    fn spawn<F: Future + 'static>(&self, future: F) -> JoinRef<F::Output> {
        let core = self.core();
        let _entered = queue::enter(&core);
        let activation = Activation::create(ResourceKind::Task, Location::caller());
        cell::spawn(&core, future, || activation)
    }

    /// Wakers of a new task without handle that ends with its poll number `last`, and the number
    /// of its polls.
    fn task<const N: usize>(&self, last: u32) -> ([Waker; N], Rc<Cell<u32>>) {
        let (wakers, polls) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
        let (sink, count) = (wakers.clone(), polls.clone());
        let handle = self.spawn(poll_fn(move |context| {
            count.set(count.get() + 1);
            if count.get() == 1 {
                sink.borrow_mut().extend((0..N).map(|_| context.waker().clone()));
            }
            if count.get() == last { Poll::Ready(()) } else { Poll::Pending }
        }));
        self.inside(|_| drop(handle));
        self.turn();
        let wakers: Result<[Waker; N], _> = wakers.take().try_into();
        (wakers.expect("the task was polled"), polls)
    }

    fn let_threads_go(&self) {
        if self.waits && !self.threads.borrow().is_empty() {
            thread::yield_now();
        }
    }

    /// Runs `f` inside the loop.
    fn inside<R>(&self, f: impl FnOnce(&Core) -> R) -> R {
        self.let_threads_go();
        let core = self.core();
        let _entered = queue::enter(&core);
        f(&core)
    }

    /// Takes what has arrived and drains the queues.
    fn turn(&self) {
        self.inside(|core| {
            while let Some(Message::Task(message)) = core.inbox.pop() {
                waker::accept(message, core);
            }
            core.drain();
        });
    }

    fn thread(&self, run: impl FnOnce() + 'static) {
        self.threads.borrow_mut().push(thread::spawn(run));
    }

    fn join(&self) {
        for thread in self.threads.take() {
            thread.join().expect("the thread has not panicked");
        }
    }

    /// The end of the runtime: `EventLoop::shut_down`, then `Core::close`, once.
    fn end(&self) {
        let Some(core) = self.core.take() else { return };
        self.let_threads_go();
        let entered = queue::enter(&core);
        core.begin_closing();
        cell::cancel_all(&core);
        while core.discard_one() {}
        while let Some(Message::Task(message)) = core.inbox.pop() {
            waker::accept(message, &core);
            while core.discard_one() {}
        }
        while !core.failures.is_empty() {
            core.failures.handle_next();
        }
        drop(entered);
        let panic = core.failures.take_panic();
        core.close();
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

/// 1. Clones and drops on both sides at once.
#[test]
fn loom_clone_and_drop() {
    check(None, |owner| {
        let ([mine, theirs], _) = owner.task(9);
        owner.thread(move || {
            let clone = theirs.clone();
            drop(theirs);
            drop(clone);
        });
        owner.inside(|_| {
            let clone = mine.clone();
            drop(mine);
            drop(clone);
        });
        owner.turn();
        owner.join();
        owner.turn();
    });
}

/// 2. A wake while the task completes: the poll may have happened already, or be its cause.
#[test]
fn loom_wake_and_completion() {
    check(None, |owner| {
        let ([mine, theirs], polls) = owner.task(2);
        owner.thread(move || {
            theirs.wake_by_ref();
            theirs.wake();
        });
        owner.inside(|_| mine.wake());
        owner.turn();
        owner.join();
        owner.turn();
        assert_eq!(polls.get(), 2);
    });
}

/// 3. The end of the runtime while a foreign thread wakes, clones and drops.
#[test]
fn loom_close_and_wake() {
    check(Some(3), |owner| {
        let ([mine, theirs], _) = owner.task(9);
        owner.thread(move || {
            theirs.wake_by_ref();
            let clone = theirs.clone();
            drop(theirs);
            clone.wake();
        });
        owner.end();
        // Outside of the loop the owner's thread is a foreign one.
        mine.wake();
    });
}

/// 3. As above, without a wake: only counts.
#[test]
fn loom_close_and_drop() {
    check(Some(3), |owner| {
        let ([mine, theirs, other], _) = owner.task(9);
        owner.thread(move || {
            drop(theirs.clone());
            drop(theirs);
            drop(other);
        });
        owner.inside(|_| drop(mine));
        owner.end();
    });
}

/// 4. Two foreign threads.
#[test]
fn loom_two_threads() {
    check(Some(3), |owner| {
        let ([first, second], polls) = owner.task(9);
        owner.thread(move || {
            let clone = first.clone();
            drop(first);
            clone.wake();
        });
        owner.thread(move || {
            second.wake_by_ref();
            drop(second);
        });
        owner.turn();
        owner.join();
        owner.turn();
        assert!(polls.get() >= 2);
    });
}

/// 5. A waker that a foreign thread cloned comes back to the owner.
#[test]
fn loom_waker_returned() {
    check(None, |owner| {
        let ([theirs], polls) = owner.task(2);
        let back = Rc::new(RefCell::new(None));
        let (full, place) = (Arc::new(AtomicBool::new(false)), back.clone());
        let tell = full.clone();
        owner.thread(move || {
            place.replace(Some(theirs.clone()));
            tell.store(true, Ordering::Release);
            drop(theirs);
        });
        if full.load(Ordering::Acquire) {
            let waker = back.take().expect("it has come back");
            owner.inside(|_| waker.wake());
        }
        owner.turn();
        owner.join();
        let waker = back.take();
        owner.inside(|_| waker.map(Waker::wake));
        owner.turn();
        assert_eq!(polls.get(), 2);
    });
}

/// 6. The owner gives back its last reference while foreign ones are left.
#[test]
fn loom_merged() {
    check(None, |owner| {
        let ([theirs], polls) = owner.task(2);
        owner.thread(move || {
            let clone = theirs.clone();
            clone.wake_by_ref();
            drop(theirs);
            let last = clone.clone();
            drop(clone);
            drop(last);
        });
        owner.turn();
        owner.turn();
        owner.join();
        owner.turn();
        assert_eq!(polls.get(), 2);
    });
}

/// 7. The end of the runtime after that: nothing is merged twice.
#[test]
fn loom_close_after_merged() {
    check(Some(3), |owner| {
        let ([theirs], _) = owner.task(2);
        // Sent back and forth until the owner has no reference left: see `loom_merged`.
        let clone = theirs.clone();
        clone.wake_by_ref();
        owner.turn();
        owner.thread(move || {
            drop(theirs);
            clone.wake();
        });
        owner.turn();
        owner.end();
    });
}

/// 8. What happened before a wake is seen by the poll that it causes, also by a wake that finds
/// another one under way.
#[test]
fn loom_visibility() {
    check(Some(3), |owner| {
        let wrote = [Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false))];
        let (out, seen) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new([false; 2])));
        let (sink, look, eyes) = (out.clone(), wrote.clone(), seen.clone());
        let handle = owner.spawn(poll_fn(move |context| {
            sink.borrow_mut().push(context.waker().clone());
            eyes.set([0, 1].map(|at: usize| look[at].load(Ordering::Relaxed)));
            Poll::<()>::Pending
        }));
        owner.turn();
        let waker = out.take().remove(0);
        for wrote in wrote {
            let waker = waker.clone();
            owner.thread(move || {
                wrote.store(true, Ordering::Relaxed);
                waker.wake_by_ref();
            });
        }
        owner.turn();
        owner.join();
        owner.turn();
        drop(handle);
        owner.end();
        assert_eq!(seen.get(), [true; 2]);
    });
}

/// 9. Two foreign threads and the end of the runtime.
#[test]
fn loom_two_threads_and_close() {
    let model = |owner: &Owner| {
        let ([first, second], _) = owner.task(9);
        owner.thread(move || {
            first.wake_by_ref();
            drop(first);
        });
        owner.thread(move || {
            let clone = second.clone();
            drop(second);
            clone.wake();
        });
        owner.turn();
        owner.end();
    };
    check_from(false, Some(3), model);
    check_from(true, Some(2), model);
}

/// 10. The owner gives back its last reference while a wake is under way, which then has the last.
#[test]
fn loom_wake_is_last() {
    check(None, |owner| {
        let ([mine, other], polls) = owner.task(2);
        // Outside of the loop: counted as foreign.
        let theirs = other.clone();
        owner.inside(|_| drop(other));
        owner.thread(move || theirs.wake());
        owner.inside(|core| {
            mine.wake();
            core.drain();
        });
        owner.join();
        owner.turn();
        assert_eq!(polls.get(), 2);
    });
}

/// 10. As above, when `local` was merged before.
#[test]
fn loom_wake_is_last_after_merged() {
    check(None, |owner| {
        let ([mine], polls) = owner.task(2);
        let (theirs, other) = (mine.clone(), mine.clone());
        owner.inside(|core| {
            mine.wake();
            core.drain();
        });
        owner.thread(move || theirs.wake());
        owner.inside(|_| drop(other));
        owner.join();
        owner.turn();
        assert_eq!(polls.get(), 2);
    });
}

/// Handles on a foreign thread: its messages against the task's own completion and the end.
#[test]
fn loom_handles() {
    check(Some(3), |owner| {
        let (polls, dropped) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (count, output) = (polls.clone(), CountDrop(dropped.clone()));
        let handle = owner.spawn(async move {
            count.set(count.get() + 1);
            output
        });
        owner.thread(move || {
            let abort: TaskRef = handle.task().clone();
            abort.abort();
            let _either = abort.is_complete();
            drop(handle);
        });
        owner.turn();
        owner.end();
        assert!(polls.get() <= 1);
        assert_eq!(dropped.get(), 1, "future or output is dropped once, on the owner's thread");
    });
}

struct CountDrop(Rc<Cell<u32>>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// A loop that goes to sleep never misses a message.
#[test]
fn loom_sleep() {
    explore(Some(3), || {
        let inbox = Arc::new(Inbox::new());
        inbox.woke_up();
        let owner = thread::current();
        for key in 1..=2 {
            let (inbox, owner) = (inbox.clone(), owner.clone());
            thread::spawn(move || match inbox.push(Message::Done(key, None)) {
                Pushed::WakeOwner => owner.unpark(),
                Pushed::Quiet => {}
                Pushed::Closed(_) => panic!("nobody has closed it"),
            });
        }
        let mut sum = 0;
        while sum < 3 {
            if inbox.prepare_sleep() {
                // A lost wake-up is a deadlock here, which loom reports.
                thread::park();
                inbox.woke_up();
            }
            while let Some(Message::Done(key, _)) = inbox.pop() {
                sum += key;
            }
        }
    });
}

//! Every way in which a task can end, crossed with every other: panic x abort x handle x wake x
//! end of the runtime. What must have happened is computed by [`Case::expected`].

use lunation_context::{AsyncLocalStorage, execution_async_id};
use lunation_executor::{
    AbortHandle, JoinError, JoinHandle, Runtime, UnhandledPanic, immediate, microtask, spawn,
};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Panics {
    Never,
    Poll1,
    Poll2,
    FutureDrop,
    OutputDrop,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Abort {
    Never,
    BeforeFirstPoll,
    WhilePending,
    WhileRunning,
    /// Of a task that does not complete: after the end of the runtime.
    AfterCompletion,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Handle {
    /// Polled once, if the task does not complete.
    Awaited,
    DroppedAtOnce,
    DroppedAfterCompletion,
    KeptBeyondRuntime,
    /// The `JoinHandle` is dropped at once, the `AbortHandle` is kept beyond the runtime.
    AbortHandleKept,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wake {
    SelfByRef,
    SelfByValue,
    OtherThread,
    /// By itself, and once more when all is over.
    AfterCompletion,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// The wake comes after the end.
    WhilePending,
    AfterCompletion,
    WhileQueued,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    panics: Panics,
    abort: Abort,
    handle: Handle,
    wake: Wake,
    end: End,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Counts {
    /// Polls of the future.
    polls: u32,
    /// Times the task was taken from the queue to be polled or cancelled.
    runs: u64,
    /// Jobs in the microtask queue after the first poll.
    queued: usize,
    future_drops: u32,
    outputs: u32,
    output_drops: u32,
    unhandled: u32,
    joined: Option<&'static str>,
    /// The store, and whether the task was the running resource, in each destructor.
    seen: Vec<(&'static str, Option<&'static str>, bool)>,
}

impl Case {
    fn all() -> impl Iterator<Item = Case> {
        use {Abort as A, End as E, Handle as H, Panics as P, Wake as W};
        let panics = [P::Never, P::Poll1, P::Poll2, P::FutureDrop, P::OutputDrop];
        let aborts =
            [A::Never, A::BeforeFirstPoll, A::WhilePending, A::WhileRunning, A::AfterCompletion];
        let handles = [
            H::Awaited,
            H::DroppedAtOnce,
            H::DroppedAfterCompletion,
            H::KeptBeyondRuntime,
            H::AbortHandleKept,
        ];
        let wakes = [W::SelfByRef, W::SelfByValue, W::OtherThread, W::AfterCompletion];
        let ends = [E::WhilePending, E::AfterCompletion, E::WhileQueued];
        panics.into_iter().flat_map(move |panics| {
            aborts.into_iter().flat_map(move |abort| {
                handles.into_iter().flat_map(move |handle| {
                    wakes.into_iter().flat_map(move |wake| {
                        ends.map(|end| Case { panics, abort, handle, wake, end })
                    })
                })
            })
        })
    }

    /// What must happen.
    fn expected(self) -> Counts {
        let polled = self.abort != Abort::BeforeFirstPoll;
        let ends_in_first_run =
            !polled || self.abort == Abort::WhileRunning || self.panics == Panics::Poll1;
        let completes = self.end == End::AfterCompletion;
        let second_run = completes && !ends_in_first_run;
        let second_poll = second_run && self.abort != Abort::WhilePending;
        let wakes_in_poll = self.end != End::WhilePending && self.wake != Wake::OtherThread;
        let aborts_pending = self.abort == Abort::WhilePending && !ends_in_first_run;
        let output = second_poll && self.panics != Panics::Poll2;
        let panicked = match self.panics {
            Panics::Never => false,
            Panics::Poll1 => polled,
            Panics::Poll2 => second_poll,
            Panics::FutureDrop => true,
            Panics::OutputDrop => output,
        };
        let awaited = self.handle == Handle::Awaited && (completes || ends_in_first_run);
        let kept = output && self.panics != Panics::FutureDrop;
        let mut seen = vec![("future", Some("task"), true)];
        if output && awaited && kept {
            seen.push(("output", Some("main"), false));
        } else if output {
            seen.push(("output", Some("task"), true));
        }
        Counts {
            polls: u32::from(polled) + u32::from(second_poll),
            runs: 1 + u64::from(second_run),
            queued: usize::from(polled && wakes_in_poll || aborts_pending),
            future_drops: 1,
            outputs: u32::from(output),
            output_drops: u32::from(output),
            unhandled: u32::from(panicked && !awaited),
            joined: awaited.then_some(match panicked {
                _ if kept => "output",
                true => "panic",
                false => "cancelled",
            }),
            seen,
        }
    }
}

static STORE: AsyncLocalStorage<&'static str> = AsyncLocalStorage::new();

/// What the parts of a case share.
struct Shared {
    case: Case,
    counts: RefCell<Counts>,
    waker: RefCell<Option<Waker>>,
    abort: RefCell<Option<AbortHandle>>,
}

impl Shared {
    /// In a destructor.
    fn saw(&self, what: &'static str) {
        let task = self.abort.borrow().as_ref().map(AbortHandle::async_id);
        let inside = task == Some(execution_async_id());
        self.counts.borrow_mut().seen.push((what, STORE.cloned(), inside));
    }
}

/// Panics without the report on standard error.
fn throw() -> ! {
    resume_unwind(Box::new("product"))
}

struct Task(Rc<Shared>);
struct Output(Rc<Shared>);

impl Future for Task {
    type Output = Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Output> {
        let shared = &self.0;
        let case = shared.case;
        let polls = {
            let mut counts = shared.counts.borrow_mut();
            counts.polls += 1;
            counts.polls
        };
        if polls == 2 {
            if case.panics == Panics::Poll2 {
                throw();
            }
            shared.counts.borrow_mut().outputs += 1;
            return Poll::Ready(Output(shared.clone()));
        }
        let waker = context.waker().clone();
        if case.wake == Wake::AfterCompletion || case.end == End::WhilePending {
            shared.waker.replace(Some(waker.clone()));
        }
        if case.end != End::WhilePending {
            match case.wake {
                Wake::SelfByRef => context.waker().wake_by_ref(),
                Wake::SelfByValue | Wake::AfterCompletion => waker.wake(),
                Wake::OtherThread => thread::spawn(|| waker.wake()).join().unwrap(),
            }
        }
        if case.abort == Abort::WhileRunning {
            shared.abort.borrow().as_ref().unwrap().abort();
        }
        if case.panics == Panics::Poll1 {
            throw();
        }
        Poll::Pending
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.saw("future");
        self.0.counts.borrow_mut().future_drops += 1;
        if self.0.case.panics == Panics::FutureDrop {
            throw();
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.0.saw("output");
        self.0.counts.borrow_mut().output_drops += 1;
        if self.0.case.panics == Panics::OutputDrop {
            throw();
        }
    }
}

/// What survives the runtime.
#[derive(Default)]
struct Kept {
    handle: Option<JoinHandle<Output>>,
    abort: Option<AbortHandle>,
}

async fn main(runtime: &Runtime, shared: Rc<Shared>) -> Kept {
    let case = shared.case;
    let handle = STORE.run("task", || spawn(Task(shared.clone())));
    let abort = handle.abort_handle();
    shared.abort.replace(Some(abort.clone()));
    if case.abort == Abort::BeforeFirstPoll {
        abort.abort();
    }
    let mut handle = Some(handle);
    if matches!(case.handle, Handle::DroppedAtOnce | Handle::AbortHandleKept) {
        handle = None;
    }
    microtask().await;
    if case.abort == Abort::WhilePending {
        abort.abort();
    }
    shared.counts.borrow_mut().queued = runtime.metrics().microtasks_queued;
    if case.end == End::AfterCompletion {
        complete(&shared, &mut handle).await;
    } else if case.handle == Handle::Awaited {
        let mut handle = pin!(handle.take().unwrap());
        poll_fn(|context| {
            // Ready if the task ended in its first run.
            let joined = handle.as_mut().poll(context);
            shared.counts.borrow_mut().joined = joined_as(joined);
            Poll::Ready(())
        })
        .await;
    }
    Kept { handle, abort: (case.handle == Handle::AbortHandleKept).then_some(abort) }
}

/// Lets the task end, and does what is to follow that.
async fn complete(shared: &Shared, handle: &mut Option<JoinHandle<Output>>) {
    let case = shared.case;
    if case.handle == Handle::Awaited {
        let result = handle.take().unwrap().await;
        shared.counts.borrow_mut().joined = joined_as(Poll::Ready(result));
    }
    // A wake of another thread arrives with the next poll phase, its poll follows that.
    immediate().await;
    immediate().await;
    if case.handle == Handle::DroppedAfterCompletion {
        *handle = None;
    }
    if case.abort == Abort::AfterCompletion {
        shared.abort.borrow().as_ref().unwrap().abort();
    }
    if case.wake == Wake::AfterCompletion
        && let Some(waker) = shared.waker.take()
    {
        waker.wake();
    }
    microtask().await;
}

/// What became of a handle; drops an output here, in main's context.
fn joined_as(joined: Poll<Result<Output, JoinError>>) -> Option<&'static str> {
    let Poll::Ready(result) = joined else { return None };
    Some(match result {
        Ok(output) => {
            let _panic = catch_unwind(AssertUnwindSafe(|| drop(output)));
            "output"
        }
        Err(JoinError::Cancelled) => "cancelled",
        Err(JoinError::Panicked(_)) => "panic",
    })
}

fn run(case: Case) -> Counts {
    let shared = Rc::new(Shared {
        case,
        counts: RefCell::default(),
        waker: RefCell::default(),
        abort: RefCell::default(),
    });
    let unhandled = Rc::new(Cell::new(0));
    let count = unhandled.clone();
    let runtime = Runtime::builder()
        .on_unhandled(move |_| {
            count.set(count.get() + 1);
            UnhandledPanic::Continue
        })
        .build()
        .unwrap();
    let polls_of_main = Cell::new(0);
    let kept = STORE.run("main", || {
        let mut main = pin!(main(&runtime, shared.clone()));
        runtime.block_on(poll_fn(|context| {
            polls_of_main.set(polls_of_main.get() + 1);
            main.as_mut().poll(context)
        }))
    });
    shared.counts.borrow_mut().runs = runtime.metrics().polls - polls_of_main.get();
    drop(runtime);
    after_the_end(&shared, kept);
    let mut counts = shared.counts.take();
    counts.unhandled = unhandled.get();
    assert_eq!(Rc::strong_count(&shared), 1, "something leaks in {case:?}");
    counts
}

/// What is left of the task finds that there is nothing left to do.
fn after_the_end(shared: &Shared, kept: Kept) {
    if shared.case.abort == Abort::AfterCompletion {
        shared.abort.borrow().as_ref().unwrap().abort();
    }
    drop(shared.abort.take());
    if let Some(waker) = shared.waker.take() {
        match shared.case.wake {
            Wake::SelfByRef => waker.wake_by_ref(),
            Wake::SelfByValue | Wake::AfterCompletion => waker.wake(),
            Wake::OtherThread => thread::spawn(|| waker.wake()).join().unwrap(),
        }
    }
    if let Some(handle) = kept.handle {
        assert!(handle.is_finished());
        let mut handle = pin!(handle);
        let result = handle.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(result, Poll::Ready(Err(JoinError::Cancelled))));
    }
    if let Some(abort) = kept.abort {
        assert!(abort.is_finished());
        abort.abort();
    }
}

#[test]
fn full_product() {
    for case in Case::all() {
        assert_eq!(run(case), case.expected(), "{case:?}");
    }
    assert_eq!(Case::all().count(), 1500);
}

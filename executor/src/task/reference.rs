//! Counted references to tasks: those of join and abort handles.
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::task::error::{JoinError, Payload};
use crate::task::header::TaskHeader;
use crate::task::inbox::Verb;
use crate::task::queue::Core;
use crate::task::waker;
use lunation_context::AsyncId;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, needs_drop};
use std::ptr::NonNull;
use std::task::{Poll, Waker};

/// Keeps the waker of whoever awaits a task.
#[inline(never)]
#[track_caller]
fn await_end(header: &TaskHeader, waker: &Waker) {
    assert!(!header.life.is_complete(), "a JoinHandle was polled after it had given its output");
    let (keep, old) = match header.joiner.take() {
        Some(joiner) if joiner.will_wake(waker) => (joiner, None),
        joiner => (waker.clone(), joiner),
    };
    if header.life.is_complete() {
        // The clone was foreign code, and has turned the loop: the end found no joiner.
        keep.wake();
    } else {
        header.joiner.set(Some(keep));
    }
    drop(old);
}

/// A counted reference to a task, usable on any thread.
#[derive(Debug)]
pub(crate) struct TaskRef {
    task: NonNull<TaskHeader>,
}

// SAFETY: what a foreign thread does through a `TaskRef` is what a waker does there: counts and
// messages (rule 4), and reading `life`'s state, which is atomic. Futures, outputs and contexts
// are touched on the owner thread only.
unsafe impl Send for TaskRef {}
// SAFETY: as above; all operations take `&self` and are made of atomics and messages.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    fn header(&self) -> &TaskHeader {
        // SAFETY: the reference that `self` owns keeps the cell alive.
        unsafe { self.task.as_ref() }
    }

    /// The task's loop, if this thread is inside of it.
    fn core(&self) -> Option<&Core> {
        let owner = self.header().owner;
        // SAFETY: we are inside that loop.
        owner.is_current().then(|| unsafe { owner.core() })
    }

    /// The task's id. On any thread: it never changes.
    pub(crate) fn id(&self) -> AsyncId {
        self.header().header.activation.id()
    }

    /// Whether the task has ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.header().life.is_complete()
    }

    /// Why there is no output: not yet, or never, then with the payload of a panic.
    ///
    /// # Panics
    /// Off the loop, and when the output was taken before.
    #[inline(never)]
    #[track_caller]
    fn poll_without_output(&self, waker: &Waker) -> Poll<Option<Payload>> {
        let header = self.header();
        if !header.owner.is_current() {
            self.assert_cancelled_by_the_end();
            return Poll::Ready(None);
        }
        let Some(outcome) = header.life.take_outcome() else {
            await_end(header, waker);
            return Poll::Pending;
        };
        // SAFETY: we have just won the outcome, which is no output.
        let payload = unsafe { TaskHeader::read_payload(self.task, outcome) };
        self.release_frame();
        Poll::Ready(payload)
    }

    #[track_caller]
    fn assert_cancelled_by_the_end(&self) {
        // SAFETY: our reference keeps the cell, and the cell its core.
        let core = unsafe { self.header().owner.core() };
        assert!(
            core.inbox.is_closed(),
            "a JoinHandle was polled outside of the runtime that its task runs in: await it \
             there, in `block_on` or in a task"
        );
    }

    /// Drops what the task has left of its context; inside its loop.
    fn release_frame(&self) {
        if let Some(core) = self.core() {
            waker::drop_frame(core, &self.header().header.activation);
        }
    }

    /// Marks the task for cancellation.
    pub(crate) fn abort(&self) {
        match self.core() {
            Some(core) => waker::abort_local(self.task, core),
            None => {
                self.header().life.clone_remote();
                // SAFETY: the reference made in the line above goes with the message.
                unsafe { waker::send_remote(Verb::Abort, self.task) };
            }
        }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> TaskRef {
        match self.core() {
            Some(_) => self.header().life.clone_local(),
            None => self.header().life.clone_remote(),
        }
        TaskRef { task: self.task }
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        match self.core() {
            // SAFETY: our reference, given back once.
            Some(core) => unsafe { waker::drop_local(self.task, core) },
            // SAFETY: as above.
            None => unsafe { waker::drop_remote(self.task) },
        }
    }
}

/// The reference of a `JoinHandle`: it alone may read the output.
#[derive(Debug)]
pub(crate) struct JoinRef<T> {
    task: ManuallyDrop<TaskRef>,
    _output: PhantomData<T>,
}

impl<T> JoinRef<T> {
    /// # Safety
    /// The cell's future has the output `T`; `Life` knows of the handle, and the caller passes
    /// a reference.
    pub(crate) unsafe fn new(task: NonNull<TaskHeader>) -> JoinRef<T> {
        JoinRef { task: ManuallyDrop::new(TaskRef { task }), _output: PhantomData }
    }

    /// The task, for what every reference may do.
    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Takes the output, or keeps the waker until it is there.
    ///
    /// # Panics
    /// Off the loop, and when the output was taken before.
    // Inlined, so that an output goes from its cell to where it is used without a stop on the
    // stack: what is written there in parts and read as a whole at once makes the processor wait.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        let header = self.task.header();
        if header.owner.is_current() && header.life.take_output() {
            // SAFETY: we have just won the outcome; `T` is the output of the cell's future
            // (contract of `new`).
            let output = unsafe { TaskHeader::read_output(self.task.task) };
            // What needs no drop has left no frame behind.
            if needs_drop::<T>() {
                self.task.release_frame();
            }
            return Poll::Ready(Ok(output));
        }
        self.task.poll_without_output(waker).map(|payload| Err(JoinError::without_output(payload)))
    }
}

impl<T> Drop for JoinRef<T> {
    fn drop(&mut self) {
        let task = self.task.task;
        match self.task.core() {
            // SAFETY: the handle's reference, which `ManuallyDrop` keeps from being given back
            // twice.
            Some(core) => unsafe { waker::detach_local(task, core) },
            // SAFETY: as above; the message carries it.
            None => unsafe { waker::send_last_remote(Verb::Detach, task) },
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::event_loop::Turn;
    use crate::runtime::Runtime;
    use crate::spawn::spawn;
    use std::cell::Cell;
    use std::future::Future;
    use std::pin::pin;
    use std::ptr;
    use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

    /// What a foreign waker points to, whose clone turns the loop.
    struct Turning {
        runtime: Runtime,
        wakes: Cell<u32>,
    }

    impl Turning {
        const VTABLE: RawWakerVTable =
            RawWakerVTable::new(Turning::clone, Turning::wake, Turning::wake, |_| ());

        unsafe fn clone(data: *const ()) -> RawWaker {
            // SAFETY: it outlives its wakers.
            let turning = unsafe { &*data.cast::<Turning>() };
            turning.runtime.turn(Turn::NoWait).expect("a turn");
            RawWaker::new(data, &Turning::VTABLE)
        }

        unsafe fn wake(data: *const ()) {
            // SAFETY: it outlives its wakers.
            let turning = unsafe { &*data.cast::<Turning>() };
            turning.wakes.set(turning.wakes.get() + 1);
        }
    }

    #[test]
    fn a_task_that_ends_while_its_joiner_is_cloned_wakes_it() {
        let turning = Turning { runtime: Runtime::new(), wakes: Cell::new(0) };
        // SAFETY: the functions need but the data, which is alive; they stay on this thread.
        let waker = unsafe { Waker::new(ptr::from_ref(&turning).cast(), &Turning::VTABLE) };
        let mut context = Context::from_waker(&waker);
        turning.runtime.enter(|| {
            let mut handle = pin!(spawn(async { 7 }));
            assert!(handle.as_mut().poll(&mut context).is_pending());
            assert_eq!(turning.wakes.get(), 1);
            assert!(matches!(handle.as_mut().poll(&mut context), Poll::Ready(Ok(7))));
        });
    }
}

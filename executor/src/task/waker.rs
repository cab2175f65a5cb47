//! References to tasks: wakers, join and abort handles, and what becomes of their messages.
//!
//! Each operation asks once whether it is on the owner thread, and goes on in that world.
#![allow(unsafe_code, reason = "the RawWaker contract; see the unsafe fence in ARCHITECTURE.md")]

use crate::task::error::JoinError;
use crate::task::header::{Owner, TaskHeader};
use crate::task::life::{Dropped, Life, RemoteDropped, Schedule};
use crate::task::queue::{Core, Message, TaskMessage, Verb, current_owner};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

/// One table for all tasks of the program, so that `will_wake` works.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker for the time of one poll: it borrows the scheduler's reference (rule 7).
///
/// # Safety
/// The task is alive for as long as the waker is used.
#[inline]
pub(crate) unsafe fn borrowed(task: NonNull<TaskHeader>) -> ManuallyDrop<Waker> {
    // SAFETY: the table is written for pointers to task headers; the reference that `Waker` would
    // give back on drop is never taken, and never given back (ManuallyDrop).
    ManuallyDrop::new(unsafe { Waker::new(task.as_ptr().cast_const().cast(), &VTABLE) })
}

/// The task behind a waker's data pointer.
fn task(data: *const ()) -> NonNull<TaskHeader> {
    NonNull::new(data.cast_mut().cast()).expect("a waker's data is a task")
}

/// Wakes a task on its owner thread.
#[inline]
pub(crate) fn schedule(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: callers hold a reference.
    if unsafe { TaskHeader::life(task) }.schedule() == Schedule::Enqueue {
        // SAFETY: the task is alive until popped: the scheduler's reference, which passes to the
        // entry if the task completes meanwhile (rule 5); the SCHEDULED bit, which was clear, says
        // that it stands in no queue.
        unsafe { core.microtasks.push(task.cast()) };
    }
}

/// Takes a reference on the owner thread, of the first cell in the list, from `at` on, that has
/// any. One that has none, whose `Free` message is under way, stays in the list until it arrives.
pub(crate) fn hold_first(mut at: Option<NonNull<TaskHeader>>) -> Option<NonNull<TaskHeader>> {
    while let Some(task) = at {
        // SAFETY: cells in the list are not freed.
        let header = unsafe { task.as_ref() };
        if header.life.try_clone_local() {
            break;
        }
        at = header.following.get();
    }
    at
}

/// Gives back a reference on the owner thread.
///
/// # Safety
/// The caller owns the reference; we are inside the task's loop.
#[inline]
pub(crate) unsafe fn drop_local(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: alive by the reference.
    if unsafe { TaskHeader::life(task) }.drop_local() == Dropped::Last {
        // SAFETY: that was the last reference.
        unsafe { free(task, core) };
    }
}

/// Frees a cell on the owner thread.
///
/// # Safety
/// No reference is left; future and output are gone.
pub(crate) unsafe fn free(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: every cell is in the list from its creation to this call.
    unsafe { core.cells.unlink(task) };
    // SAFETY: the cell is ours alone now.
    let layout = unsafe { task.as_ref() }.header.vtable.layout;
    // SAFETY: the header is initialised and not used again. What its drop runs (user values in
    // a frame or a resource's extensions) finds a cell that nobody can reach any more.
    unsafe { task.drop_in_place() };
    // SAFETY: the memory came from this pool with the layout of the cell's table.
    unsafe { core.pool.free(task.cast(), layout) };
}

/// Sends a message about a task.
///
/// # Safety
/// The caller owns the reference (or right) that the message carries.
#[cold]
#[inline(never)]
pub(crate) unsafe fn send_remote(verb: Verb, task: NonNull<TaskHeader>) {
    // SAFETY: alive by the reference that the message carries.
    let owner = unsafe { TaskHeader::owner(task) };
    // SAFETY: as above. The clone keeps the core beyond the push, after which the receiver may
    // free the cell and with it the last hold on the core.
    let core = unsafe { owner.arc() };
    core.send_remote(Message::Task(TaskMessage { verb, task }));
}

/// Gives back a reference on a foreign thread.
///
/// # Safety
/// The caller owns the reference.
#[cold]
#[inline(never)]
pub(crate) unsafe fn drop_remote(task: NonNull<TaskHeader>) {
    // SAFETY: alive by the reference.
    match unsafe { TaskHeader::life(task) }.drop_remote() {
        RemoteDropped::Alive => {}
        // SAFETY: ours was the last reference, so the right to free is ours to send.
        RemoteDropped::SendFree => unsafe { send_remote(Verb::Free, task) },
        // SAFETY: the reference was not given back: the message carries it.
        RemoteDropped::SendDrop => unsafe { send_remote(Verb::Drop, task) },
    }
}

#[cold]
#[inline(never)]
fn wake_remote(task: NonNull<TaskHeader>) {
    // SAFETY: the waker that calls us holds a reference.
    if unsafe { TaskHeader::life(task) }.notify_remote() {
        // SAFETY: `notify_remote` has added the reference that the message carries.
        unsafe { send_remote(Verb::Wake, task) };
    }
}

// The four functions of the table.
//
// Safety of all: `data` is a `NonNull<TaskHeader>` and the waker owns a reference to it, or
// borrows one for longer than the call; `clone` gives its result a reference of its own, `wake`
// and `drop_waker` consume theirs.

unsafe fn clone(data: *const ()) -> RawWaker {
    let task = task(data);
    // SAFETY: the waker's reference keeps the cell alive.
    let owner = unsafe { TaskHeader::owner(task) };
    // SAFETY: as above.
    let life = unsafe { TaskHeader::life(task) };
    if owner == current_owner() {
        life.clone_local();
    } else {
        life.clone_remote();
    }
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    let task = task(data);
    // SAFETY: the waker's reference keeps the cell alive.
    let owner = unsafe { TaskHeader::owner(task) };
    if owner == current_owner() {
        // SAFETY: we are inside that loop.
        let core = unsafe { owner.core() };
        schedule(task, core);
        // SAFETY: `wake` consumes the waker's reference.
        unsafe { drop_local(task, core) };
    } else {
        wake_remote(task);
        // SAFETY: `wake` consumes the waker's reference.
        unsafe { drop_remote(task) };
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    let task = task(data);
    // SAFETY: the waker's reference keeps the cell alive.
    let owner = unsafe { TaskHeader::owner(task) };
    if owner == current_owner() {
        // SAFETY: we are inside that loop.
        schedule(task, unsafe { owner.core() });
    } else {
        wake_remote(task);
    }
}

unsafe fn drop_waker(data: *const ()) {
    let task = task(data);
    // SAFETY: the waker's reference keeps the cell alive.
    let owner = unsafe { TaskHeader::owner(task) };
    if owner == current_owner() {
        // SAFETY: we are inside that loop.
        let core = unsafe { owner.core() };
        // SAFETY: we own the waker's reference.
        unsafe { drop_local(task, core) };
    } else {
        // SAFETY: we own the waker's reference.
        unsafe { drop_remote(task) };
    }
}

/// Does on the owner thread what a message asks for.
pub(crate) fn accept(message: TaskMessage, core: &Core) {
    let TaskMessage { verb, task } = message;
    // SAFETY: the message carries a reference, or the right to free.
    let life = unsafe { &task.as_ref().life };
    match verb {
        Verb::Wake => {
            life.take_notification_remote();
            schedule(task, core);
        }
        Verb::Abort => abort_local(task, core),
        // SAFETY: the message carries the reference of the `JoinHandle`.
        Verb::Detach => return unsafe { detach_local(task, core) },
        // SAFETY: the message carries the right to free.
        Verb::Free => return unsafe { free(task, core) },
        Verb::Drop => {}
    }
    // References are fungible: that of the message is given back by the owner's rule (rule 3).
    // SAFETY: the message's reference, given back once.
    unsafe { drop_local(task, core) };
}

fn abort_local(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: callers hold a reference.
    if unsafe { TaskHeader::life(task) }.abort() == Schedule::Enqueue {
        // SAFETY: as in `schedule`.
        unsafe { core.microtasks.push(task.cast()) };
    }
}

/// The end of a `JoinHandle`: an unread output is dropped in the task's resource.
///
/// # Safety
/// The caller owns the handle's reference; we are inside the task's loop.
unsafe fn detach_local(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: alive by the reference.
    let header = unsafe { task.as_ref() };
    header.life.detach();
    discard_output(header, core);
    let joiner = header.joiner.take();
    core.guard(&header.header.activation, move || drop(joiner));
    // SAFETY: the handle's reference, given back once.
    unsafe { drop_local(task, core) };
}

/// Drops an unread output in the task's resource, and then its frame.
pub(crate) fn discard_output(header: &TaskHeader, core: &Core) {
    if header.life.take_output() {
        // SAFETY: we have won `take_output`, inside the loop; the reference is alive for the call.
        unsafe { (header.ops().drop_output)(NonNull::from(header), core.owner()) };
        release_frame(header, core);
    }
}

fn release_frame(header: &TaskHeader, core: &Core) {
    let frame = header.header.activation.take_frame();
    core.guard(&header.header.activation, move || drop(frame));
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
    fn life(&self) -> &Life {
        // SAFETY: the reference that `self` owns keeps the cell alive.
        unsafe { TaskHeader::life(self.task) }
    }

    fn owner(&self) -> Owner {
        // SAFETY: as above.
        unsafe { TaskHeader::owner(self.task) }
    }

    /// The task's loop, if this thread is inside of it.
    fn core(&self) -> Option<&Core> {
        let owner = self.owner();
        // SAFETY: we are inside that loop.
        (owner == current_owner()).then(|| unsafe { owner.core() })
    }

    /// Whether the task has ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.life().is_complete()
    }

    /// Marks the task for cancellation.
    pub(crate) fn abort(&self) {
        match self.core() {
            Some(core) => abort_local(self.task, core),
            None => {
                self.life().clone_remote();
                // SAFETY: the reference made in the line above goes with the message.
                unsafe { send_remote(Verb::Abort, self.task) };
            }
        }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> TaskRef {
        match self.core() {
            Some(_) => self.life().clone_local(),
            None => self.life().clone_remote(),
        }
        TaskRef { task: self.task }
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        match self.core() {
            // SAFETY: our reference, given back once.
            Some(core) => unsafe { drop_local(self.task, core) },
            // SAFETY: as above.
            None => unsafe { drop_remote(self.task) },
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
    /// The cell's future has the output `T`; the HANDLE bit is set, and the caller passes a
    /// reference.
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
    #[track_caller]
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        let Some(core) = self.task.core() else {
            return Poll::Ready(Err(self.cancelled_by_the_end()));
        };
        // SAFETY: our reference keeps the cell alive, and we are inside its loop.
        let header = unsafe { self.task.task.as_ref() };
        if !header.life.is_complete() {
            let joiner = header.joiner.take();
            let (keep, old) = match joiner {
                Some(joiner) if joiner.will_wake(waker) => (joiner, None),
                joiner => (waker.clone(), joiner),
            };
            header.joiner.set(Some(keep));
            drop(old);
            return Poll::Pending;
        }
        assert!(header.life.take_output(), "a JoinHandle was polled after it had given its output");
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: we have won `take_output`, and the address is one for the output's type: `T` is
        // the output of the cell's future (contract of `new`).
        unsafe { (header.ops().read_output)(self.task.task, output.as_mut_ptr().cast()) };
        // SAFETY: `read_output` has written it.
        let output = unsafe { output.assume_init() };
        release_frame(header, core);
        Poll::Ready(output)
    }

    #[track_caller]
    fn cancelled_by_the_end(&self) -> JoinError {
        // SAFETY: our reference keeps the cell, and the cell its core.
        let core = unsafe { self.task.owner().core() };
        assert!(
            core.inbox.is_closed(),
            "a JoinHandle was polled outside of the runtime that its task runs in: await it \
             there, in `block_on` or in a task"
        );
        JoinError::Cancelled
    }
}

impl<T> Drop for JoinRef<T> {
    fn drop(&mut self) {
        let task = self.task.task;
        match self.task.core() {
            // SAFETY: the handle's reference, which `ManuallyDrop` keeps from being given back
            // twice.
            Some(core) => unsafe { detach_local(task, core) },
            // SAFETY: as above; the message carries it.
            None => unsafe { send_remote(Verb::Detach, task) },
        }
    }
}

//! Wakers, what owner and other threads do with references, and what becomes of messages.
//!
//! Each operation asks once whether it is on the owner thread, and goes on in that world.
#![allow(unsafe_code, reason = "the RawWaker contract; see the unsafe fence in ARCHITECTURE.md")]

use crate::task::header::TaskHeader;
use crate::task::inbox::{Message, TaskMessage, Verb};
use crate::task::life::{Dropped, Outcome, RemoteDropped, Schedule};
use crate::task::pool::Home;
use crate::task::queue::Core;
use lunation_context::Activation;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// One table for all tasks of the program, so that `will_wake` works.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The table by which the wakers of tasks are known. Their wake only puts the task into a queue.
pub(crate) fn table() -> &'static RawWakerVTable {
    &VTABLE
}

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

/// A clone of a task's waker, which runs no user code. None for any other waker: cloning that may
/// do anything.
#[inline]
pub(crate) fn clone_own(waker: &Waker) -> Option<Waker> {
    ptr::eq(waker.vtable(), &VTABLE).then(|| waker.clone())
}

/// Lets the processor fetch the cache lines from an address on, while it does something else.
#[inline]
pub(crate) fn prefetch<T>(address: *const T, lines: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..lines {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect that a program can see, whatever the address; SSE is
        // part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast::<i8>().wrapping_add(64 * line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (address, lines);
}

/// The task behind a waker's data pointer.
///
/// # Safety
/// It is the data of one of our wakers.
#[inline]
unsafe fn task(data: *const ()) -> NonNull<TaskHeader> {
    // SAFETY: all our wakers are made of a `NonNull<TaskHeader>`, by `borrowed` and `clone`.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// Wakes a task on its owner thread.
#[inline]
pub(crate) fn schedule(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: callers hold a reference.
    if unsafe { TaskHeader::life(task) }.schedule() == Schedule::Enqueue {
        // SAFETY: the task is alive until popped: the scheduler's reference, which passes to the
        // entry if the task completes meanwhile (rule 5); the SCHEDULED bit, which was clear, says
        // that it stands in no queue.
        unsafe { core.microtasks.push_again(task.cast()) };
    }
}

/// Puts a new task into the queue, which nobody knows yet.
#[inline]
pub(crate) fn schedule_first(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: callers hold a reference.
    unsafe { TaskHeader::life(task) }.schedule_first();
    // SAFETY: as in `schedule`; new tasks stand in no queue.
    unsafe { core.microtasks.push(task.cast()) };
}

/// Takes a reference on the owner thread, of the first cell in the list, from `at` on, that has
/// any. One that has none, whose `Free` message is under way, stays in the list until it arrives.
pub(crate) fn hold_first(
    core: &Core,
    mut at: Option<NonNull<TaskHeader>>,
) -> Option<NonNull<TaskHeader>> {
    while let Some(task) = at {
        // SAFETY: cells in the list are not freed.
        if unsafe { TaskHeader::life(task) }.try_clone_local() {
            break;
        }
        // SAFETY: it is in the list.
        at = unsafe { core.cells.after(task) };
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
    let home = &unsafe { task.as_ref() }.header.vtable.home;
    // SAFETY: the contract is this function's; it is the home of the cell.
    unsafe { drop_local_at(task, core, home) };
}

/// [`drop_local`] for a caller that knows the home of the cell.
///
/// # Safety
/// As there.
#[inline]
pub(crate) unsafe fn drop_local_at(task: NonNull<TaskHeader>, core: &Core, home: &'static Home) {
    // SAFETY: alive by the reference.
    match unsafe { TaskHeader::life(task) }.drop_local() {
        Dropped::Alive => {}
        // SAFETY: that was the last reference.
        Dropped::Last => unsafe { free(task, core, home) },
        // SAFETY: as this function.
        Dropped::Undecided => unsafe { drop_local_remote(task, core) },
    }
}

/// # Safety
/// As [`drop_local`], which was undecided.
#[cold]
#[inline(never)]
unsafe fn drop_local_remote(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: alive by the reference.
    let header = unsafe { task.as_ref() };
    if header.life.drop_local_remote() {
        // SAFETY: that was the last reference.
        unsafe { free(task, core, &header.header.vtable.home) };
    }
}

/// Frees a cell on the owner thread.
///
/// # Safety
/// No reference is left; future and output are gone; `home` is that of the cell's table.
#[inline]
unsafe fn free(task: NonNull<TaskHeader>, core: &Core, home: &'static Home) {
    // SAFETY: every cell is in the list from its creation to this call.
    unsafe { core.cells.unlink(task) };
    // SAFETY: the cell is ours alone now.
    let header = unsafe { task.as_ref() };
    // Its end has taken out the rest: see `release` in `cell`, and `JoinRef::poll`.
    debug_assert!(
        !header.header.activation.has_frame() && !header.has_joiner(),
        "ended tasks only"
    );
    if !header.header.activation.is_described() {
        // SAFETY: the memory came from this pool with the home of the cell's table; what is left
        // in the header needs no drop.
        unsafe { core.pool.free(task.cast(), home) };
    } else {
        // SAFETY: as above; off the list, and ours alone.
        unsafe { drop_and_free(task, core, home) };
    }
}

/// # Safety
/// As [`free`], of a cell that is in no list any more.
#[cold]
#[inline(never)]
unsafe fn drop_and_free(task: NonNull<TaskHeader>, core: &Core, home: &'static Home) {
    // SAFETY: the header is initialised and not used again. What its drop runs (user values in
    // a frame or a resource's extensions) finds a cell that nobody can reach any more.
    core.guard(&Activation::of_loop(), || unsafe { task.drop_in_place() });
    // SAFETY: the memory came from this pool with the home of the cell's table.
    unsafe { core.pool.free(task.cast(), home) };
}

/// Sends a message about a task.
///
/// # Safety
/// The caller passes the reference that the message carries, and holds another one.
#[cold]
#[inline(never)]
pub(crate) unsafe fn send_remote(verb: Verb, task: NonNull<TaskHeader>) {
    // SAFETY: alive by the caller's reference.
    let owner = unsafe { TaskHeader::owner(task) };
    // SAFETY: as above: the cell keeps the core, also when the message has arrived.
    let core = unsafe { owner.core() };
    core.send_remote(Message::Task(TaskMessage { verb, task }));
}

/// [`send_remote`] for a caller without a reference of its own.
///
/// # Safety
/// The caller passes the reference (or right) that the message carries.
#[cold]
#[inline(never)]
pub(crate) unsafe fn send_last_remote(verb: Verb, task: NonNull<TaskHeader>) {
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
        RemoteDropped::SendFree => unsafe { send_last_remote(Verb::Free, task) },
        // SAFETY: the reference was not given back: the message carries it.
        RemoteDropped::SendDrop => unsafe { send_last_remote(Verb::Drop, task) },
    }
}

#[cold]
#[inline(never)]
fn wake_remote(task: NonNull<TaskHeader>) {
    // SAFETY: the waker that calls us holds a reference.
    if unsafe { TaskHeader::life(task) }.notify_remote() {
        // SAFETY: `notify_remote` has made the reference that the message carries.
        unsafe { send_remote(Verb::Wake, task) };
    }
}

// The four functions of the table.
//
// Safety of all: `data` is a `NonNull<TaskHeader>` and the waker owns a reference to it, or
// borrows one for longer than the call; `clone` gives its result a reference of its own, `wake`
// and `drop_waker` consume theirs.

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the data of our waker, as for all four.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference keeps the cell alive.
    let owner = unsafe { TaskHeader::owner(task) };
    // SAFETY: as above.
    if owner.is_current() && unsafe { TaskHeader::life(task) }.try_count_local() {
        return RawWaker::new(data, &VTABLE);
    }
    // SAFETY: the data of our waker.
    unsafe { clone_remote(data) }
}

// The rest of `clone` and `wake`, as a last call: the usual way has nothing to keep for it.

/// # Safety
/// As `clone`.
#[cold]
#[inline(never)]
unsafe fn clone_remote(data: *const ()) -> RawWaker {
    // SAFETY: the data of our waker.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference keeps the cell alive.
    unsafe { TaskHeader::life(task) }.clone_remote();
    RawWaker::new(data, &VTABLE)
}

/// # Safety
/// As `wake`, on another thread than the owner.
#[cold]
#[inline(never)]
unsafe fn wake_by_value_remote(task: NonNull<TaskHeader>) {
    wake_remote(task);
    // SAFETY: `wake` consumes the waker's reference.
    unsafe { drop_remote(task) };
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the data of our waker.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference keeps the cell alive.
    let owner = unsafe { TaskHeader::owner(task) };
    if !owner.is_current() {
        // SAFETY: as this function.
        return unsafe { wake_by_value_remote(task) };
    }
    // SAFETY: we are inside that loop.
    let core = unsafe { owner.core() };
    schedule(task, core);
    // SAFETY: the waker's reference keeps the cell alive.
    if !unsafe { TaskHeader::life(task) }.try_discount_local() {
        // SAFETY: `wake` consumes the waker's reference.
        unsafe { drop_last(task, core) };
    }
}

/// [`drop_local`] out of line.
///
/// # Safety
/// As there.
#[inline(never)]
unsafe fn drop_last(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: the same contract.
    unsafe { drop_local(task, core) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the data of our waker.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference keeps the cell alive.
    let owner = unsafe { TaskHeader::owner(task) };
    if owner.is_current() {
        // SAFETY: we are inside that loop.
        schedule(task, unsafe { owner.core() });
    } else {
        wake_remote(task);
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the data of our waker.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference keeps the cell alive.
    let owner = unsafe { TaskHeader::owner(task) };
    if owner.is_current() {
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
    let header = unsafe { task.as_ref() };
    let life = &header.life;
    match verb {
        // Before the poll: it must not miss what happens before a wake that finds no message.
        Verb::Wake if life.take_notification_remote() => {
            // SAFETY: that was the last reference.
            return unsafe { free(task, core, &header.header.vtable.home) };
        }
        Verb::Wake => return schedule(task, core),
        Verb::Abort => abort_local(task, core),
        // SAFETY: the message carries the reference of the `JoinHandle`.
        Verb::Detach => return unsafe { detach_local(task, core) },
        // SAFETY: the message carries the right to free.
        Verb::Free => return unsafe { free(task, core, &header.header.vtable.home) },
        Verb::Drop => {}
    }
    // References are fungible: that of the message is given back by the owner's rule (rule 3).
    // SAFETY: the message's reference, given back once.
    unsafe { drop_local(task, core) };
}

pub(crate) fn abort_local(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: callers hold a reference.
    if unsafe { TaskHeader::life(task) }.abort() == Schedule::Enqueue {
        // SAFETY: as in `schedule`.
        unsafe { core.microtasks.push_again(task.cast()) };
    }
}

/// The end of a `JoinHandle`: an unread output is dropped in the task's resource.
///
/// # Safety
/// The caller owns the handle's reference; we are inside the task's loop.
#[inline]
pub(crate) unsafe fn detach_local(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: alive by the reference.
    let header = unsafe { task.as_ref() };
    // What is spent has no joiner either: its end has woken it.
    if header.life.is_spent() {
        // SAFETY: the handle's reference, given back once.
        unsafe { drop_local(task, core) };
    } else {
        // SAFETY: the contract is the same.
        unsafe { detach_unspent(task, core) };
    }
}

/// # Safety
/// As [`detach_local`].
#[inline(never)]
unsafe fn detach_unspent(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: alive by the reference.
    let header = unsafe { task.as_ref() };
    if let Some(outcome) = header.life.detach() {
        drop_outcome(header, core, outcome);
    }
    if header.has_joiner() {
        drop_joiner(header, core);
    }
    // SAFETY: the handle's reference, given back once.
    unsafe { drop_local(task, core) };
}

/// Wakes whoever awaits a task that has ended.
#[inline(never)]
pub(crate) fn wake_joiner(header: &TaskHeader, core: &Core) {
    let joiner = header.joiner.take();
    core.guard(&header.header.activation, move || joiner.into_iter().for_each(Waker::wake));
}

#[cold]
#[inline(never)]
fn drop_joiner(header: &TaskHeader, core: &Core) {
    let joiner = header.joiner.take();
    core.guard(&header.header.activation, move || drop(joiner));
}

/// Drops an unread outcome in the task's resource, and then its frame.
pub(crate) fn discard_outcome(header: &TaskHeader, core: &Core) {
    if let Some(outcome) = header.life.take_outcome() {
        drop_outcome(header, core, outcome);
    }
}

/// The outcome was claimed by `take_outcome` or `detach`.
#[cold]
#[inline(never)]
fn drop_outcome(header: &TaskHeader, core: &Core, outcome: Outcome) {
    // SAFETY: the caller has won it, inside the loop; the reference is alive for the call.
    unsafe { (header.ops().drop_outcome)(NonNull::from(header), core.owner(), outcome) };
    drop_frame(core, &header.header.activation);
}

/// Drops what a task or callback that has ended has left of its context.
#[inline]
pub(crate) fn drop_frame(core: &Core, activation: &Activation) {
    activation.release_within(|drop_values| guard_drop(core, activation, drop_values));
}

/// Drops values that have died with a frame.
#[cold]
#[inline(never)]
pub(crate) fn guard_drop(core: &Core, activation: &Activation, drop_values: fn()) {
    core.guard(activation, drop_values);
}

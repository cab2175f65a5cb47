//! Typed cells: tasks, callbacks, and the main future of a `block_on`.
//!
//! Rules in brackets are the numbered ones of [`task`](super).
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::channels;
use crate::task::error::JoinError;
use crate::task::header::{Header, Owner, TaskHeader, TaskOps, VTable};
use crate::task::life::{Begin, Life};
use crate::task::pool::Home;
use crate::task::queue::{Core, Queue};
use crate::task::waker::{self, JoinRef};
use lunation_context::{Activation, Frame};
use lunation_reactor::budget;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, needs_drop, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

type Output<F> = Result<<F as Future>::Output, JoinError>;

/// The future, then the output; which of them is there follows from `Life` (rule 8).
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Output<F>>,
}

/// A task.
#[repr(C)]
struct TaskCell<F: Future> {
    task: TaskHeader,
    stage: UnsafeCell<Stage<F>>,
}

impl<F: Future> TaskCell<F> {
    const OPS: TaskOps = TaskOps { cancel: cancel::<F, false>, drop_output: drop_output::<F> };
    const TASK: VTable = VTable {
        run: run_task::<F, false>,
        discard: discard_task,
        home: Home::of::<TaskCell<F>>(),
        output_at: offset_of!(TaskCell<F>, stage),
        task: Some(Self::OPS),
    };
    const MAIN: VTable = VTable { run: run_task::<F, true>, ..Self::TASK };

    /// A new cell in the list of its core, holding the scheduler's reference and one for the
    /// caller.
    fn allocate(
        core: &Core,
        vtable: &'static VTable,
        activation: Activation,
        future: F,
        handle: bool,
    ) -> NonNull<TaskHeader> {
        let memory = core.pool.allocate(const { Home::of::<Self>() }).cast::<Self>();
        let task = TaskHeader {
            header: Header { activation, vtable, next: Cell::new(None) },
            owner: core.identity,
            life: Life::new(if handle { 2 } else { 1 }, handle),
            joiner: Cell::new(None),
            previous: Cell::new(None),
            following: Cell::new(None),
        };
        let stage = UnsafeCell::new(Stage { future: ManuallyDrop::new(future) });
        // SAFETY: fresh memory for this very type.
        unsafe { memory.write(TaskCell { task, stage }) };
        let task = memory.cast::<TaskHeader>();
        // SAFETY: the cell was just made; it stays in the list until it is freed.
        unsafe { core.cells.link(task) };
        core.live_tasks.set(core.live_tasks.get() + 1);
        task
    }

    /// Where the future is.
    fn future(&self) -> *mut F {
        self.stage.get().cast()
    }

    /// Where the output is.
    fn output(&self) -> *mut Output<F> {
        self.stage.get().cast()
    }

    /// Ends the task: drops the future, keeps or drops the output, tells the hooks. Runs inside
    /// the task's resource; [`release`] follows outside of it.
    ///
    /// # Safety
    /// Between `Life::begin` or `begin_cancel` and `Life::complete`: the future is there and ours.
    #[inline(always)]
    unsafe fn finish(&self, core: &Core, result: Output<F>) -> Ending {
        let activation = &self.task.header.activation;
        let future = self.future();
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the future is there by the contract. It is dropped in place (it is pinned)
            // and not touched again: what follows writes the output or nothing.
            unsafe { future.drop_in_place() }
        }));
        let result = match dropped {
            Ok(()) => result,
            Err(second) => drop_panicked(core, activation, second, result),
        };
        let completed = result.is_ok();
        let handle = self.task.life.has_handle();
        let mut keep_frame = false;
        if handle {
            keep_frame = match &result {
                Ok(_) => needs_drop::<F::Output>(),
                Err(JoinError::Panicked(_)) => true,
                Err(JoinError::Cancelled) => false,
            };
            // SAFETY: the future is gone; the stage is ours until `complete` (rule 8).
            unsafe { self.output().write(result) };
        } else {
            match result {
                Err(JoinError::Panicked(payload)) => core.failures.later(activation, payload),
                result => core.guard(activation, move || drop(result)),
            }
        }
        // Before any hook runs: one that drops the handle must find the output.
        let queued = self.task.life.complete(handle);
        if completed {
            activation.resolve_and_end();
            channels::tell_task(&channels::TASK_COMPLETE, activation);
        } else {
            activation.end();
        }
        Ending { queued, keep_frame }
    }

    /// [`finish`](Self::finish) without an output.
    ///
    /// # Safety
    /// As for `finish`.
    #[cold]
    #[inline(never)]
    unsafe fn fail(&self, core: &Core, error: JoinError) -> Ending {
        error.tell_of(&self.task.header.activation);
        // SAFETY: the contract is the same.
        unsafe { self.finish(core, Err(error)) }
    }
}

/// The future's drop has panicked: what the task ends with then.
#[cold]
#[inline(never)]
fn drop_panicked<T>(
    core: &Core,
    activation: &Activation,
    panic: Box<dyn Any + Send>,
    result: Result<T, JoinError>,
) -> Result<T, JoinError> {
    if let Err(JoinError::Panicked(_)) = result {
        core.fail(activation, panic);
        return result;
    }
    core.guard(activation, move || drop(result));
    channels::tell_panic(activation, &*panic);
    Err(JoinError::Panicked(panic))
}

/// What [`TaskCell::finish`] leaves to [`release`].
struct Ending {
    /// The entry in the queue takes over the scheduler's reference (rule 5).
    queued: bool,
    /// An output that wants its context lies in the cell.
    keep_frame: bool,
}

/// The end of a task outside of its resource: frame, joiner, scheduler's reference.
///
/// # Safety
/// The task, a `TaskCell<F>`, has just completed; `Ending` is that of its `finish`.
#[inline(always)]
unsafe fn release<F: Future>(task: NonNull<TaskHeader>, core: &Core, ending: Ending) {
    // SAFETY: the scheduler's reference is given back at the end of this function.
    let header = unsafe { task.as_ref() };
    core.live_tasks.set(core.live_tasks.get() - 1);
    if !ending.keep_frame {
        waker::release_frame(header, core);
    }
    if let Some(joiner) = header.joiner.take() {
        waker::wake_joiner(header, core, joiner);
    }
    if !ending.queued {
        let home = const { Home::of::<TaskCell<F>>() };
        // SAFETY: rule 5: the scheduler's reference, given back once. The queue has no entry.
        unsafe { waker::drop_local_at(task, core, home) };
    }
}

/// `VTable::run` of tasks. MAIN: the root of a `block_on`, whose end stops the loop.
unsafe fn run_task<F: Future, const MAIN: bool>(cell: NonNull<Header>, owner: Owner) {
    let task = cell.cast::<TaskHeader>();
    // SAFETY: the entry's claim keeps the cell alive; this table belongs to `TaskCell<F>`.
    let this = unsafe { cell.cast::<TaskCell<F>>().as_ref() };
    // SAFETY: we are inside this loop.
    let core = unsafe { owner.core() };
    match this.task.life.begin() {
        Begin::Poll => {}
        // SAFETY: `begin` made the future ours, as `begin_cancel` would have.
        Begin::Cancel => return unsafe { cancel::<F, true>(task, owner) },
        // SAFETY: rule 5: the task completed while queued, so the entry owned the reference.
        Begin::Release => return unsafe { waker::drop_local(task, core) },
    }
    core.polls.set(core.polls.get() + 1);
    budget::next_poll();
    let ending = this.task.header.activation.run(|| {
        // SAFETY: the scheduler's reference outlives the poll.
        let waker = unsafe { waker::borrowed(task) };
        let mut context = Context::from_waker(&waker);
        let poll = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: `begin` said Poll: the future is there, and RUNNING makes it ours.
            let future = unsafe { &mut *this.future() };
            // SAFETY: the future lies in a cell that never moves, and is dropped in place.
            unsafe { Pin::new_unchecked(future) }.poll(&mut context)
        }));
        let error = match poll {
            // SAFETY: after `begin` and before `complete`.
            Ok(Poll::Ready(output)) => return Some(unsafe { this.finish(core, Ok(output)) }),
            Ok(Poll::Pending) if !this.task.life.pause() => return None,
            Ok(Poll::Pending) => JoinError::Cancelled,
            Err(payload) => JoinError::Panicked(payload),
        };
        // SAFETY: after `begin` and before `complete`.
        Some(unsafe { this.fail(core, error) })
    });
    if let Some(ending) = ending {
        if MAIN {
            core.budget.stop();
        }
        // SAFETY: `finish` has just completed the task.
        unsafe { release::<F>(task, core, ending) };
    }
}

/// `VTable::discard` of tasks: takes the task out of the queue and gives back what the entry held.
/// Pending tasks are cancelled by the end of the runtime on its own.
unsafe fn discard_task(cell: NonNull<Header>, owner: Owner) {
    let task = cell.cast::<TaskHeader>();
    // SAFETY: the entry's claim keeps the cell alive.
    let header = unsafe { task.as_ref() };
    // SAFETY: we are inside this loop.
    let core = unsafe { owner.core() };
    match header.life.begin() {
        // SAFETY: rule 5: the entry owned the scheduler's reference.
        Begin::Release => unsafe { waker::drop_local(task, core) },
        // SAFETY: `begin` made the future ours, as `begin_cancel` would have.
        Begin::Poll | Begin::Cancel => unsafe { (header.ops().cancel)(task, owner) },
    }
}

/// `TaskOps::cancel`. QUEUED: in the task's turn, with the hook events of a run.
#[cold]
#[inline(never)]
unsafe fn cancel<F: Future, const QUEUED: bool>(task: NonNull<TaskHeader>, owner: Owner) {
    // SAFETY: the caller holds or inherits the scheduler's reference.
    let this = unsafe { task.cast::<TaskCell<F>>().as_ref() };
    // SAFETY: we are inside this loop.
    let core = unsafe { owner.core() };
    // SAFETY: the caller has won `begin_cancel`: the future is there and ours.
    let end = || unsafe { this.fail(core, JoinError::Cancelled) };
    let activation = &this.task.header.activation;
    let ending = if QUEUED {
        core.polls.set(core.polls.get() + 1);
        budget::next_poll();
        activation.run(end)
    } else {
        activation.run_silent(end)
    };
    // SAFETY: `fail` has just completed the task.
    unsafe { release::<F>(task, core, ending) };
}

unsafe fn drop_output<F: Future>(task: NonNull<TaskHeader>, owner: Owner) {
    // SAFETY: the caller holds a reference.
    let this = unsafe { task.cast::<TaskCell<F>>().as_ref() };
    // SAFETY: the caller has won `take_output`: the output is there and read this once.
    let output = unsafe { this.output().read() };
    // SAFETY: we are inside this loop.
    let core = unsafe { owner.core() };
    let activation = &this.task.header.activation;
    match output {
        Err(JoinError::Panicked(payload)) => core.failures.later(activation, payload),
        other => activation.run_silent(|| core.guard(activation, move || drop(other))),
    }
}

/// Spawns a task from a prepared activation. While the runtime ends, the future is dropped unrun,
/// in its resource.
pub(crate) fn spawn<F: Future + 'static>(
    core: &Core,
    activation: Activation,
    future: F,
) -> JoinRef<F::Output> {
    let task = TaskCell::allocate(core, &TaskCell::<F>::TASK, activation, future, true);
    // SAFETY: the cell was just made.
    let activation = unsafe { &task.as_ref().header.activation };
    activation.announce();
    channels::tell_task(&channels::TASK_SPAWN, activation);
    start(task, core);
    // SAFETY: the cell was made with a reference and the HANDLE bit for this handle, and `T` is
    // the output of its future.
    unsafe { JoinRef::new(task) }
}

fn start(task: NonNull<TaskHeader>, core: &Core) {
    if core.is_closing() {
        cancel_now(task, core);
    } else {
        waker::schedule(task, core);
    }
}

/// Drops the future of a task at once, unless it is running or gone.
pub(crate) fn cancel_now(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: callers took the task from the list of cells or hold a reference.
    let header = unsafe { task.as_ref() };
    if header.life.begin_cancel() {
        // SAFETY: we have won `begin_cancel`, on the owner thread.
        unsafe { (header.ops().cancel)(task, core.owner()) };
    }
}

/// Cancels every task and drops every unread output, in order of the spawns. What destructors
/// spawn meanwhile stands at the end of the list and is cancelled when it is made.
pub(crate) fn cancel_all(core: &Core) {
    let mut at = waker::hold_first(core.cells.first());
    while let Some(task) = at {
        cancel_now(task, core);
        // SAFETY: we hold a reference, so it is in the list, and so are its neighbours.
        let header = unsafe { task.as_ref() };
        waker::discard_output(header, core);
        // The next one is held before this one is let go: that may run destructors.
        at = waker::hold_first(header.following.get());
        // SAFETY: the reference taken above.
        unsafe { waker::drop_local(task, core) };
    }
}

/// A tick or a microtask. RESOURCE: it runs inside its activation; else it is a bare wake-up.
#[repr(C)]
struct CallbackCell<F, const RESOURCE: bool> {
    header: Header,
    callback: ManuallyDrop<F>,
}

/// Frees a callback's cell, also if its callback panics where nobody catches it.
struct FreeCallback<'a, F, const RESOURCE: bool> {
    cell: NonNull<CallbackCell<F, RESOURCE>>,
    core: &'a Core,
}

impl<F, const RESOURCE: bool> Drop for FreeCallback<'_, F, RESOURCE> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the cell was popped, so it is ours; the callback was moved out of it.
        let header = unsafe { &raw mut (*self.cell.as_ptr()).header };
        // SAFETY: as above; initialised, and not used again.
        unsafe { header.drop_in_place() };
        let home = const { Home::of::<CallbackCell<F, RESOURCE>>() };
        // SAFETY: it came from this pool with this home.
        unsafe { self.core.pool.free(self.cell.cast(), home) };
    }
}

impl<F: FnOnce() + 'static, const RESOURCE: bool> CallbackCell<F, RESOURCE> {
    const VTABLE: VTable = VTable {
        run: run_callback::<F, RESOURCE, true>,
        discard: run_callback::<F, RESOURCE, false>,
        home: Home::of::<Self>(),
        output_at: 0,
        task: None,
    };
}

/// Appends a callback to a queue, with a prepared activation. While the runtime ends it is dropped
/// later, unrun.
pub(crate) fn push_callback<F: FnOnce() + 'static, const RESOURCE: bool>(
    core: &Core,
    queue: &Queue,
    activation: Activation,
    callback: F,
) {
    let home = const { Home::of::<CallbackCell<F, RESOURCE>>() };
    let cell = core.pool.allocate(home).cast::<CallbackCell<F, RESOURCE>>();
    let vtable = &CallbackCell::<F, RESOURCE>::VTABLE;
    let header = Header { activation, vtable, next: Cell::new(None) };
    // SAFETY: fresh memory for this very type.
    unsafe { cell.write(CallbackCell { header, callback: ManuallyDrop::new(callback) }) };
    if RESOURCE {
        // SAFETY: the cell was just made.
        unsafe { cell.as_ref() }.header.activation.announce();
    }
    // SAFETY: the cell was just made, and lives until it is popped and run or discarded.
    unsafe { queue.push(cell.cast()) };
}

/// `VTable::run` (RUN) and `discard` of callbacks. Discarding drops the closure in its resource.
unsafe fn run_callback<F: FnOnce() + 'static, const RESOURCE: bool, const RUN: bool>(
    cell: NonNull<Header>,
    owner: Owner,
) {
    // SAFETY: we are inside this loop.
    let core = unsafe { owner.core() };
    let free = FreeCallback { cell: cell.cast::<CallbackCell<F, RESOURCE>>(), core };
    // SAFETY: a popped cell is alive; this table belongs to this type.
    let slot = unsafe { free.cell.as_ref() };
    // SAFETY: the callback is there, and read this once: cells are popped once.
    let callback = unsafe { (&raw const slot.callback).read() };
    let callback = ManuallyDrop::into_inner(callback);
    let activation = &slot.header.activation;
    let call = move || if RUN { callback() } else { drop(callback) };
    if !RESOURCE {
        core.guard(activation, call);
    } else if RUN {
        activation.run(|| core.guard(activation, call));
        activation.end();
    } else {
        activation.run_silent(|| core.guard(activation, call));
        activation.end();
    }
    core.guard(activation, || activation.release());
}

/// The main future of a `block_on`: a task cell that never leaves [`with_main`].
pub(crate) struct Main<'a, F: Future> {
    task: NonNull<TaskHeader>,
    core: &'a Core,
    _future: PhantomData<F>,
}

/// Makes a task of a future that need not be `'static`, calls `drive` with it, and drops it before
/// returning, also on unwind. Returns what the future became, if it has ended.
#[track_caller]
pub(crate) fn with_main<F: Future>(
    core: &Core,
    frame: Frame,
    future: F,
    drive: impl FnOnce(&Main<'_, F>),
) -> Option<Output<F>> {
    let activation = Activation::root(frame);
    let task = TaskCell::allocate(core, &TaskCell::<F>::MAIN, activation, future, true);
    let main = Main { task, core, _future: PhantomData };
    drive(&main);
    main.take()
}

impl<F: Future> Main<'_, F> {
    /// Polls the future for the first time, here and now.
    pub(crate) fn poll(&self) {
        // Not by the queue: what an earlier `block_on` has left there comes after this poll.
        // SAFETY: on the owner thread, with a live cell that stands in no queue: nobody can have
        // woken it yet. The scheduler's reference is the claim that is passed on.
        unsafe { run_task::<F, true>(self.task.cast(), self.core.owner()) };
    }

    fn take(&self) -> Option<Output<F>> {
        // SAFETY: we hold a reference.
        let this = unsafe { self.task.cast::<TaskCell<F>>().as_ref() };
        // SAFETY: we have won `take_output`: the output is there and read this once.
        this.task.life.take_output().then(|| unsafe { this.output().read() })
    }
}

impl<F: Future> Drop for Main<'_, F> {
    fn drop(&mut self) {
        // SAFETY: we hold a reference.
        let this = unsafe { self.task.cast::<TaskCell<F>>().as_ref() };
        if this.task.life.detach() {
            // SAFETY: that has claimed the output: it is there and read this once.
            drop(unsafe { this.output().read() });
        }
        cancel_now(self.task, self.core);
        // The frame goes with the main future: nothing reads it any more.
        let activation = &this.task.header.activation;
        self.core.guard(activation, || activation.release());
        // SAFETY: our reference, given back once; we are inside the loop.
        unsafe { waker::drop_local(self.task, self.core) };
    }
}

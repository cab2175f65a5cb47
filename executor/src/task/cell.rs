//! Typed cells of tasks, and of the main future of a `block_on`.
//!
//! Rules in brackets are the numbered ones of [`task`](super).
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::channels;
use crate::task::error::{JoinError, Payload};
use crate::task::header::{Header, InboxLink, Owner, TaskHeader, TaskOps, VTable};
use crate::task::life::{Begin, Life, Outcome};
use crate::task::pool::Home;
use crate::task::queue::Core;
use crate::task::reference::JoinRef;
use crate::task::waker;
use lunation_context::{Activation, Frame, hooks};
use lunation_reactor::budget;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, needs_drop, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll};

type Output<F> = Result<<F as Future>::Output, JoinError>;

/// The future, then what it has ended with; which of them is there follows from `Life` (rule 8).
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
    payload: ManuallyDrop<Payload>,
}

/// A task.
#[repr(C)]
struct TaskCell<F: Future> {
    task: TaskHeader,
    stage: UnsafeCell<Stage<F>>,
}

impl<F: Future> TaskCell<F> {
    const OPS: TaskOps = TaskOps { cancel: cancel::<F, false>, drop_outcome: drop_outcome::<F> };
    const TASK: VTable = VTable {
        run: run_task::<F, false>,
        discard: discard_task,
        home: Home::of::<TaskCell<F>>(),
        stage_at: offset_of!(TaskCell<F>, stage),
        task: Some(Self::OPS),
    };
    const MAIN: VTable = VTable { run: run_task::<F, true>, ..Self::TASK };

    /// A new cell in the list of its core, holding the scheduler's reference and one for the
    /// handle. `activation` must not panic: made when the memory is there, it is made in its place.
    #[inline]
    fn allocate(
        core: &Core,
        vtable: &'static VTable,
        activation: impl FnOnce() -> Activation,
        future: F,
    ) -> NonNull<TaskHeader> {
        let memory = core.pool.allocate(const { &Home::of::<Self>() }).cast::<Self>();
        let header = Header { activation: activation(), vtable, next: Cell::new(None) };
        // Not before: whatever `activation` has made is in the list now.
        let last = core.cells.last();
        let task = TaskHeader {
            header,
            owner: core.identity,
            life: Life::new(2, true),
            inbox_link: InboxLink::new(ptr::null_mut()),
            joiner: Cell::new(None),
            links: core.cells.links_after(last),
        };
        let stage = UnsafeCell::new(Stage { future: ManuallyDrop::new(future) });
        // SAFETY: fresh memory for this very type.
        unsafe { memory.write(TaskCell { task, stage }) };
        let task = memory.cast::<TaskHeader>();
        // SAFETY: the cell was just made, with these links; it stays until it is freed.
        unsafe { core.cells.link(task, last) };
        core.live_tasks.set(core.live_tasks.get() + 1);
        task
    }

    /// Where the future is.
    fn future(&self) -> *mut F {
        self.stage.get().cast()
    }

    /// Puts into the stage what the task has ended with.
    ///
    /// # Safety
    /// The future is gone, and the stage still ours (rule 8).
    #[inline]
    unsafe fn keep(&self, result: Output<F>) -> Outcome {
        match result {
            Ok(output) => {
                // SAFETY: the stage has room for it, and is ours by the contract.
                unsafe { self.stage.get().cast::<F::Output>().write(output) };
                Outcome::OUTPUT
            }
            Err(JoinError::Panicked(payload)) => {
                // SAFETY: as above.
                unsafe { self.stage.get().cast::<Payload>().write(Box::new(payload)) };
                Outcome::PANIC
            }
            Err(JoinError::Cancelled) => Outcome::CANCELLED,
        }
    }

    /// Ends the task: drops the future, keeps or drops the output, tells the hooks. Runs inside
    /// the task's resource; [`release`] follows outside of it.
    ///
    /// # Safety
    /// Between `Life::begin` or `begin_cancel` and `Life::complete`: the future is there and ours.
    #[inline(always)]
    unsafe fn finish(&self, core: &Core, result: Output<F>) {
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
        // Such an output is kept unasked: without a handle nobody reads it, nor needs its drop.
        let is_plain = completed && !needs_drop::<F::Output>();
        let outcome = if is_plain || self.task.life.has_handle() {
            // SAFETY: the future is gone; the stage is ours until `complete`.
            unsafe { self.keep(result) }
        } else {
            match result {
                Err(JoinError::Panicked(payload)) => core.failures.later(activation, payload),
                result => core.guard(activation, move || drop(result)),
            }
            Outcome::CANCELLED
        };
        // Before any hook runs: one that drops the handle must find the outcome.
        self.task.life.complete(outcome);
        if hooks::watched() {
            if completed {
                tell_completion(activation);
            } else {
                activation.end();
            }
        }
    }

    /// [`finish`](Self::finish) without an output.
    ///
    /// # Safety
    /// As for `finish`.
    #[cold]
    #[inline(never)]
    unsafe fn fail(&self, core: &Core, error: JoinError) {
        error.tell_of(&self.task.header.activation);
        // SAFETY: the contract is the same.
        unsafe { self.finish(core, Err(error)) };
    }
}

/// Tells hooks and subscribers that a task has completed and ended.
#[cold]
#[inline(never)]
fn tell_completion(activation: &Activation) {
    activation.resolve_and_end();
    channels::tell_task(&channels::TASK_COMPLETE, activation);
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

/// The end of a task outside of its resource: frame, joiner, scheduler's reference. Apart, as most
/// polls do not come to it.
///
/// # Safety
/// The task, a `TaskCell<F>`, has just completed, and we are inside its loop.
#[inline(never)]
unsafe fn release<F: Future>(task: NonNull<TaskHeader>) {
    // SAFETY: the scheduler's reference is given back at the end of this function.
    let header = unsafe { task.as_ref() };
    // SAFETY: we are inside this loop.
    let core = || unsafe { header.owner.core() };
    core().live_tasks.set(core().live_tasks.get() - 1);
    let activation = &header.header.activation;
    if activation.has_frame() {
        let wants_frame = match header.life.outcome() {
            Some(Outcome::OUTPUT) => needs_drop::<F::Output>(),
            Some(outcome) => outcome == Outcome::PANIC,
            None => false,
        };
        if !wants_frame {
            activation.release_within(|values| waker::guard_drop(core(), activation, values));
        }
    }
    if header.has_joiner() {
        waker::wake_joiner(header, core());
    }
    // Rule 5: else the entry has the scheduler's reference.
    if !header.life.is_scheduled() {
        let home = const { &Home::of::<TaskCell<F>>() };
        // SAFETY: the scheduler's reference, given back once.
        unsafe { waker::drop_local_at(task, core(), home) };
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
    core.count_poll();
    budget::next_poll();
    // From here on it is the cell that knows its loop: nothing needs to be kept over the poll.
    // SAFETY: as above.
    let core = || unsafe { this.task.owner.core() };
    let ended = this.task.header.activation.run_on_base(|| {
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
            Ok(Poll::Ready(output)) => {
                // SAFETY: after `begin` and before `complete`.
                unsafe { this.finish(core(), Ok(output)) };
                return true;
            }
            Ok(Poll::Pending) if !this.task.life.pause() => return false,
            Ok(Poll::Pending) => JoinError::Cancelled,
            Err(payload) => JoinError::Panicked(payload),
        };
        // SAFETY: after `begin` and before `complete`.
        unsafe { this.fail(core(), error) };
        true
    });
    if ended {
        if MAIN {
            core().budget.stop();
        }
        // SAFETY: `finish` has just completed this `TaskCell<F>`; we are inside its loop.
        unsafe { release::<F>(task) };
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
    if QUEUED {
        core.count_poll();
        budget::next_poll();
        activation.run(end);
    } else {
        activation.run_silent(end);
    }
    // SAFETY: `fail` has just completed this `TaskCell<F>`; we are inside its loop.
    unsafe { release::<F>(task) };
}

unsafe fn drop_outcome<F: Future>(task: NonNull<TaskHeader>, owner: Owner, outcome: Outcome) {
    // SAFETY: the caller has won the outcome, and this table belongs to tasks with this output.
    let result = unsafe { TaskHeader::read_outcome::<F::Output>(task, outcome) };
    // SAFETY: we are inside this loop.
    let core = unsafe { owner.core() };
    // SAFETY: the caller holds a reference.
    let activation = unsafe { &task.as_ref().header.activation };
    match result {
        Err(JoinError::Panicked(payload)) => core.failures.later(activation, payload),
        other => activation.run_silent(|| core.guard(activation, move || drop(other))),
    }
}

/// Spawns a task; `activation` prepares its activation and must not panic. While the runtime ends,
/// the future is dropped unrun, in its resource.
#[inline]
pub(crate) fn spawn<F: Future + 'static>(
    core: &Core,
    future: F,
    activation: impl FnOnce() -> Activation,
) -> JoinRef<F::Output> {
    let task = TaskCell::allocate(core, &TaskCell::<F>::TASK, activation, future);
    if hooks::watched() || core.is_closing() {
        start(task, core);
    } else {
        waker::schedule_first(task, core);
    }
    // SAFETY: the cell was made with a reference for this handle, of which its `Life` knows, and
    // `T` is the output of its future.
    unsafe { JoinRef::new(task) }
}

/// Tells hooks and subscribers of a new task and queues it, or cancels it while the runtime ends.
#[cold]
#[inline(never)]
fn start(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: the cell was just made.
    let activation = unsafe { &task.as_ref().header.activation };
    activation.announce();
    channels::tell_task(&channels::TASK_SPAWN, activation);
    if core.is_closing() {
        cancel_new(task, core);
    } else {
        // Who was told of it knows its resource alone: nobody has woken or cancelled it.
        waker::schedule_first(task, core);
    }
}

/// Cancels a task that was just made, and all that its destructors make. These stand behind it in
/// the list: however many come one from the other, they are not cancelled one inside the other.
fn cancel_new(task: NonNull<TaskHeader>, core: &Core) {
    if !core.cancelling.replace(true) {
        cancel_from(Some(task), core);
        core.cancelling.set(false);
    }
}

/// Drops the future of a task at once, unless it is running or gone.
#[cold]
#[inline(never)]
pub(crate) fn cancel_now(task: NonNull<TaskHeader>, core: &Core) {
    // SAFETY: callers took the task from the list of cells or hold a reference.
    let header = unsafe { task.as_ref() };
    if header.life.begin_cancel() {
        // SAFETY: we have won `begin_cancel`, on the owner thread.
        unsafe { (header.ops().cancel)(task, core.owner()) };
    }
}

/// Cancels every task and drops every unread output, in order of the spawns.
pub(crate) fn cancel_all(core: &Core) {
    cancel_from(core.cells.first(), core);
}

/// As [`cancel_all`], of a task in the list and of those behind it.
fn cancel_from(first: Option<NonNull<TaskHeader>>, core: &Core) {
    let mut at = waker::hold_first(core, first);
    while let Some(task) = at {
        cancel_now(task, core);
        // SAFETY: we hold a reference, so it is in the list, and so are its neighbours.
        let header = unsafe { task.as_ref() };
        waker::discard_outcome(header, core);
        // The next one is held before this one is let go: that may run destructors.
        // SAFETY: it is in the list, as said.
        at = waker::hold_first(core, unsafe { core.cells.after(task) });
        // SAFETY: the reference taken above.
        unsafe { waker::drop_local(task, core) };
    }
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
    let task = TaskCell::allocate(core, &TaskCell::<F>::MAIN, || activation, future);
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
        let outcome = unsafe { TaskHeader::life(self.task) }.take_outcome()?;
        // SAFETY: we have just won it, and the task is that of an `F`.
        Some(unsafe { TaskHeader::read_outcome(self.task, outcome) })
    }
}

impl<F: Future> Drop for Main<'_, F> {
    fn drop(&mut self) {
        // SAFETY: we hold a reference.
        let header = unsafe { self.task.as_ref() };
        if let Some(outcome) = header.life.detach() {
            // SAFETY: that has claimed it, and the task is that of an `F`.
            drop(unsafe { TaskHeader::read_outcome::<F::Output>(self.task, outcome) });
        }
        cancel_now(self.task, self.core);
        // The frame goes with the main future: nothing reads it any more.
        let activation = &header.header.activation;
        self.core.guard(activation, || activation.release());
        // SAFETY: our reference, given back once; we are inside the loop.
        unsafe { waker::drop_local(self.task, self.core) };
    }
}

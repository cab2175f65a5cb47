//! The intrusive queues and the core of a loop: what its own thread touches on every job, and
//! the inbox through which other threads reach it.
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::task::budget::Budget;
use crate::task::cells::Cells;
use crate::task::failures::Failures;
use crate::task::header::{Header, Owner, TaskHeader};
use crate::task::inbox::{Inbox, Message, Pushed, TaskMessage, Verb};
use crate::task::life::RemoteDropped;
use crate::task::pool::{self, Pool};
use crate::unhandled::{Failing, Origin};
use lunation_context::Activation;
use lunation_reactor::Notifier;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};

#[cfg(not(loom))]
thread_local! {
    /// The loop this thread is inside of. Without destructor, so that wakers may be used in the
    /// destructors of other thread-locals.
    static CORE: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

// Loom has threads of its own, and does not know `const` initialisers.
#[cfg(loom)]
loom::thread_local! {
    static CORE: Cell<*const ()> = Cell::new(ptr::null());
}

/// Calls `f` with the core this thread is inside of.
#[inline]
pub(crate) fn with_core<R>(f: impl FnOnce(&Core) -> R) -> Option<R> {
    let owner = Owner(NonNull::new(CORE.with(Cell::get).cast_mut())?);
    // SAFETY: CORE is not null only while an `Entered` guard below us on the stack borrows the
    // `Arc` that keeps this core allocated.
    Some(f(unsafe { owner.core() }))
}

/// The core this thread is inside of, where that was looked at before.
///
/// # Safety
/// It is inside of one, and stays there for `'a`.
#[inline]
pub(crate) unsafe fn core_here<'a>() -> &'a Core {
    // SAFETY: not null by this contract.
    let owner = Owner(unsafe { NonNull::new_unchecked(CORE.with(Cell::get).cast_mut()) });
    // SAFETY: as in `with_core`.
    unsafe { owner.core() }
}

impl Owner {
    /// Whether this thread is inside of the loop.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        ptr::eq(CORE.with(Cell::get), self.0.as_ptr())
    }

    /// The core behind the identity.
    ///
    /// # Safety
    /// The core is allocated: the caller holds a reference to one of its cells, or is inside of it.
    #[inline]
    pub(crate) unsafe fn core<'a>(self) -> &'a Core {
        // SAFETY: an owner is made from `Arc<Core>::as_ptr` alone, and is alive by the contract.
        unsafe { self.0.cast::<Core>().as_ref() }
    }

    /// A counted reference to the core, for what must outlive the cell at hand.
    ///
    /// # Safety
    /// As for [`Owner::core`].
    pub(crate) unsafe fn arc(self) -> Arc<Core> {
        let core = self.0.cast::<Core>().as_ptr().cast_const();
        // SAFETY: `core` came from an `Arc` that is alive by the contract of this function.
        unsafe { Arc::increment_strong_count(core) };
        // SAFETY: the count taken in the line above becomes this `Arc`.
        unsafe { Arc::from_raw(core) }
    }
}

/// An intrusive FIFO of cells. A cell stands in at most one queue.
#[derive(Debug)]
pub(crate) struct Queue {
    head: Link,
    /// The link that the next cell is written to: that of the last cell, or the head. Appending has
    /// no cases then.
    tail: Cell<NonNull<Link>>,
}

type Link = Cell<Option<NonNull<Header>>>;

impl Queue {
    fn new() -> Queue {
        Queue { head: Cell::new(None), tail: Cell::new(NonNull::dangling()) }
    }

    /// Makes it usable, once it lies where it stays.
    fn settle(&self) {
        self.tail.set(NonNull::from(&self.head));
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_none()
    }

    /// How many cells stand in it: counted now, as keeping the number would cost every job.
    pub(crate) fn count(&self) -> usize {
        let mut count = 0;
        self.for_each(|_| count += 1);
        count
    }

    /// Shows what stands in the queue, oldest first. `show` must not run user code.
    pub(crate) fn for_each(&self, mut show: impl FnMut(&Header)) {
        let mut at = self.head.get();
        while let Some(cell) = at {
            // SAFETY: what stands in the queue is alive until it is popped; `show` pops nothing.
            let header = unsafe { cell.as_ref() };
            show(header);
            at = header.next.get();
        }
    }

    /// [`Queue::push`] of a cell that may have been popped before, so that its link may be stale.
    ///
    /// # Safety
    /// As for [`Queue::push`].
    #[inline]
    pub(crate) unsafe fn push_again(&self, cell: NonNull<Header>) {
        // SAFETY: alive by this contract.
        unsafe { cell.as_ref() }.next.set(None);
        // SAFETY: the contract is this function's.
        unsafe { self.push(cell) };
    }

    /// Appends a cell whose link is clear: that of a new one.
    ///
    /// # Safety
    /// The cell is alive, stands in no queue, and stays alive until it is popped.
    #[inline]
    pub(crate) unsafe fn push(&self, cell: NonNull<Header>) {
        // SAFETY: alive by this contract.
        let link = NonNull::from(unsafe { &cell.as_ref().next });
        // SAFETY: the head is our own, and what stands in the queue is alive until it is popped
        // (this contract): popping the last cell puts the tail back to the head.
        unsafe { self.tail.replace(link).as_ref() }.set(Some(cell));
    }

    /// Takes the oldest cell, whose link stays as it was.
    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<Header>> {
        let cell = self.head.get()?;
        // SAFETY: what stands in the queue is alive until it is popped (contract of `push`).
        let next = unsafe { cell.as_ref() }.next.get();
        self.head.set(next);
        if next.is_none() {
            self.settle();
        }
        Some(cell)
    }
}

/// The core of a loop. Its address is the loop's identity.
pub(crate) struct Core {
    /// That address, as the `Arc` knows it: counts are changed, and the core is freed through it.
    pub(crate) identity: Owner,
    // For any thread.
    pub(crate) inbox: Inbox,
    pub(crate) notifier: Notifier,
    pub(crate) keep_alive: AtomicUsize,
    // For the owner thread.
    pub(crate) ticks: Queue,
    pub(crate) microtasks: Queue,
    pub(crate) cells: Cells,
    pub(crate) pool: Pool,
    pub(crate) live_tasks: Cell<usize>,
    pub(crate) budget: Budget,
    pub(crate) failures: Failures,
    pub(crate) polls: Cell<u64>,
    pub(crate) drains: Cell<u64>,
    closing: Cell<bool>,
    /// Tasks made while the runtime ends are being cancelled.
    pub(crate) cancelling: Cell<bool>,
}

// SAFETY: `notifier` and `keep_alive` are Sync by themselves, and so is the senders' side of
// `inbox`. Its owner's side and all other fields are touched on the owner thread only: by whoever
// is inside the loop (CORE), and by the runtime, which is not Send. When the last `Arc` is dropped
// elsewhere, after the runtime has closed the core, they are empty: `close` takes out everything
// that has thread affinity.
unsafe impl Sync for Core {}
// SAFETY: as above.
unsafe impl Send for Core {}

/// Keeps CORE set.
pub(crate) struct Entered<'a> {
    outer: *const (),
    _core: &'a Arc<Core>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CORE.with(|core| core.set(self.outer));
    }
}

/// Enters a loop. Guards are dropped in reverse order: callers keep them on the stack.
pub(crate) fn enter(core: &Arc<Core>) -> Entered<'_> {
    let owner = core.owner().0.as_ptr();
    Entered { outer: CORE.with(|current| current.replace(owner)), _core: core }
}

impl Core {
    pub(crate) fn new(notifier: Notifier) -> Arc<Core> {
        let core = Arc::new_cyclic(|core: &Weak<Core>| Core {
            identity: Owner(NonNull::new(core.as_ptr().cast_mut().cast()).expect("an address")),
            inbox: Inbox::new(),
            notifier,
            keep_alive: AtomicUsize::new(0),
            ticks: Queue::new(),
            microtasks: Queue::new(),
            cells: Cells::new(),
            pool: Pool::new(),
            live_tasks: Cell::new(0),
            budget: Budget::new(),
            failures: Failures::default(),
            polls: Cell::new(0),
            drains: Cell::new(0),
            closing: Cell::new(false),
            cancelling: Cell::new(false),
        });
        core.ticks.settle();
        core.microtasks.settle();
        core.cells.settle();
        core
    }

    /// The identity of this loop, for what neither counts nor frees the core through it.
    #[inline]
    pub(crate) fn owner(&self) -> Owner {
        Owner(NonNull::from(self).cast())
    }

    /// Sends a message, on any thread.
    #[cold]
    #[inline(never)]
    pub(crate) fn send_remote(&self, message: Message) {
        match self.inbox.push(message) {
            Pushed::Quiet => {}
            Pushed::WakeOwner => self.notifier.notify(),
            // SAFETY: it is closed.
            Pushed::Closed(message) => unsafe { dispose_remote(message) },
        }
    }

    /// Counts a poll that begins.
    #[inline]
    pub(crate) fn count_poll(&self) {
        self.polls.set(self.polls.get() + 1);
    }

    // ---- drains ----

    /// Runs all ticks, then all microtasks, until both queues are empty; then failures.
    #[inline]
    pub(crate) fn drain(&self) {
        if self.has_work() {
            self.drain_queues();
        }
    }

    /// Whether a drain has anything to do: a job, or a failure that the last budget did not reach.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        !(self.ticks.is_empty() && self.microtasks.is_empty() && self.failures.is_empty())
    }

    #[inline(never)]
    fn drain_queues(&self) {
        self.drain_woken();
    }

    /// [`drain`](Self::drain) when somebody was woken, for the place where that is most often:
    /// inlined there.
    #[inline(always)]
    pub(crate) fn drain_woken(&self) {
        self.drains.set(self.drains.get() + 1);
        loop {
            if !(self.drain_one(&self.ticks) && self.drain_one(&self.microtasks)) {
                return;
            }
            if self.ticks.is_empty() {
                if self.failures.is_empty() {
                    return;
                }
                self.stop_if(self.failures.handle_next());
            }
        }
    }

    /// Runs the jobs of a queue until it is empty; false if the budget ends before.
    #[inline]
    fn drain_one(&self, queue: &Queue) -> bool {
        if !self.budget.allows() {
            return false;
        }
        while let Some(cell) = queue.pop() {
            self.run(cell);
            if !self.budget.spend() {
                return false;
            }
        }
        true
    }

    /// Runs code that belongs to a resource and hands a panic to the failure handler, in place.
    #[inline]
    pub(crate) fn guard(&self, of: &impl Failing, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.fail(of, payload);
        }
    }

    /// A callback of this resource panicked, or a destructor did.
    #[cold]
    pub(crate) fn fail(&self, of: &impl Failing, payload: Box<dyn Any + Send>) {
        let failure = of.failed(Origin::UncaughtException, payload);
        self.stop_if(self.failures.handle(failure));
    }

    fn stop_if(&self, stop: bool) {
        if stop {
            self.budget.stop();
        }
    }

    #[inline]
    fn run(&self, cell: NonNull<Header>) {
        // SAFETY: a popped cell is alive and linked nowhere; the queue's claim on it is passed on
        // (contract of `Queue::push`).
        let run = unsafe { cell.as_ref() }.vtable.run;
        // SAFETY: the conditions of `VTable::run` hold as just said, and we are on the owner
        // thread: `drain` is called by the loop alone.
        unsafe { run(cell, self.owner()) };
    }

    // ---- the end (rule 6) ----

    /// From now on nothing new is accepted.
    pub(crate) fn begin_closing(&self) {
        self.closing.set(true);
    }

    /// Whether the runtime is being dropped.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Gets rid of one queued job without running it. False if none is queued.
    pub(crate) fn discard_one(&self) -> bool {
        let Some(cell) = self.ticks.pop().or_else(|| self.microtasks.pop()) else { return false };
        // SAFETY: as in `run`.
        let discard = unsafe { cell.as_ref() }.vtable.discard;
        // SAFETY: as in `run`.
        unsafe { discard(cell, self.owner()) };
        true
    }

    /// Ends the core: merges the counts of the cells that wakers and handles still keep, closes
    /// the inbox and takes out what has thread affinity. All futures and outputs are gone, and
    /// the thread is not inside the loop any more: wakers that are used meanwhile go by `shared`.
    pub(crate) fn close(self: &Arc<Self>) {
        assert!(!self.owner().is_current(), "a loop is closed from outside");
        while let Some(cell) = self.cells.first() {
            // SAFETY: it is the first of this list.
            unsafe { self.cells.unlink(cell) };
            // SAFETY: a cell in the list is not freed.
            let activation = unsafe { &raw const (*cell.as_ptr()).header.activation };
            // SAFETY: initialised. What it owns is taken out here, once: from now on everybody,
            // also this thread, uses nothing of it but the id, which stays (rule 4).
            let ended = unsafe { activation.read() };
            // What it holds (a resource's Rc) must die on this thread, whatever its drop does.
            self.guard(&Activation::of_loop(), move || drop(ended));
            // The orphan keeps the core allocated.
            let _ = Arc::into_raw(Arc::clone(self));
            // SAFETY: still alive: nobody can free it before its counts are merged.
            unsafe { TaskHeader::life(cell) }.merge_at_close_remote();
        }
        self.inbox.close();
        while let Some(message) = self.inbox.next() {
            // What a message owns is the user's: its drop may panic, and the others must go too.
            // SAFETY: just closed.
            self.guard(&Activation::of_loop(), || unsafe { dispose_remote(message) });
        }
    }
}

/// Disposes of a message after the end of the runtime, on any thread: gives back its reference.
///
/// # Safety
/// The inbox is closed.
#[cold]
#[inline(never)]
unsafe fn dispose_remote(message: Message) {
    let Message::Task(TaskMessage { verb, task }) = message else { return };
    // SAFETY: the message's reference, or its right to free, keeps the cell alive up to this call.
    let life = unsafe { TaskHeader::life(task) };
    let is_last = match verb {
        Verb::Free => true,
        Verb::Wake => life.take_notification_remote(),
        Verb::Drop | Verb::Detach | Verb::Abort => match life.drop_remote() {
            RemoteDropped::SendFree => true,
            RemoteDropped::Alive => false,
            RemoteDropped::SendDrop => unreachable!("after the end all references are in shared"),
        },
    };
    if !is_last {
        return;
    }
    // SAFETY: nobody holds a reference any more, so it is ours alone.
    let owner = unsafe { TaskHeader::owner(task) };
    // SAFETY: as above.
    let home = &unsafe { task.as_ref() }.header.vtable.home;
    // SAFETY: the cell came from the pool with the home of its table. Nothing in it needs to be
    // dropped: future, output and joiner went at the end of the runtime, and so did what the
    // activation owned.
    unsafe { pool::release(task.cast(), home) };
    // SAFETY: the orphan owned one count of its core, taken in `close`.
    unsafe { Arc::decrement_strong_count(owner.0.cast::<Core>().as_ptr().cast_const()) };
}

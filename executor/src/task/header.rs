//! The headers at offset 0 of every queued cell, and the erased operations behind them.
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::sync;
use crate::task::error::{JoinError, Payload};
use crate::task::life::{Life, Outcome};
use crate::task::pool::Home;
use lunation_context::Activation;
use std::cell::Cell;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::task::Waker;

/// Identity of a loop: the address of its `Core`. It is not reused while a cell of it exists,
/// because orphaned cells keep the core's memory (rule 6 of [`task`](super)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Owner(pub(crate) NonNull<()>);

/// What can be done to a cell whose type is not known.
pub(crate) struct VTable {
    /// Runs the cell that was just taken from a queue.
    ///
    /// Safety: on the owner thread, with a live cell of this table that is linked in no queue; the
    /// entry's claim on the cell is consumed (rule 5).
    pub(crate) run: unsafe fn(NonNull<Header>, Owner),
    /// Gets rid of the cell instead, at the end of the runtime. Same conditions.
    pub(crate) discard: unsafe fn(NonNull<Header>, Owner),
    /// Where the memory of the cell comes from.
    pub(crate) home: Home,
    /// Offset of a task's stage; nothing in other cells.
    pub(crate) stage_at: usize,
    /// What only tasks have.
    pub(crate) task: Option<TaskOps>,
}

/// Typed operations of a task. All on the owner thread, with a live cell.
#[derive(Clone, Copy)]
pub(crate) struct TaskOps {
    /// Drops the future in the task's resource and completes with `Cancelled`.
    ///
    /// Safety: the caller has won `Life::begin_cancel`.
    pub(crate) cancel: unsafe fn(NonNull<TaskHeader>, Owner),
    /// Drops what the task has ended with, in the task's resource.
    ///
    /// Safety: the caller has won this outcome by `Life::take_outcome` or `detach`.
    pub(crate) drop_outcome: unsafe fn(NonNull<TaskHeader>, Owner, Outcome),
}

/// Start of every cell that can stand in a queue: tasks, ticks, microtasks.
#[repr(C)]
pub(crate) struct Header {
    /// The resource and its live frame.
    pub(crate) activation: Activation,
    pub(crate) vtable: &'static VTable,
    /// Link of the one queue it stands in.
    pub(crate) next: Cell<Option<NonNull<Header>>>,
}

/// Start of every task cell.
#[repr(C)]
pub(crate) struct TaskHeader {
    pub(crate) header: Header,
    pub(crate) owner: Owner,
    pub(crate) life: Life,
    /// In the inbox: the entry below. Written by whoever has set NOTIFIED (rule 10).
    pub(crate) inbox_link: InboxLink,
    /// Whoever awaits the `JoinHandle`.
    pub(crate) joiner: Cell<Option<Waker>>,
    /// Its place in the list of all cells of the loop.
    pub(crate) links: Links,
}

/// A link of the stack that an inbox is.
pub(crate) type InboxLink = sync::Cell<*mut ()>;

/// A place in a ring: the neighbours on both sides.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) previous: Cell<NonNull<Links>>,
    pub(crate) following: Cell<NonNull<Links>>,
}

// An idle task is to fit 128 bytes with malloc's eight and a stage of one word: the layout is part
// of the design.
#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Header>() == 56 && size_of::<TaskHeader>() == 112);

impl TaskHeader {
    /// The counts and the state, without a reference to what is the owner's (rule 4).
    ///
    /// # Safety
    /// The cell is not freed while the result is used.
    #[inline]
    pub(crate) unsafe fn life<'a>(task: NonNull<TaskHeader>) -> &'a Life {
        // SAFETY: the cell is there, by the contract.
        unsafe { &(*task.as_ptr()).life }
    }

    /// The identity of the task's loop, likewise.
    ///
    /// # Safety
    /// The cell is not freed.
    #[inline]
    pub(crate) unsafe fn owner(task: NonNull<TaskHeader>) -> Owner {
        // SAFETY: the cell is there, by the contract; `owner` is never written again.
        unsafe { (*task.as_ptr()).owner }
    }

    /// Its link in the inbox, likewise.
    ///
    /// # Safety
    /// The cell is not freed while the result is used.
    #[inline]
    pub(crate) unsafe fn inbox_link<'a>(task: NonNull<TaskHeader>) -> &'a InboxLink {
        // SAFETY: the cell is there, by the contract.
        unsafe { &(*task.as_ptr()).inbox_link }
    }

    /// The task whose place in the list this is.
    ///
    /// # Safety
    /// `links` was made by [`TaskHeader::links`] of a cell that is not freed.
    #[inline]
    pub(crate) unsafe fn of(links: NonNull<Links>) -> NonNull<TaskHeader> {
        // SAFETY: the pointer reaches the whole cell, of which `links` is this field.
        unsafe { links.byte_sub(offset_of!(TaskHeader, links)) }.cast()
    }

    /// The place of the task in the list, by a pointer that reaches the whole cell.
    ///
    /// # Safety
    /// The cell is not freed.
    #[inline]
    pub(crate) unsafe fn links(task: NonNull<TaskHeader>) -> NonNull<Links> {
        // SAFETY: within the cell, which is there by the contract.
        unsafe { task.byte_add(offset_of!(TaskHeader, links)) }.cast()
    }

    /// Whether somebody awaits the task.
    #[inline]
    pub(crate) fn has_joiner(&self) -> bool {
        // SAFETY: read at once: nothing can change the slot meanwhile.
        unsafe { &*self.joiner.as_ptr() }.is_some()
    }

    /// Moves out of the stage what the task has ended with.
    ///
    /// # Safety
    /// On the owner thread, with a live task whose output is a `T`; the caller has won this outcome
    /// by `Life::take_outcome` or `detach`.
    #[inline]
    pub(crate) unsafe fn read_outcome<T>(
        task: NonNull<TaskHeader>,
        outcome: Outcome,
    ) -> Result<T, JoinError> {
        if outcome == Outcome::OUTPUT {
            // SAFETY: this contract.
            return Ok(unsafe { TaskHeader::read_output(task) });
        }
        // SAFETY: this contract.
        Err(JoinError::without_output(unsafe { TaskHeader::read_payload(task, outcome) }))
    }

    /// [`read_outcome`](Self::read_outcome) of a task without an output.
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn read_payload(
        task: NonNull<TaskHeader>,
        outcome: Outcome,
    ) -> Option<Payload> {
        // SAFETY: alive by the contract.
        let stage = unsafe { TaskHeader::stage::<Payload>(task) };
        // SAFETY: the outcome says what lies there; it is read by the one that has won it.
        (outcome == Outcome::PANIC).then(|| unsafe { stage.read() })
    }

    /// [`read_outcome`](Self::read_outcome) of an output.
    ///
    /// # Safety
    /// As there, and the outcome is `OUTPUT`.
    #[inline]
    pub(crate) unsafe fn read_output<T>(task: NonNull<TaskHeader>) -> T {
        // SAFETY: alive by the contract.
        let stage = unsafe { TaskHeader::stage::<T>(task) };
        // SAFETY: an output lies there, read by the one that has won it.
        unsafe { stage.read() }
    }

    /// Where a task's future or outcome lies.
    ///
    /// # Safety
    /// The cell is not freed.
    #[inline]
    unsafe fn stage<T>(task: NonNull<TaskHeader>) -> NonNull<T> {
        // SAFETY: alive by the contract.
        let stage_at = unsafe { task.as_ref() }.header.vtable.stage_at;
        // SAFETY: within the cell, by its table.
        unsafe { task.byte_add(stage_at) }.cast()
    }

    /// Which task awaits the `JoinHandle`: the data pointer of its waker.
    pub(crate) fn joined_by(&self) -> Option<*const ()> {
        let joiner = self.joiner.take();
        let data = joiner.as_ref().map(Waker::data);
        self.joiner.set(joiner);
        data
    }

    /// The operations of this task.
    pub(crate) fn ops(&self) -> TaskOps {
        self.header.vtable.task.expect("a task's table has its operations")
    }
}

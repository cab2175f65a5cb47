//! The headers at offset 0 of every queued cell, and the erased operations behind them.
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::task::life::Life;
use crate::task::pool::Home;
use lunation_context::Activation;
use std::cell::Cell;
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
    /// Offset of a task's output, once it is there; nothing in other cells.
    pub(crate) output_at: usize,
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
    /// Drops the output in the task's resource.
    ///
    /// Safety: the caller has won `Life::take_output`.
    pub(crate) drop_output: unsafe fn(NonNull<TaskHeader>, Owner),
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
    /// Whoever awaits the `JoinHandle`.
    pub(crate) joiner: Cell<Option<Waker>>,
    /// Links of the list of all cells of the loop.
    pub(crate) previous: Cell<Option<NonNull<TaskHeader>>>,
    pub(crate) following: Cell<Option<NonNull<TaskHeader>>>,
}

// An idle task is to fit 128 bytes with malloc's eight: the layout is part of the design.
#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Header>() == 64 && size_of::<TaskHeader>() == 120);

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

    /// Whether dropping the header does nothing: no context, no description, nobody who waits.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        // SAFETY: read at once: nothing can change the slot meanwhile.
        self.header.activation.is_bare() && unsafe { &*self.joiner.as_ptr() }.is_none()
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

//! The list of all task cells of a loop.
#![allow(unsafe_code, reason = "raw cells; see the unsafe fence in ARCHITECTURE.md")]

use crate::task::header::{Links, TaskHeader};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// All task cells of a loop, in order of their spawns: for dumps and for the end of the runtime. A
/// ring, so that linking and unlinking have no cases.
#[derive(Debug)]
pub(crate) struct Cells {
    ends: Links,
}

impl Cells {
    pub(crate) fn new() -> Cells {
        let nowhere = NonNull::dangling();
        Cells { ends: Links { previous: Cell::new(nowhere), following: Cell::new(nowhere) } }
    }

    /// Makes it usable, once it lies where it stays.
    pub(crate) fn settle(&self) {
        let ends = NonNull::from(&self.ends);
        self.ends.previous.set(ends);
        self.ends.following.set(ends);
    }

    /// The place that the next cell to be linked comes after.
    #[inline]
    pub(crate) fn last(&self) -> NonNull<Links> {
        self.ends.previous.get()
    }

    /// What the next cell to be linked is made with.
    #[inline]
    pub(crate) fn links_after(&self, last: NonNull<Links>) -> Links {
        Links { previous: Cell::new(last), following: Cell::new(NonNull::from(&self.ends)) }
    }

    /// Appends a cell.
    ///
    /// # Safety
    /// The cell is alive until it is unlinked, in no list yet, and has the links after `last`,
    /// which is the present one.
    #[inline]
    pub(crate) unsafe fn link(&self, cell: NonNull<TaskHeader>, last: NonNull<Links>) {
        // SAFETY: alive by this contract.
        let place = unsafe { TaskHeader::links(cell) };
        self.ends.previous.set(place);
        // SAFETY: a linked cell is alive until it is unlinked, and the ends are our own.
        unsafe { last.as_ref() }.following.set(place);
    }

    /// Takes a cell out.
    ///
    /// # Safety
    /// The cell is in this list.
    #[inline]
    pub(crate) unsafe fn unlink(&self, cell: NonNull<TaskHeader>) {
        // SAFETY: a linked cell is alive.
        let links = unsafe { &cell.as_ref().links };
        let (previous, following) = (links.previous.get(), links.following.get());
        // SAFETY: neighbours in the list are linked, so alive.
        unsafe { previous.as_ref() }.following.set(following);
        // SAFETY: as above.
        unsafe { following.as_ref() }.previous.set(previous);
    }

    /// Shows all cells, oldest first. `show` must not run user code.
    pub(crate) fn for_each(&self, mut show: impl FnMut(&TaskHeader)) {
        let mut at = self.first();
        while let Some(cell) = at {
            // SAFETY: cells in the list are alive, and `show` cannot free any.
            show(unsafe { cell.as_ref() });
            // SAFETY: it is in the list.
            at = unsafe { self.after(cell) };
        }
    }

    /// The oldest cell.
    pub(crate) fn first(&self) -> Option<NonNull<TaskHeader>> {
        self.cell_at(self.ends.following.get())
    }

    /// The cell after this one.
    ///
    /// # Safety
    /// The cell is in this list.
    pub(crate) unsafe fn after(&self, cell: NonNull<TaskHeader>) -> Option<NonNull<TaskHeader>> {
        // SAFETY: a linked cell is alive.
        self.cell_at(unsafe { cell.as_ref() }.links.following.get())
    }

    fn cell_at(&self, place: NonNull<Links>) -> Option<NonNull<TaskHeader>> {
        if ptr::eq(place.as_ptr(), &self.ends) {
            return None;
        }
        // SAFETY: every other place in the ring is that of a linked cell, made by `link`.
        Some(unsafe { TaskHeader::of(place) })
    }
}

//! Memory for cells: freelists by size class, each cell from malloc on its own.
//!
//! Cells are never parts of slabs, so that a foreign thread may free an orphan with plain
//! `dealloc` after the runtime has gone (rule 6 of [`task`](super)). A freed cell is kept for the
//! next spawn: that saves most of what a spawn costs.
#![allow(unsafe_code, reason = "raw allocation; see the unsafe fence in ARCHITECTURE.md")]

use crate::limits::{POOL_CELLS_PER_CLASS, POOL_CLASS_BYTES, POOL_CLASSES};
use crate::sync::{alloc, dealloc};
use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// A free cell: its first word links to the next one.
struct Free {
    next: *mut Free,
}

struct Class {
    head: Cell<*mut Free>,
    kept: Cell<u32>,
}

/// The freelists of one runtime. Used by its owner thread only.
pub(crate) struct Pool {
    classes: [Class; POOL_CLASSES],
}

/// The layout that is really allocated for `layout`: rounded up to its size class.
const fn rounded(layout: Layout) -> Layout {
    if layout.size() > POOL_CLASS_BYTES * POOL_CLASSES || layout.align() > 16 {
        return layout;
    }
    let size = layout.size().next_multiple_of(POOL_CLASS_BYTES);
    match Layout::from_size_align(size, 16) {
        Ok(layout) => layout,
        Err(_) => panic!("a rounded layout is valid"),
    }
}

/// The class of a rounded layout, if it is pooled.
const fn class(rounded: Layout) -> Option<usize> {
    let size = rounded.size();
    if size == 0 || size > POOL_CLASS_BYTES * POOL_CLASSES || rounded.align() > 16 {
        return None;
    }
    Some(size / POOL_CLASS_BYTES - 1)
}

impl Pool {
    pub(crate) fn new() -> Pool {
        let empty = |_| Class { head: Cell::new(ptr::null_mut()), kept: Cell::new(0) };
        Pool { classes: std::array::from_fn(empty) }
    }

    /// Memory for a value of `layout`, which must not be empty.
    #[inline]
    pub(crate) fn allocate(&self, layout: Layout) -> NonNull<u8> {
        assert!(layout.size() != 0, "a cell has a header");
        let layout = rounded(layout);
        if let Some(class) = class(layout) {
            let class = &self.classes[class];
            if let Some(free) = NonNull::new(class.head.get()) {
                // SAFETY: a non-null head is a cell that `free` put on this list: readable, ours
                // alone, and its first word is an initialised `Free`.
                class.head.set(unsafe { free.as_ref() }.next);
                class.kept.set(class.kept.get() - 1);
                return free.cast();
            }
        }
        malloc(layout)
    }

    /// Takes memory back.
    ///
    /// # Safety
    /// `memory` came from [`Pool::allocate`] of any pool with this `layout` and is not used again.
    #[inline]
    pub(crate) unsafe fn free(&self, memory: NonNull<u8>, layout: Layout) {
        if let Some(class) = class(rounded(layout)) {
            let class = &self.classes[class];
            if class.kept.get() < POOL_CELLS_PER_CLASS {
                let free = memory.cast::<Free>();
                // SAFETY: the memory is ours by this function's contract, at least 32 bytes and
                // 16-aligned (a pooled class), so a `Free` fits.
                unsafe { free.write(Free { next: class.head.get() }) };
                class.head.set(free.as_ptr());
                class.kept.set(class.kept.get() + 1);
                return;
            }
        }
        // SAFETY: the contract of this function is that of `release`.
        unsafe { release(memory, layout) };
    }
}

#[cold]
#[inline(never)]
fn malloc(rounded: Layout) -> NonNull<u8> {
    // SAFETY: the size is not zero: `allocate` asserts it, and rounding only adds.
    let memory = unsafe { alloc(rounded) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(rounded))
}

/// Gives memory back to malloc, on any thread.
///
/// # Safety
/// `memory` came from [`Pool::allocate`] with this `layout` and is not used again.
#[cold]
#[inline(never)]
pub(crate) unsafe fn release(memory: NonNull<u8>, layout: Layout) {
    let layout = rounded(layout);
    if cfg!(loom) {
        // A model in which a freed cell is used fails at once: nothing in it makes sense any more.
        // SAFETY: `allocate` got it with this rounded layout, and nobody uses it.
        unsafe { memory.write_bytes(0xff, layout.size()) };
    }
    // SAFETY: `allocate` got it from `alloc` with the same rounded layout.
    unsafe { dealloc(memory.as_ptr(), layout) };
}

impl Drop for Pool {
    fn drop(&mut self) {
        for (index, class) in self.classes.iter().enumerate() {
            let bytes = (index + 1) * POOL_CLASS_BYTES;
            let Ok(layout) = Layout::from_size_align(bytes, 16) else { continue };
            let mut head = class.head.replace(ptr::null_mut());
            while let Some(free) = NonNull::new(head) {
                // SAFETY: as in `allocate`: a cell on the list is readable and ours alone.
                head = unsafe { free.as_ref() }.next;
                // SAFETY: every cell of this class was allocated with this rounded layout.
                unsafe { release(free.cast(), layout) };
            }
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept: u32 = self.classes.iter().map(|class| class.kept.get()).sum();
        f.debug_struct("Pool").field("kept", &kept).finish()
    }
}

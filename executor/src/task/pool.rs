//! Memory for cells: freelists by size class, each cell from malloc on its own.
//!
//! Cells are never parts of slabs, so that a foreign thread may free an orphan with plain
//! `dealloc` after the runtime has gone (rule 6 of [`task`](super)). A freed cell is kept for the
//! next spawn: that saves most of what a spawn costs.
#![allow(unsafe_code, reason = "raw allocation; see the unsafe fence in ARCHITECTURE.md")]

use crate::limits::{MALLOC_OVERHEAD, POOL_CELLS_PER_CLASS, POOL_CLASS_BYTES, POOL_CLASSES};
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
    /// How many more cells may be kept.
    room: Cell<i32>,
}

/// Alignment of pooled cells.
const ALIGN: usize = 16;

/// The freelists of one runtime. Used by its owner thread only.
pub(crate) struct Pool {
    /// As many as a `u8` can name, so that looking one up needs no test. Those from `POOL_CLASSES`
    /// on are always empty, and have no room.
    classes: [Class; 256],
}

/// Where cells of one type come from: worked out at compile time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home {
    /// What is really allocated: rounded up to the size class.
    layout: Layout,
    /// The freelist; `UNPOOLED` for cells that are not pooled.
    class: u8,
}

const UNPOOLED: u8 = u8::MAX;

impl Home {
    /// The home of cells of type `T`.
    pub(crate) const fn of<T>() -> Home {
        assert!(size_of::<T>() != 0, "a cell has a header");
        let class = (size_of::<T>() + MALLOC_OVERHEAD - 1) / POOL_CLASS_BYTES;
        if class >= POOL_CLASSES || align_of::<T>() > ALIGN {
            return Home { layout: Layout::new::<T>(), class: UNPOOLED };
        }
        Home::of_class(class)
    }

    const fn of_class(class: usize) -> Home {
        let size = (class + 1) * POOL_CLASS_BYTES - MALLOC_OVERHEAD;
        match Layout::from_size_align(size, ALIGN) {
            Ok(layout) => Home { layout, class: class as u8 },
            Err(_) => panic!("a rounded layout is valid"),
        }
    }
}

impl Pool {
    pub(crate) fn new() -> Pool {
        let class = |index| {
            let room = if index < POOL_CLASSES { POOL_CELLS_PER_CLASS } else { 0 };
            Class { head: Cell::new(ptr::null_mut()), room: Cell::new(room) }
        };
        Pool { classes: std::array::from_fn(class) }
    }

    /// Uninitialised memory for a cell of this home.
    #[inline]
    pub(crate) fn allocate(&self, home: &'static Home) -> NonNull<u8> {
        let class = &self.classes[usize::from(home.class)];
        if let Some(free) = NonNull::new(class.head.get()) {
            // SAFETY: a non-null head is a cell that `free` put on this list: readable, ours
            // alone, and its first word is an initialised `Free`.
            class.head.set(unsafe { free.as_ref() }.next);
            class.room.set(class.room.get() + 1);
            return free.cast();
        }
        malloc(home.layout)
    }

    /// Takes memory back.
    ///
    /// # Safety
    /// `memory` came from [`Pool::allocate`] of any pool with this `home` and is not used again.
    #[inline]
    pub(crate) unsafe fn free(&self, memory: NonNull<u8>, home: &'static Home) {
        let class = &self.classes[usize::from(home.class)];
        // Taken first and given back if there is none: one instruction that counts and tests.
        class.room.set(class.room.get() - 1);
        if class.room.get() >= 0 {
            let free = memory.cast::<Free>();
            // SAFETY: the memory is ours by this function's contract, at least 24 bytes and
            // 16-aligned (a pooled class), so a `Free` fits.
            unsafe { free.write(Free { next: class.head.get() }) };
            class.head.set(free.as_ptr());
            return;
        }
        class.room.set(0);
        // SAFETY: the contract of this function is that of `release`.
        unsafe { release(memory, home) };
    }
}

#[cold]
#[inline(never)]
fn malloc(layout: Layout) -> NonNull<u8> {
    // SAFETY: the size is not zero: `Home::of` asserts it, and rounding only adds.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives memory back to malloc, on any thread.
///
/// # Safety
/// `memory` came from [`Pool::allocate`] with this `home` and is not used again.
#[cold]
#[inline(never)]
pub(crate) unsafe fn release(memory: NonNull<u8>, home: &Home) {
    if cfg!(loom) {
        // A model in which a freed cell is used fails at once: nothing in it makes sense any more.
        // SAFETY: `allocate` got it with this layout, and nobody uses it.
        unsafe { memory.write_bytes(0xff, home.layout.size()) };
    }
    // SAFETY: `allocate` got it from `alloc` with the same layout.
    unsafe { dealloc(memory.as_ptr(), home.layout) };
}

impl Drop for Pool {
    fn drop(&mut self) {
        for (index, class) in self.classes[..POOL_CLASSES].iter().enumerate() {
            let home = Home::of_class(index);
            let mut head = class.head.replace(ptr::null_mut());
            while let Some(free) = NonNull::new(head) {
                // SAFETY: as in `allocate`: a cell on the list is readable and ours alone.
                head = unsafe { free.as_ref() }.next;
                // SAFETY: every cell of this class was allocated with the layout of this home.
                unsafe { release(free.cast(), &home) };
            }
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let classes = &self.classes[..POOL_CLASSES];
        let kept: i32 = classes.iter().map(|class| POOL_CELLS_PER_CLASS - class.room.get()).sum();
        f.debug_struct("Pool").field("kept", &kept).finish()
    }
}

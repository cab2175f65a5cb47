//! Freelists for value boxes and frames: a thread's blocks go round without malloc.
//!
//! Blocks are allocated one by one with the layout of their class, so that a block can be given
//! back to the allocator at any time, also after the thread's pool is gone.
#![allow(unsafe_code, reason = "raw memory blocks are recycled here")]

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Sizes are rounded up to a multiple of this.
const CLASS_BYTES: usize = 32;
/// Blocks up to `CLASSES * CLASS_BYTES` bytes are pooled.
const CLASSES: usize = 16;
/// A pooled block's alignment; what needs more is not pooled.
const ALIGN: usize = 16;
/// Free blocks kept per class, at most 2 MiB in the largest one.
const KEPT_PER_CLASS: i32 = 4096;

/// A free block holds the link to the next one.
struct FreeBlock {
    next: *mut FreeBlock,
}

struct Pool {
    heads: [Cell<*mut FreeBlock>; CLASSES],
    /// How many blocks may still be put into each list; 0 while there is no owner.
    room: [Cell<i32>; CLASSES],
}

/// Gives the blocks back at thread exit. It is apart from the pool so that the pool itself has
/// no destructor: an access is then a plain load, and works in every other destructor.
struct Owner;

thread_local! {
    static POOL: Pool = const {
        Pool {
            heads: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            room: [const { Cell::new(0) }; CLASSES],
        }
    };
    static POOL_OWNER: Cell<Option<Owner>> = const { Cell::new(None) };
}

/// The size to ask for instead of `size`, so that a block's spare room is known to its owner.
pub(crate) const fn usable_size(size: usize) -> usize {
    if size <= CLASSES * CLASS_BYTES {
        size.next_multiple_of(CLASS_BYTES)
    } else {
        // What grows one step at a time is then not copied at each step.
        size.next_multiple_of(CLASSES * CLASS_BYTES)
    }
}

/// Where blocks of one layout come from: computed once per type.
#[derive(Clone, Copy)]
pub(crate) struct Home {
    layout: Layout,
    /// The freelist; `CLASSES` if blocks of this layout are not pooled.
    class: usize,
}

impl Home {
    /// Of blocks that [`release_plainly`] never takes.
    pub(crate) const NOWHERE: Home = Home { layout: Layout::new::<()>(), class: CLASSES };

    #[inline]
    pub(crate) const fn new(layout: Layout) -> Home {
        let (size, align) = (layout.size(), layout.align());
        if size != 0 && size <= CLASSES * CLASS_BYTES && align <= ALIGN {
            let class = (size - 1) / CLASS_BYTES;
            Home { layout: layout_of(class), class }
        } else {
            Home { layout, class: CLASSES }
        }
    }
}

#[inline]
const fn layout_of(class: usize) -> Layout {
    match Layout::from_size_align((class + 1) * CLASS_BYTES, ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    }
}

/// An uninitialised block of at least the size and alignment asked for.
#[inline]
pub(crate) fn allocate(home: Home) -> NonNull<u8> {
    match reuse(home) {
        Some(block) => block,
        None => allocate_fresh(home.layout),
    }
}

/// [`allocate`] from what was given back before, if there is any.
#[inline]
pub(crate) fn reuse(home: Home) -> Option<NonNull<u8>> {
    POOL.with(|pool| {
        let head = pool.heads.get(home.class)?;
        let block = NonNull::new(head.get())?;
        // SAFETY: a listed block is allocated, aligned to 16 and starts with a FreeBlock that
        // `release` wrote; nobody else refers to it.
        let next = unsafe { block.read().next };
        head.set(next);
        let room = &pool.room[home.class];
        room.set(room.get() + 1);
        Some(block.cast())
    })
}

#[cold]
#[inline(never)]
fn allocate_fresh(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() != 0, "blocks have headers");
    // SAFETY: the size is not 0.
    let block = unsafe { alloc::alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

/// Takes back a block.
///
/// # Safety
/// `block` was returned by [`allocate`] for this same home, and nobody uses it any more.
#[inline]
pub(crate) unsafe fn release(block: NonNull<u8>, home: Home) {
    // SAFETY: as the caller promises.
    if unsafe { !release_plainly(block, home) } {
        // SAFETY: as the caller promises: it was not kept.
        unsafe { release_slowly(block, home) };
    }
}

/// [`release`] if the list has room; `false` if not, and then nothing was done.
///
/// # Safety
/// As [`release`], unless the home is [`NOWHERE`](Home::NOWHERE).
#[inline]
pub(crate) unsafe fn release_plainly(block: NonNull<u8>, home: Home) -> bool {
    // SAFETY: as the caller promises.
    POOL.with(|pool| home.class < CLASSES && unsafe { keep(pool, block, home.class) })
}

/// Puts a block on its list if that has room.
///
/// # Safety
/// As [`release`], of a home with this class.
#[inline]
unsafe fn keep(pool: &Pool, block: NonNull<u8>, class: usize) -> bool {
    let (head, room) = (&pool.heads[class], &pool.room[class]);
    // Taken first and given back if there is none: one instruction that counts and tests.
    room.set(room.get() - 1);
    if room.get() < 0 {
        room.set(0);
        return false;
    }
    let block = block.cast::<FreeBlock>();
    // SAFETY: the block is ours now, at least 32 bytes long and aligned to 16.
    unsafe { block.write(FreeBlock { next: head.get() }) };
    head.set(block.as_ptr());
    true
}

/// # Safety
/// As [`release`].
#[cold]
#[inline(never)]
unsafe fn release_slowly(block: NonNull<u8>, home: Home) {
    // SAFETY: as the caller promises.
    if home.class < CLASSES && POOL.with(open) && unsafe { release_plainly(block, home) } {
        return;
    }
    // SAFETY: every block of this home was allocated with its layout.
    unsafe { alloc::dealloc(block.as_ptr(), home.layout) };
}

/// Opens the pool at its first use; false if it was open already, or the thread is exiting.
fn open(pool: &Pool) -> bool {
    let opened = POOL_OWNER.try_with(|owner| {
        let known = owner.replace(Some(Owner));
        let first = known.is_none();
        // The owner's drop closes the pool: it must run at thread exit only.
        std::mem::forget(known);
        first
    });
    let opened = opened == Ok(true);
    if opened {
        pool.room.iter().for_each(|room| room.set(KEPT_PER_CLASS));
    }
    opened
}

impl Drop for Owner {
    fn drop(&mut self) {
        POOL.with(|pool| {
            pool.room.iter().for_each(|room| room.set(0));
            for (class, head) in pool.heads.iter().enumerate() {
                let mut next = head.replace(ptr::null_mut());
                while let Some(block) = NonNull::new(next) {
                    // SAFETY: as in `allocate`.
                    next = unsafe { block.read().next };
                    // SAFETY: allocated with the layout of its class, and off the list now.
                    unsafe { alloc::dealloc(block.as_ptr().cast(), layout_of(class)) };
                }
            }
        });
    }
}

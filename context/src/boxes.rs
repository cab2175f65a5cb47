//! Value boxes without their types: counted, and disposed of from a list.
//!
//! Rules the `SAFETY` comments cite:
//! 1. *Counted*: a [`ValueRef`] owns one count; the box is alive while the count is not 0. The
//!    count is 64 bits wide, so forgotten references cannot make it wrap.
//! 2. *Whole*: a [`Header`] lies at offset 0 of a box of the type that its table was made for, in
//!    a block of the table's home, and pointers to it reach the whole box.
//! 3. *Disposed from a list*: at count 0 a box that is not freed at once, as a plain one is, goes
//!    to a list of the thread, which the outermost release works off. A value that drops a snapshot
//!    that drops a value ... needs no stack. From then on only the list knows the box.
#![allow(unsafe_code, reason = "values of erased type, counted by hand")]

use std::cell::Cell;
use std::hint;
use std::mem;
use std::ptr::NonNull;

use crate::pool::{self, Home};

/// What becomes of a value in a new resource's frame.
pub(crate) enum Inherited {
    Same,
    Nothing,
    New(ValueRef),
}

/// The erased operations of a `ValueBox<T>` with one kind of `Inherit`.
pub(crate) struct VTable {
    pub(crate) home: Home,
    /// The same, if nothing in a box needs drop; else [`Home::NOWHERE`].
    pub(crate) plain_home: Home,
    /// Drops the value in place.
    pub(crate) drop: unsafe fn(NonNull<Header>),
    pub(crate) always: bool,
    pub(crate) inherit: unsafe fn(&ValueRef) -> Inherited,
    /// Clones the value for another thread.
    pub(crate) pack: Option<Pack>,
}

/// The erased part of a box, at offset 0.
pub(crate) struct Header {
    pub(crate) refs: Cell<u64>,
    pub(crate) vtable: &'static VTable,
    pub(crate) key: u64,
    /// The number of the guard or `run` this value stands for; 0 = a base value.
    pub(crate) entry: Cell<u64>,
    /// The flow of that guard; 0 = a base value.
    pub(crate) flow: Cell<u64>,
    /// Alive: what was in the slot before this entry, with one count. Dead: the next in the
    /// list of boxes to dispose of.
    pub(crate) link: Cell<Option<NonNull<Header>>>,
}

pub(crate) type Pack = unsafe fn(&ValueRef) -> Box<dyn Parcel>;
/// A value on its way to another thread.
pub(crate) trait Parcel: Send {
    /// A box for the value on this thread.
    fn unpack(self: Box<Self>) -> ValueRef;
    fn duplicate(&self) -> Box<dyn Parcel>;
}

/// A counted reference to a box of any type.
pub(crate) struct ValueRef(NonNull<Header>);

/// Which guard or `run` a value stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) flow: u64,
}

impl Entry {
    /// Of a base value: it belongs to no guard.
    pub(crate) const BASE: Entry = Entry { number: 0, flow: 0 };
    /// Of a write that was dropped: no value stands for it.
    pub(crate) const NONE: Entry = Entry { number: u64::MAX, flow: 0 };
}

impl ValueRef {
    /// # Safety
    /// `header` is that of a whole box (rule 2); the result takes over one count of it.
    #[inline]
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> ValueRef {
        ValueRef(header)
    }

    /// The box, by a pointer that reaches all of it.
    #[inline]
    pub(crate) fn as_raw(&self) -> NonNull<Header> {
        self.0
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: rule 1: the box is alive as long as `self`, and all changes go through Cells.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn key(&self) -> u64 {
        self.header().key
    }

    #[inline]
    pub(crate) fn entry(&self) -> Entry {
        Entry { number: self.header().entry.get(), flow: self.header().flow.get() }
    }

    pub(crate) fn set_entry(&self, entry: Entry) {
        self.header().entry.set(entry.number);
        self.header().flow.set(entry.flow);
    }

    /// Is it inherited as it is?
    #[inline]
    pub(crate) fn is_always(&self) -> bool {
        self.header().vtable.always
    }

    /// Applies the storage's `Inherit`; may run user code.
    pub(crate) fn inherit(&self) -> Inherited {
        // SAFETY: the vtable was made for this box's type.
        unsafe { (self.header().vtable.inherit)(self) }
    }

    /// A clone of the value for another thread, if the storage is transferable; runs user code.
    pub(crate) fn pack(&self) -> Option<Box<dyn Parcel>> {
        // SAFETY: rule 2: the table was made for this box's type.
        self.header().vtable.pack.map(|pack| unsafe { pack(self) })
    }

    /// Has this entry replaced anything?
    #[inline]
    pub(crate) fn has_prior(&self) -> bool {
        self.header().link.get().is_some()
    }

    /// Takes out what this entry has replaced.
    #[inline]
    pub(crate) fn take_prior(&self) -> Option<ValueRef> {
        // The count passes from the link to the result.
        self.header().link.take().map(ValueRef)
    }

    /// Another reference to what this entry has replaced.
    pub(crate) fn prior(&self) -> Option<ValueRef> {
        let prior = self.take_prior();
        let copy = prior.clone();
        self.set_prior(prior);
        copy
    }

    /// Sets what this entry has replaced; there must be nothing yet.
    #[inline]
    pub(crate) fn set_prior(&self, prior: Option<ValueRef>) {
        debug_assert!(self.header().link.get().is_none(), "a prior would leak");
        self.header().link.set(prior.map(ValueRef::into_raw));
    }

    /// Takes one count off; true if it was the last.
    #[inline]
    fn uncount(&self) -> bool {
        let refs = self.header().refs.get() - 1;
        self.header().refs.set(refs);
        refs == 0
    }

    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        let raw = self.0;
        mem::forget(self);
        raw
    }

    /// Gives the count back, if it is the only one and that runs no code.
    #[inline]
    pub(crate) fn release_plainly(self) -> Result<(), ValueRef> {
        if self.header().refs.get() == 1 && free_plain(self.0) {
            mem::forget(self);
            Ok(())
        } else {
            Err(self)
        }
    }

    /// Gives the count back without running user code: [`dispose_queued`] must follow.
    #[inline]
    pub(crate) fn release_later(self) {
        if self.uncount() && !free_plain(self.0) {
            queue(self.0);
        }
        mem::forget(self);
    }
}

impl Clone for ValueRef {
    #[inline]
    fn clone(&self) -> Self {
        let refs = &self.header().refs;
        // SAFETY: rule 1: this reference is counted. With that the compiler knows that a copy which
        // is dropped at once was not the last.
        unsafe { hint::assert_unchecked(refs.get() != 0) };
        refs.set(refs.get() + 1);
        ValueRef(self.0)
    }
}

impl Drop for ValueRef {
    #[inline]
    fn drop(&mut self) {
        if self.uncount() {
            bury(self.0);
        }
    }
}

/// Dead boxes that wait for the outermost release on this thread.
struct Disposal {
    head: Cell<Option<NonNull<Header>>>,
    tail: Cell<Option<NonNull<Header>>>,
    running: Cell<bool>,
}

thread_local! {
    static DISPOSAL: Disposal = const {
        Disposal { head: Cell::new(None), tail: Cell::new(None), running: Cell::new(false) }
    };
}

/// Drops a value without owners.
#[inline(never)]
fn bury(dead: NonNull<Header>) {
    if !free_plain(dead) {
        queue(dead);
        dispose_queued();
    }
}

/// Frees a box whose last count was given back, or is the caller's, if that runs no code, that of
/// the allocator included. If not, nothing was done.
#[inline]
fn free_plain(dead: NonNull<Header>) -> bool {
    // SAFETY: dead and not disposed of yet, or alive by the caller's count.
    let header = unsafe { dead.as_ref() };
    let home = header.vtable.plain_home;
    // SAFETY: allocated from this home, if it is one; nobody refers to it and nothing needs drop.
    header.link.get().is_none() && unsafe { pool::release_plainly(dead.cast(), home) }
}

/// Queues a dead box, and the boxes it has replaced if they died with it.
#[inline(never)]
fn queue(dead: NonNull<Header>) {
    DISPOSAL.with(|disposal| {
        let mut next = Some(dead);
        while let Some(dead) = next.take() {
            // SAFETY: rule 3: dead, but its memory is released by `dispose_queued` only.
            let header = unsafe { dead.as_ref() };
            let prior = header.link.take();
            match disposal.tail.replace(Some(dead)) {
                None => disposal.head.set(Some(dead)),
                // SAFETY: rule 3, as above: the tail is in the list.
                Some(tail) => unsafe { tail.as_ref() }.link.set(Some(dead)),
            }
            if let Some(prior) = prior {
                // SAFETY: rule 1: the link owned a count of it.
                let refs = &unsafe { prior.as_ref() }.refs;
                refs.set(refs.get() - 1);
                next = (refs.get() == 0).then_some(prior);
            }
        }
    });
}

/// Whether values are queued that no caller further out is dropping.
#[inline]
pub(crate) fn is_queued() -> bool {
    DISPOSAL.with(|disposal| disposal.head.get().is_some() && !disposal.running.get())
}

/// Drops the queued values, unless a caller further out is at it.
#[inline]
pub(crate) fn dispose_queued() {
    if is_queued() {
        DISPOSAL.with(dispose_all);
    }
}

#[cold]
#[inline(never)]
fn dispose_all(disposal: &Disposal) {
    /// Goes on with the rest when a value's drop has panicked.
    struct Finish<'a>(&'a Disposal);
    impl Drop for Finish<'_> {
        fn drop(&mut self) {
            while let Some(dead) = self.0.pop() {
                dispose(dead);
            }
            self.0.running.set(false);
        }
    }
    disposal.running.set(true);
    let finish = Finish(disposal);
    while let Some(dead) = disposal.pop() {
        dispose(dead);
    }
    drop(finish);
}

impl Disposal {
    fn pop(&self) -> Option<NonNull<Header>> {
        let head = self.head.get()?;
        // SAFETY: rule 3: it is in the list.
        let next = unsafe { head.as_ref() }.link.get();
        self.head.set(next);
        if next.is_none() {
            self.tail.set(None);
        }
        Some(head)
    }
}

/// Drops the value of a box that is off the list, and frees the box also if that panics.
fn dispose(dead: NonNull<Header>) {
    struct Free(NonNull<Header>, Home);
    impl Drop for Free {
        fn drop(&mut self) {
            // SAFETY: rule 3: nobody else knows the box, its value is gone.
            unsafe { pool::release(self.0.cast(), self.1) };
        }
    }
    // SAFETY: rule 3: popped from the list, so still allocated.
    let vtable = unsafe { dead.as_ref() }.vtable;
    let free = Free(dead, vtable.home);
    // SAFETY: the vtable was made for this type; popped once, so dropped once.
    unsafe { (vtable.drop)(dead) };
    drop(free);
}

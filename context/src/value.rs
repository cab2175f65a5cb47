//! Value boxes: one stored value with the entry it belongs to, counted and pooled.
//!
//! Rules the `SAFETY` comments cite:
//! 1. *Counted*: a [`ValueRef`] owns one count; the box is alive while the count is not 0. The
//!    count is 64 bits wide, so forgotten references cannot make it wrap.
//! 2. *Typed by key*: a box that bears a number of a `Key<T>` is a `ValueBox<T>`, because boxes
//!    are made by [`Label::seal`] only, labels come from a `Key<T>` or from a `ValueBox<T>`, and
//!    numbers are never used twice, on no thread (`key.rs`).
//! 3. *Disposed from a list*: at count 0 the box goes to a list of the thread, which the
//!    outermost release works off. A value that drops a snapshot that drops a value ... needs
//!    no stack. From then on only the list knows the box.
#![allow(unsafe_code, reason = "values of erased type, counted by hand")]

use std::alloc::Layout;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem;
use std::ptr::{self, NonNull};

use crate::key::Key;
use crate::policy::Inherit;
use crate::pool::{self, Home};

/// An `Inherit` as a storage keeps it, and copies it into each box.
pub(crate) struct Policy<T> {
    vtable: &'static VTable,
    map: Option<fn(&T) -> Option<T>>,
}

impl<T: 'static> Policy<T> {
    pub(crate) const PLAIN: Self = Self::new(Inherit::Always, Operations::LOCAL);

    pub(crate) const fn new(inherit: Inherit<T>, operations: Operations<T>) -> Self {
        let (vtable, map) = match inherit {
            Inherit::Always => (operations.always, None),
            Inherit::Never => (operations.never, None),
            Inherit::Map(map) => (operations.map, Some(map)),
        };
        Policy { vtable, map }
    }
}

/// The tables of a storage, by its kind of `Inherit`.
pub(crate) struct Operations<T> {
    always: &'static VTable,
    never: &'static VTable,
    map: &'static VTable,
    of: PhantomData<fn(T) -> T>,
}

impl<T: 'static> Operations<T> {
    /// Of a storage whose values stay on their thread.
    pub(crate) const LOCAL: Self = Operations {
        always: &Tables::<T>::table(true, inherit_same, None),
        never: &Tables::<T>::table(false, inherit_nothing, None),
        map: &Tables::<T>::table(false, inherit_mapped::<T>, None),
        of: PhantomData,
    };
}

impl<T: Clone + Send + 'static> Operations<T> {
    /// Of a storage whose values can follow to other threads.
    pub(crate) const TRANSFERABLE: Self = Operations {
        always: &Tables::<T>::table(true, inherit_same, Some(pack::<T>)),
        never: &Tables::<T>::table(false, inherit_nothing, Some(pack::<T>)),
        map: &Tables::<T>::table(false, inherit_mapped::<T>, Some(pack::<T>)),
        of: PhantomData,
    };
}

/// What becomes of a value in a new resource's frame.
pub(crate) enum Inherited {
    Same,
    Nothing,
    New(ValueRef),
}

/// The erased operations of a `ValueBox<T>` with one kind of `Inherit`.
struct VTable {
    home: Home,
    needs_drop: bool,
    /// Drops the value in place.
    drop: unsafe fn(NonNull<Header>),
    always: bool,
    inherit: unsafe fn(&ValueRef) -> Inherited,
    /// Clones the value for another thread.
    pack: Option<Pack>,
}

/// The erased part of a box, at offset 0.
struct Header {
    refs: Cell<u64>,
    vtable: &'static VTable,
    key: u64,
    /// The number of the guard or `run` this value stands for; 0 = a base value.
    entry: Cell<u64>,
    /// The flow of that guard; 0 = a base value.
    flow: Cell<u64>,
    /// Alive: what was in the slot before this entry, with one count. Dead: the next in the
    /// list of boxes to dispose of.
    link: Cell<Option<NonNull<Header>>>,
}

#[repr(C)]
struct ValueBox<T> {
    header: Header,
    map: Option<fn(&T) -> Option<T>>,
    /// `None`: the store is hidden by `exit`.
    value: Option<T>,
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
}

impl ValueRef {
    #[inline]
    fn header(&self) -> &Header {
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
    fn into_raw(self) -> NonNull<Header> {
        let raw = self.0;
        mem::forget(self);
        raw
    }

    /// Gives the count back without running user code: [`dispose_queued`] must follow.
    #[inline]
    pub(crate) fn release_later(self) {
        if self.uncount() {
            queue(self.0);
        }
        mem::forget(self);
    }
}

impl Clone for ValueRef {
    #[inline]
    fn clone(&self) -> Self {
        let refs = &self.header().refs;
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

/// A counted reference to the box of a storage of `T`s.
pub(crate) struct Value<T> {
    raw: ValueRef,
    owns: PhantomData<T>,
}

impl<T: 'static> Value<T> {
    /// Makes a box that bears the key's present number.
    #[inline]
    pub(crate) fn new(
        key: &Key<T>,
        policy: &Policy<T>,
        value: Option<T>,
        entry: Entry,
    ) -> Value<T> {
        let label = Label { vtable: policy.vtable, key: key.get(), map: policy.map };
        Value { raw: label.seal(value, entry), owns: PhantomData }
    }

    /// Takes `raw` for a `Value<T>` if it bears `number`.
    ///
    /// # Safety
    /// `number` was read from a `Key<T>`.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: &ValueRef, number: u64) -> Option<Value<T>> {
        (raw.key() == number).then(|| Value { raw: raw.clone(), owns: PhantomData })
    }

    /// The value; `None` if it is hidden by `exit`.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: rules 1 and 2: alive as long as `self`, and a ValueBox<T>; values are never
        // changed while references exist.
        unsafe { self.raw.0.cast::<ValueBox<T>>().as_ref() }.value.as_ref()
    }

    #[inline]
    pub(crate) fn into_raw(self) -> ValueRef {
        self.raw
    }
}

impl<T> Clone for Value<T> {
    #[inline]
    fn clone(&self) -> Self {
        Value { raw: self.raw.clone(), owns: PhantomData }
    }
}

/// What the boxes of one storage have in common (rule 2).
#[derive(Clone)]
struct Label<T> {
    vtable: &'static VTable,
    key: u64,
    map: Option<fn(&T) -> Option<T>>,
}

impl<T: 'static> Label<T> {
    fn of(whole: &ValueBox<T>) -> Label<T> {
        Label { vtable: whole.header.vtable, key: whole.header.key, map: whole.map }
    }

    /// A new box.
    #[inline]
    fn seal(self, value: Option<T>, entry: Entry) -> ValueRef {
        let header = Header {
            refs: Cell::new(1),
            vtable: self.vtable,
            key: self.key,
            entry: Cell::new(entry.number),
            flow: Cell::new(entry.flow),
            link: Cell::new(None),
        };
        let place = pool::allocate(Tables::<T>::HOME).cast::<ValueBox<T>>();
        // SAFETY: a fresh block of this layout, which nobody else knows.
        unsafe { place.write(ValueBox { header, map: self.map, value }) };
        // The header is at offset 0 (repr(C)), and the pointer may reach the whole box.
        ValueRef(place.cast())
    }
}

type Pack = unsafe fn(&ValueRef) -> Box<dyn Parcel>;
/// A value on its way to another thread.
pub(crate) trait Parcel: Send {
    /// A box for the value on this thread.
    fn unpack(self: Box<Self>) -> ValueRef;
    fn duplicate(&self) -> Box<dyn Parcel>;
}

#[derive(Clone)]
struct Packed<T> {
    label: Label<T>,
    value: Option<T>,
}

impl<T: Clone + Send + 'static> Parcel for Packed<T> {
    fn unpack(self: Box<Self>) -> ValueRef {
        self.label.seal(self.value, Entry::BASE)
    }

    fn duplicate(&self) -> Box<dyn Parcel> {
        Box::new(self.clone())
    }
}

struct Tables<T>(PhantomData<T>);

impl<T: 'static> Tables<T> {
    const HOME: Home = Home::new(Layout::new::<ValueBox<T>>());

    const fn table(
        always: bool,
        inherit: unsafe fn(&ValueRef) -> Inherited,
        pack: Option<Pack>,
    ) -> VTable {
        let (home, needs_drop) = (Self::HOME, mem::needs_drop::<T>());
        VTable { home, needs_drop, drop: drop_value::<T>, always, inherit, pack }
    }
}

/// # Safety
/// `raw` is a `ValueBox<T>`.
unsafe fn pack<T: Clone + Send + 'static>(raw: &ValueRef) -> Box<dyn Parcel> {
    // SAFETY: alive as long as `raw` (rule 1), of this type as the caller promises.
    let whole = unsafe { raw.0.cast::<ValueBox<T>>().as_ref() };
    Box::new(Packed { label: Label::of(whole), value: whole.value.clone() })
}

/// # Safety
/// `header` is that of a dead `ValueBox<T>` whose value was not dropped yet.
unsafe fn drop_value<T>(header: NonNull<Header>) {
    let whole = header.cast::<ValueBox<T>>().as_ptr();
    // SAFETY: in bounds of the box (see above).
    let value = unsafe { &raw mut (*whole).value };
    // SAFETY: rule 3: nobody else knows the box; dropped once, as the caller promises.
    unsafe { ptr::drop_in_place(value) };
}

fn inherit_same(_: &ValueRef) -> Inherited {
    Inherited::Same
}

fn inherit_nothing(_: &ValueRef) -> Inherited {
    Inherited::Nothing
}

/// # Safety
/// `raw` is a `ValueBox<T>`.
unsafe fn inherit_mapped<T: 'static>(raw: &ValueRef) -> Inherited {
    // SAFETY: alive as long as `raw` (rule 1), of this type as the caller promises.
    let whole = unsafe { raw.0.cast::<ValueBox<T>>().as_ref() };
    // A hidden store stays hidden: there is nothing to map.
    let (Some(map), Some(value)) = (whole.map, &whole.value) else { return Inherited::Same };
    let Some(mapped) = map(value) else { return Inherited::Nothing };
    Inherited::New(Label::of(whole).seal(Some(mapped), Entry::BASE))
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

/// Drops a value without owners, at once if that runs no code.
#[inline(never)]
fn bury(dead: NonNull<Header>) {
    // SAFETY: rule 3: dead, but still allocated.
    let header = unsafe { dead.as_ref() };
    if header.vtable.needs_drop || header.link.get().is_some() {
        queue(dead);
        return dispose_queued();
    }
    let home = header.vtable.home;
    // SAFETY: allocated from this home; nobody refers to it and nothing needs drop.
    unsafe { pool::release(dead.cast(), home) };
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

/// Drops the queued values, unless a caller further out is at it.
#[inline(never)]
pub(crate) fn dispose_queued() {
    DISPOSAL.with(|disposal| {
        if disposal.head.get().is_some() && !disposal.running.get() {
            dispose_all(disposal);
        }
    });
}

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
    if vtable.needs_drop {
        // SAFETY: the vtable was made for this type; popped once, so dropped once.
        unsafe { (vtable.drop)(dead) };
    }
    drop(free);
}

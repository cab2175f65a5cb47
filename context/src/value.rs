//! Values: what a storage puts into boxes and reads there, with its types.
//!
//! Rules the `SAFETY` comments cite: 1 to 3 are those of `boxes.rs`, and
//! 4. *Typed by key*: a box that bears a number of a `Key<T>` is a `ValueBox<T>`, because boxes
//!    are made by [`Label::seal`] only, labels come from a `Key<T>` or from a `ValueBox<T>`, and
//!    numbers are never used twice, on no thread (`key.rs`).
#![allow(unsafe_code, reason = "values of erased type")]

use std::alloc::Layout;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem;
use std::ptr::{self, NonNull};

use crate::boxes::{Entry, Header, Inherited, Pack, Parcel, VTable, ValueRef};
use crate::key::{Key, index_of};
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

#[repr(C)]
struct ValueBox<T> {
    header: Header,
    map: Option<fn(&T) -> Option<T>>,
    /// `None`: the store is hidden by `exit`.
    value: Option<T>,
}

/// A counted reference to the box of a storage of `T`s.
pub(crate) struct Value<T> {
    raw: ValueRef,
    owns: PhantomData<T>,
}

impl<T: 'static> Value<T> {
    /// Makes a box that bears the key's present number.
    pub(crate) fn new(
        key: &Key<T>,
        policy: &Policy<T>,
        value: Option<T>,
        entry: Entry,
    ) -> Value<T> {
        Value { raw: Label::new(key, policy).seal(value, entry), owns: PhantomData }
    }

    /// Drops what is most probably the only reference to a box of this key, and has no prior:
    /// without a look at its table if so.
    #[inline]
    pub(crate) fn discard(raw: ValueRef, key: &Key<T>) {
        let header = raw.header();
        debug_assert!(header.link.get().is_none(), "it was taken out of its slot");
        if mem::needs_drop::<T>() || header.refs.get() != 1 || header.key != key.peek() {
            return drop(raw);
        }
        // SAFETY: rule 4: a ValueBox<T>, so of this home; ours was the only reference, and nothing
        // in it needs drop.
        unsafe { pool::release(raw.into_raw().cast(), Tables::<T>::HOME) };
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
        // SAFETY: rules 1 and 4: alive as long as `self`, and a ValueBox<T>; values are never
        // changed while references exist.
        unsafe { self.raw.as_raw().cast::<ValueBox<T>>().as_ref() }.value.as_ref()
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

/// What the boxes of one storage have in common (rule 4).
#[derive(Clone)]
pub(crate) struct Label<T> {
    vtable: &'static VTable,
    key: u64,
    map: Option<fn(&T) -> Option<T>>,
}

impl<T: 'static> Label<T> {
    /// That of the key's present number, taken now if need be.
    #[inline]
    pub(crate) fn new(key: &Key<T>, policy: &Policy<T>) -> Label<T> {
        Label { vtable: policy.vtable, key: key.get(), map: policy.map }
    }

    /// That of the key's present number, if it has one.
    #[inline]
    pub(crate) fn peek(key: &Key<T>, policy: &Policy<T>) -> Option<Label<T>> {
        let key = key.peek();
        (key != 0).then_some(Label { vtable: policy.vtable, key, map: policy.map })
    }

    /// Where the storage's slot is.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        index_of(self.key)
    }

    fn of(whole: &ValueBox<T>) -> Label<T> {
        Label { vtable: whole.header.vtable, key: whole.header.key, map: whole.map }
    }

    /// A new box.
    pub(crate) fn seal(self, value: Option<T>, entry: Entry) -> ValueRef {
        Draft::new(self, value, entry).seal(None)
    }
}

/// A box with all that is in it but what it replaces, which is not known yet.
pub(crate) struct Draft<T> {
    place: NonNull<ValueBox<T>>,
    label: Label<T>,
    value: Option<T>,
    entry: Entry,
}

impl<T: 'static> Draft<T> {
    /// Takes the memory, which may run anything: malloc is the program's.
    #[inline]
    pub(crate) fn new(label: Label<T>, value: Option<T>, entry: Entry) -> Draft<T> {
        Draft { place: pool::allocate(Tables::<T>::HOME).cast(), label, value, entry }
    }

    /// The number that it bears.
    #[inline]
    pub(crate) fn key(&self) -> u64 {
        self.label.key
    }

    /// Is it inherited as it is?
    #[inline]
    pub(crate) fn is_always(&self) -> bool {
        self.label.vtable.always
    }

    /// The box. No user code runs.
    #[inline]
    pub(crate) fn seal(self, prior: Option<ValueRef>) -> ValueRef {
        let header = Header {
            refs: Cell::new(1),
            vtable: self.label.vtable,
            key: self.label.key,
            entry: Cell::new(self.entry.number),
            flow: Cell::new(self.entry.flow),
            link: Cell::new(prior.map(ValueRef::into_raw)),
        };
        let whole = ValueBox { header, map: self.label.map, value: self.value };
        // SAFETY: a fresh block of this layout, which nobody else knows.
        unsafe { self.place.write(whole) };
        // SAFETY: the header is at offset 0 (repr(C)), the pointer reaches the whole box, whose one
        // count this is.
        unsafe { ValueRef::from_raw(self.place.cast()) }
    }
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
        let home = Self::HOME;
        let plain_home = if mem::needs_drop::<T>() { Home::NOWHERE } else { home };
        VTable { home, plain_home, drop: drop_value::<T>, always, inherit, pack }
    }
}

/// # Safety
/// `raw` is a `ValueBox<T>`.
unsafe fn pack<T: Clone + Send + 'static>(raw: &ValueRef) -> Box<dyn Parcel> {
    // SAFETY: alive as long as `raw` (rule 1), of this type as the caller promises.
    let whole = unsafe { raw.as_raw().cast::<ValueBox<T>>().as_ref() };
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
    let whole = unsafe { raw.as_raw().cast::<ValueBox<T>>().as_ref() };
    // A hidden store stays hidden: there is nothing to map.
    let (Some(map), Some(value)) = (whole.map, &whole.value) else { return Inherited::Same };
    let Some(mapped) = map(value) else { return Inherited::Nothing };
    Inherited::New(Label::of(whole).seal(Some(mapped), Entry::BASE))
}

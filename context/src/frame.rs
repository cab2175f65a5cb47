//! Frames: what every storage holds, as flat slots at a dense index per storage.
//!
//! Observably a frame is immutable. It is changed in place when it has one owner and copied
//! else, so whether somebody captured it meanwhile cannot be seen. The empty frame is null.
//!
//! Rules the `SAFETY` comments cite:
//! 1. *Counted*: a [`Frame`] that is not null owns one count (64 bits, it cannot wrap); the block
//!    is alive while the count is not 0 and has `len` initialised slots behind its header.
//! 2. *Closed*: a reference into a [`FrameSlot`] or a slot never lives across anything that may
//!    run user code or change the slot; counted copies do. It binds `entries` too.
#![allow(unsafe_code, reason = "frames are one counted block with a tail of slots")]

use std::alloc::Layout;
use std::cell::Cell;
use std::fmt;
use std::iter;
use std::mem::{self, ManuallyDrop};
use std::ptr::NonNull;

use crate::boxes::{self, Entry, ValueRef};
use crate::key::{Key, index_of};
use crate::pool::{self, Home};
use crate::value::{Draft, Value};

type Slot = Cell<Option<ValueRef>>;

/// The block's head; `len` slots follow.
pub(crate) struct Header {
    refs: Cell<u64>,
    len: u16,
    /// Slots that hold a value.
    pub(crate) live: Cell<u16>,
    /// Was there ever a value that is not simply inherited? It may stay set without one.
    pub(crate) special: Cell<bool>,
}

impl Header {
    /// A slot was emptied.
    #[inline]
    fn uncount_value(&self) {
        let live = self.live.get() - 1;
        self.live.set(live);
        // A frame without values stays: whoever sets one store for a while does it again.
        self.special.set(live != 0 && self.special.get());
    }
}

/// Everything the storages hold at one moment: a counted pointer, null if they hold nothing.
///
/// `Clone` and `Drop` are one non-atomic count.
#[derive(Default)]
pub struct Frame(Option<NonNull<Header>>);

impl Frame {
    /// The frame in which every storage is unset. It costs nothing.
    pub const fn empty() -> Frame {
        Frame(None)
    }

    /// Is every storage unset?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.header().is_none_or(|header| header.live.get() == 0)
    }

    /// Does inheriting it need a look at every value?
    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        self.header().is_some_and(|header| header.special.get())
    }

    /// The values, each with its slot's index.
    pub(crate) fn values(&self) -> impl Iterator<Item = (usize, ValueRef)> {
        let slots = self.slots().iter().enumerate();
        slots.filter_map(|(index, slot)| Some((index, peek(slot)?.clone())))
    }

    /// Gives back the frame of a flow that has ended; 0: of none that ever had an entry. No user
    /// code runs: [`boxes::dispose_queued`] must follow.
    #[inline]
    pub(crate) fn end_flow_later(self, flow: u64) {
        let frame = ManuallyDrop::new(self);
        if flow != 0 {
            frame.end_own_flow(flow);
        } else if let Some(dead) = frame.uncount() {
            free(dead);
        }
    }

    /// What the flow's entries have replaced is cut off from them first: nobody can come back to
    /// it, but captures that share the entries' boxes would keep it alive.
    #[inline(never)]
    fn end_own_flow(&self, flow: u64) {
        for slot in self.slots() {
            let own = |value: &&ValueRef| value.entry().flow == flow;
            let mut next = peek(slot).filter(own).and_then(ValueRef::take_prior);
            while let Some(prior) = next {
                next = Some(&prior).filter(own).and_then(ValueRef::take_prior);
                prior.release_later();
            }
        }
        if let Some(dead) = self.uncount() {
            free(dead);
        }
    }

    /// Takes the count off of a frame that nobody uses or drops any more. The block if it was the
    /// last: to be freed.
    #[inline]
    fn uncount(&self) -> Option<NonNull<Header>> {
        let header = self.header()?;
        let refs = header.refs.get() - 1;
        header.refs.set(refs);
        if refs == 0 { self.0 } else { None }
    }

    /// Drops the values, which may run user code. The block is kept for another flow to start
    /// with, if nobody else has it.
    #[inline]
    pub(crate) fn emptied(self) -> Frame {
        let Some(header) = self.header().filter(|header| header.refs.get() == 1) else {
            return Frame::empty();
        };
        let mut live = header.live.get();
        for slot in self.slots() {
            let Some(value) = slot.take() else { continue };
            if let Err(value) = value.release_plainly() {
                mem::forget(slot.replace(Some(value)));
                return self.emptied_slowly();
            }
            live -= 1;
            if live == 0 {
                break;
            }
        }
        debug_assert!(self.slots().iter().all(|slot| peek(slot).is_none()), "live counts values");
        header.live.set(0);
        header.special.set(false);
        self
    }

    /// [`emptied`](Frame::emptied) of a frame of one owner, whatever its values are.
    #[inline(never)]
    fn emptied_slowly(self) -> Frame {
        if let Some(header) = self.header() {
            header.live.set(0);
            header.special.set(false);
        }
        self.slots().iter().filter_map(Cell::take).for_each(ValueRef::release_later);
        boxes::dispose_queued();
        self
    }

    #[inline]
    pub(crate) fn header(&self) -> Option<&Header> {
        // SAFETY: rule 1: alive as long as `self`, changed through Cells only.
        self.0.map(|raw| unsafe { raw.as_ref() })
    }

    #[inline]
    pub(crate) fn slots(&self) -> &[Slot] {
        // SAFETY: rule 1: alive as long as `self`.
        self.0.map_or(&[], |raw| unsafe { slots_of(raw) })
    }

    /// A frame of one owner and at least `len` slots, with the values of this one.
    #[inline(always)]
    fn copy(&self, len: usize) -> Frame {
        let old = self.slots();
        // A block's spare room becomes slots: the next storages then fit without a copy.
        let size = pool::usable_size(layout_for(len.max(old.len())).size());
        let len = (size - SLOTS_AT) / size_of::<Slot>();
        let len = len.min(usize::from(u16::MAX));
        let raw = pool::allocate(Home::new(layout_for(len))).cast::<Header>();
        let (live, special) = self.header().map_or((0, false), |h| (h.live.get(), h.special.get()));
        let (live, special) = (Cell::new(live), Cell::new(special));
        // SAFETY: a fresh block of this layout.
        unsafe { raw.write(Header { refs: Cell::new(1), len: len as u16, live, special }) };
        // SAFETY: within the block.
        let slots = unsafe { raw.byte_add(SLOTS_AT) }.cast::<Slot>();
        let values = old.iter().map(|slot| peek(slot).cloned()).chain(iter::repeat(None));
        for (index, value) in values.take(len).enumerate() {
            // SAFETY: within the block, which has room for `len` slots.
            let slot = unsafe { slots.add(index) };
            // SAFETY: as above; nothing is there yet that needs drop.
            unsafe { slot.write(Cell::new(value)) };
        }
        Frame(Some(raw))
    }

    /// A frame of one owner with the least number of slots, in a block that was used before. Mostly
    /// that is the first frame of a flow.
    #[inline(always)]
    fn reuse() -> Option<Frame> {
        let raw = pool::reuse(LEAST_HOME)?.cast::<Header>();
        let (refs, live, special) = (Cell::new(1), Cell::new(0), Cell::new(false));
        // SAFETY: a block of this layout, which nobody else knows.
        unsafe { raw.write(Header { refs, len: LEAST_SLOTS as u16, live, special }) };
        // SAFETY: within the block, which has room for so many.
        let slots = unsafe { raw.byte_add(SLOTS_AT) }.cast::<[Slot; LEAST_SLOTS]>();
        // SAFETY: as above.
        unsafe { slots.write([const { Slot::new(None) }; LEAST_SLOTS]) };
        Some(Frame(Some(raw)))
    }
}

/// Where the slots begin in a block.
const SLOTS_AT: usize = size_of::<Header>().next_multiple_of(align_of::<Slot>());

/// As many as the smallest block has.
const LEAST_SLOTS: usize = (pool::usable_size(SLOTS_AT) - SLOTS_AT) / size_of::<Slot>();

/// The home of frames with so many.
const LEAST_HOME: Home = Home::new(layout_for(LEAST_SLOTS));

const fn layout_for(len: usize) -> Layout {
    match Layout::from_size_align(SLOTS_AT + len * size_of::<Slot>(), align_of::<Header>()) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    }
}

/// # Safety
/// The block stays alive for `'a` (rule 1).
#[inline]
unsafe fn slots_of<'a>(raw: NonNull<Header>) -> &'a [Slot] {
    // SAFETY: alive, as the caller promises.
    let len = usize::from(unsafe { raw.as_ref() }.len);
    // SAFETY: the slots lie in the same block.
    let first = unsafe { raw.byte_add(SLOTS_AT) }.cast::<Slot>();
    // SAFETY: rule 1: `len` initialised slots, changed through Cells only.
    unsafe { std::slice::from_raw_parts(first.as_ptr(), len) }
}

/// Looks at a slot without taking the value out; rule 2 binds the caller.
#[inline]
pub(crate) fn peek(slot: &Slot) -> Option<&ValueRef> {
    // SAFETY: rule 2: the callers read or clone at once, before anything can change the slot.
    unsafe { &*slot.as_ptr() }.as_ref()
}

impl Clone for Frame {
    #[inline]
    fn clone(&self) -> Self {
        if let Some(header) = self.header() {
            header.refs.set(header.refs.get() + 1);
        }
        Frame(self.0)
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if let Some(dead) = self.uncount() {
            free(dead);
            boxes::dispose_queued();
        }
    }
}

/// Frees a frame without owners, and gives back its values: [`boxes::dispose_queued`] must follow.
#[inline(never)]
fn free(raw: NonNull<Header>) {
    // SAFETY: the count is 0 and we are the only ones who know the block.
    let slots = unsafe { slots_of(raw) };
    match <&[Slot; LEAST_SLOTS]>::try_from(slots) {
        // SAFETY: as above; these are its slots. Their number is known to the compiler here.
        Ok(slots) => unsafe { free_with(raw, slots) },
        // SAFETY: as above.
        Err(_) => unsafe { free_long(raw, slots) },
    }
}

/// # Safety
/// As for [`free_with`].
#[inline(never)]
unsafe fn free_long(raw: NonNull<Header>, slots: &[Slot]) {
    // SAFETY: the contract is the same.
    unsafe { free_with(raw, slots) };
}

/// # Safety
/// `raw` is a block with these slots that nobody else knows. It is freed.
#[inline(always)]
unsafe fn free_with(raw: NonNull<Header>, slots: &[Slot]) {
    for slot in slots {
        // SAFETY: moved out: nobody looks at the slot any more.
        if let Some(value) = unsafe { slot.as_ptr().read() } {
            value.release_later();
        }
    }
    // SAFETY: allocated from the home of so many slots, which are not used any more.
    unsafe { pool::release(raw.cast(), Home::new(layout_for(slots.len()))) };
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.header().map_or(0, |header| header.live.get());
        f.debug_struct("Frame").field("stores", &live).finish_non_exhaustive()
    }
}

/// The live frame of a flow. None of its operations runs user code, except through the drop of
/// what they return.
#[derive(Default)]
pub(crate) struct FrameSlot(Cell<Frame>);

impl FrameSlot {
    #[inline]
    pub(crate) const fn new(frame: Frame) -> FrameSlot {
        FrameSlot(Cell::new(frame))
    }

    #[inline]
    pub(crate) fn peek(&self) -> &Frame {
        // SAFETY: rule 2: the callers, here and in `entries`, let go of it before they change the
        // slot.
        unsafe { &*self.0.as_ptr() }
    }

    /// Whether there is no frame to drop.
    #[inline]
    pub(crate) fn is_null(&self) -> bool {
        self.peek().0.is_none()
    }

    #[inline]
    pub(crate) fn get(&self) -> Frame {
        // Looked at once: the count could be anything's for all the compiler knows.
        let frame = ManuallyDrop::new(Frame(self.peek().0));
        if frame.is_empty() { Frame::empty() } else { Frame::clone(&frame) }
    }

    #[inline]
    pub(crate) fn replace(&self, frame: Frame) -> Frame {
        self.0.replace(frame)
    }

    /// Gives back a frame that others have too, so that nothing is dropped with it.
    #[inline]
    pub(crate) fn leave_shared(&self) {
        let dead = ManuallyDrop::new(self.take()).uncount();
        debug_assert!(dead.is_none(), "the only owner releases the frame");
    }

    #[inline]
    pub(crate) fn take(&self) -> Frame {
        self.0.take()
    }

    /// The value that bears the key's number.
    #[inline]
    pub(crate) fn find<T: 'static>(&self, key: &Key<T>) -> Option<Value<T>> {
        // Without a number yet this looks for 0, which no value bears.
        let number = key.peek();
        let slot = self.peek().slots().get(index_of(number))?;
        // SAFETY: never dropped, so the slot still owns the value. A copy, since counting could
        // change the slot for all the compiler knows.
        let top = ManuallyDrop::new(unsafe { slot.as_ptr().read() });
        let top = top.as_ref()?;
        // SAFETY: `number` was read from a Key<T>.
        unsafe { Value::from_raw(top, number) }
    }

    /// What is in a slot, whatever key it bears.
    pub(crate) fn top(&self, index: usize) -> Option<ValueRef> {
        peek(self.peek().slots().get(index)?).cloned()
    }

    /// Puts a value into a slot, or empties it; returns what was there.
    #[inline]
    pub(crate) fn set(&self, index: usize, value: Option<ValueRef>) -> Option<ValueRef> {
        if value.is_none() && self.peek().slots().get(index).and_then(peek).is_none() {
            return None;
        }
        self.own(index);
        let special = value.as_ref().is_some_and(|value| !value.is_always());
        let added = u16::from(value.is_some());
        let frame = self.peek();
        let (header, slot) = (frame.header()?, frame.slots().get(index)?);
        let old = slot.replace(value);
        let live = header.live.get() + added - u16::from(old.is_some());
        header.live.set(live);
        // A frame without values stays: whoever sets one store for a while does it again.
        header.special.set(live != 0 && (header.special.get() | special));
        old
    }

    /// Makes the frame owned by this slot alone, with a slot at `index`.
    #[inline]
    pub(crate) fn own(&self, index: usize) {
        let owned = self
            .peek()
            .header()
            .is_some_and(|header| header.refs.get() == 1 && index < usize::from(header.len));
        if !owned {
            self.copy(index);
        }
    }

    #[inline(never)]
    fn copy(&self, index: usize) {
        let old = self.0.take();
        self.0.set(old.copy(index + 1));
        // Each of its values has another owner now, so this runs no user code.
        drop(old);
    }

    /// The slot at `index` with the head of its frame, if nobody else has that.
    #[inline]
    fn exclusive(&self, index: usize) -> Option<(&Header, &Slot)> {
        let frame = self.peek();
        let header = frame.header().filter(|header| header.refs.get() == 1)?;
        Some((header, frame.slots().get(index)?))
    }

    /// Puts a base value into its slot if that is empty, and nothing else is to be seen to.
    #[inline]
    pub(crate) fn fill<T: 'static>(&self, index: usize, value: Draft<T>) -> Result<(), Draft<T>> {
        match self.exclusive(index) {
            Some((header, slot)) if value.is_always() && peek(slot).is_none() => {
                header.live.set(header.live.get() + 1);
                mem::forget(slot.replace(Some(value.seal(None))));
                Ok(())
            }
            _ => Err(value),
        }
    }

    /// Puts a new entry on top of its slot. Returns what is no part of the slot any more.
    #[inline]
    pub(crate) fn push<T: 'static>(&self, index: usize, value: Draft<T>) -> Option<ValueRef> {
        if let Some((header, slot)) = self.exclusive(index) {
            let is_plain = match peek(slot) {
                Some(top) => top.key() == value.key(),
                None if value.is_always() => {
                    header.live.set(header.live.get() + 1);
                    true
                }
                None => false,
            };
            if is_plain {
                // SAFETY: moved out: what that leaves in the slot is overwritten below.
                let prior = unsafe { slot.as_ptr().read() };
                // SAFETY: the slot is ours. Not by `set`, which would look at what it replaces.
                unsafe { slot.as_ptr().write(Some(value.seal(prior))) };
                return None;
            }
        }
        self.push_slowly(index, value.seal(None))
    }

    #[inline(never)]
    fn push_slowly(&self, index: usize, value: ValueRef) -> Option<ValueRef> {
        if self.is_null()
            && let Some(frame) = Frame::reuse()
        {
            // There was none to drop.
            mem::forget(self.replace(frame));
            if let Some((header, slot)) = self.exclusive(index) {
                header.live.set(1);
                header.special.set(!value.is_always());
                mem::forget(slot.replace(Some(value)));
                return None;
            }
        }
        self.push_apart(index, value)
    }

    /// Takes an entry out of its slot, wherever it stands. Returns what is to be dropped.
    #[inline]
    pub(crate) fn pop(&self, index: usize, entry: Entry) -> Option<ValueRef> {
        let Some((header, slot)) = self.exclusive(index) else {
            return self.pop_slowly(index, entry);
        };
        if peek(slot).is_none_or(|top| top.entry().number != entry.number) {
            return self.pop_slowly(index, entry);
        }
        // SAFETY: the value is moved out: what that leaves in the slot is overwritten below.
        let top = unsafe { slot.as_ptr().read() }?;
        let prior = top.take_prior();
        if prior.is_none() {
            header.uncount_value();
        }
        // SAFETY: the slot is ours. Not by `set`, which would look at what it replaces.
        unsafe { slot.as_ptr().write(prior) };
        Some(top)
    }
}

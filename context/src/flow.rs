//! `Flow`: a live frame with the number of the flow that lives in it.

use std::cell::Cell;

use crate::boxes;
use crate::frame::{Frame, FrameSlot};
use crate::id::next_number;

const NUMBER_SHIFT: u32 = 8;

/// What a flow of execution carries. A resource has one, and so has each branch (`scope`) in it.
pub(crate) struct Flow {
    pub(crate) frame: FrameSlot,
    /// number << 8 | mark. A flow has no number (0) until a guard needs one.
    bits: Cell<u64>,
}

impl Flow {
    /// A new flow that starts from `frame`. `mark` is its owner's to use.
    #[inline]
    pub(crate) const fn new(frame: Frame, mark: u8) -> Flow {
        Flow { frame: FrameSlot::new(frame), bits: Cell::new(mark as u64) }
    }

    /// What its owner has marked it with.
    #[inline]
    pub(crate) fn mark(&self) -> u8 {
        self.bits.get() as u8
    }

    /// Adds bits to the mark.
    pub(crate) fn add_mark(&self, mark: u8) {
        self.bits.set(self.bits.get() | u64::from(mark));
    }

    /// The flow's number; 0 if no guard ever needed one.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.bits.get() >> NUMBER_SHIFT
    }

    /// The flow's number, taken now if need be.
    #[inline]
    pub(crate) fn numbered(&self) -> u64 {
        match self.number() {
            0 => {
                let number = next_number();
                self.bits.set(number << NUMBER_SHIFT | self.bits.get());
                number
            }
            number => number,
        }
    }

    /// The flow has ended: drops what it holds, which may run user code.
    #[inline]
    pub(crate) fn release(&self) {
        if !self.frame.is_null() {
            self.release_frame();
        }
    }

    #[inline(never)]
    fn release_frame(&self) {
        self.release_later();
        boxes::dispose_queued();
    }

    /// The flow has ended: gives back what it holds. No user code runs:
    /// [`boxes::dispose_queued`] must follow.
    #[inline]
    pub(crate) fn release_later(&self) {
        self.frame.take().end_flow_later(self.number());
    }

    /// [`release`](Self::release) that returns an empty frame with the memory of the old one, if
    /// that can be had.
    #[inline]
    pub(crate) fn recycle(&self) -> Frame {
        if self.number() == 0 {
            return self.frame.take().emptied();
        }
        self.release();
        Frame::empty()
    }
}

impl Drop for Flow {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}

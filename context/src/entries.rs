//! Entries where the usual order fails: overwritten, left before younger ones, or in frames that
//! others have too.

use std::mem;

use crate::boxes::{Entry, ValueRef};
use crate::frame::{FrameSlot, peek};

impl FrameSlot {
    /// Replaces the youngest value of a slot, or the base value. Returns the old one.
    pub(crate) fn overwrite(&self, index: usize, value: ValueRef, flow: u64) -> Option<ValueRef> {
        if flow != 0
            && let Some(top) = self.top(index)
            && top.entry().flow == flow
        {
            // The new value stands for the same guard from now on.
            value.set_entry(top.entry());
            value.set_prior(top.take_prior());
        }
        self.set(index, Some(value))
    }

    /// `pop` for a guard that is not the youngest: the younger one inherits its prior.
    #[cold]
    pub(crate) fn pop_older(&self, index: usize, entry: Entry) -> Option<ValueRef> {
        let mut younger = self.top(index)?;
        while younger.entry().flow == entry.flow {
            let candidate = younger.prior()?;
            if candidate.entry().number == entry.number {
                let removed = younger.take_prior();
                younger.set_prior(candidate.take_prior());
                return removed;
            }
            younger = candidate;
        }
        None
    }

    #[inline(never)]
    pub(crate) fn push_apart(&self, index: usize, value: ValueRef) -> Option<ValueRef> {
        self.own(index);
        let frame = self.peek();
        let (header, slot) = (frame.header()?, frame.slots().get(index)?);
        if !value.is_always() {
            header.special.set(true);
        }
        let (old, entry) = (slot.take(), value.entry());
        let removed = match old {
            None => {
                header.live.set(header.live.get() + 1);
                None
            }
            // A value of a former owner of the index, or from before `disable`, is nothing to
            // come back to, unless a guard of this flow stands for it.
            Some(old) if old.key() == value.key() || old.entry().flow == entry.flow => {
                value.set_prior(Some(old));
                None
            }
            unreadable => unreadable,
        };
        let taken = slot.replace(Some(value));
        debug_assert!(taken.is_none(), "taken out above");
        mem::forget(taken);
        removed
    }

    #[inline(never)]
    pub(crate) fn pop_slowly(&self, index: usize, entry: Entry) -> Option<ValueRef> {
        let frame = self.peek();
        let top = peek(frame.slots().get(index)?)?;
        if top.entry().number != entry.number {
            return self.pop_older(index, entry);
        }
        if !top.has_prior() && frame.header()?.live.get() == 1 {
            // Others have the frame too, as `exclusive` has found.
            self.leave_shared();
            return None;
        }
        self.pop_shared(index)
    }

    /// Takes the top out of its slot in a frame that others have too.
    #[inline(never)]
    fn pop_shared(&self, index: usize) -> Option<ValueRef> {
        let prior = peek(self.peek().slots().get(index)?)?.take_prior();
        self.set(index, prior)
    }
}

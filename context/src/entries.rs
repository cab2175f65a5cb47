//! Entries of guards where the usual order fails: overwritten, or left before younger ones.

use crate::boxes::{Entry, ValueRef};
use crate::frame::FrameSlot;

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
}

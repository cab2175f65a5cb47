//! Where a resource was created and, once somebody has asked for it, its description: one word.
#![allow(unsafe_code, reason = "a tagged pointer; see the unsafe fence in ARCHITECTURE.md")]

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::rc::Rc;

use crate::info::ResourceInfo;

/// The address of the site plus one, or that of the description, which has the site too and is
/// counted here. One word for both, as it is part of every idle task.
pub(crate) struct Origin(Cell<*const ()>);

// So the lowest bit of their addresses is clear.
const _: () = assert!(align_of::<Location<'static>>() > 1 && align_of::<ResourceInfo>() > 1);

impl Origin {
    #[inline]
    pub(crate) const fn new(site: &'static Location<'static>) -> Origin {
        Origin(Cell::new((&raw const *site).cast::<()>().wrapping_byte_add(1)))
    }

    /// Whether there is a description. Without one, dropping this does nothing.
    #[inline]
    pub(crate) fn is_described(&self) -> bool {
        self.0.get().addr() & 1 == 0
    }

    /// The description, if there is one.
    #[inline]
    pub(crate) fn description(&self) -> Option<Rc<ResourceInfo>> {
        if !self.is_described() {
            return None;
        }
        // SAFETY: what is not a site came from `Rc::into_raw`, with a count that stays ours.
        let counted = ManuallyDrop::new(unsafe { Rc::from_raw(self.0.get().cast()) });
        Some(Rc::clone(&counted))
    }

    /// The description, made now if there is none: `make` must not make one.
    pub(crate) fn describe(&self, make: impl FnOnce() -> Rc<ResourceInfo>) -> Rc<ResourceInfo> {
        self.description().unwrap_or_else(|| {
            let made = make();
            self.0.set(Rc::into_raw(Rc::clone(&made)).cast());
            made
        })
    }

    pub(crate) fn site(&self) -> &'static Location<'static> {
        if let Some(description) = self.description() {
            return description.facts.get().site;
        }
        // SAFETY: without a description it is the address of the site plus one, and sites live for
        // ever.
        unsafe { &*self.0.get().wrapping_byte_sub(1).cast() }
    }
}

impl Clone for Origin {
    #[inline]
    fn clone(&self) -> Origin {
        let counted = self.description().map(|description| Rc::into_raw(description).cast());
        Origin(Cell::new(counted.unwrap_or_else(|| self.0.get())))
    }
}

impl Drop for Origin {
    #[inline]
    fn drop(&mut self) {
        if self.is_described() {
            // SAFETY: as in `description`; the count is given back once.
            drop(unsafe { Rc::<ResourceInfo>::from_raw(self.0.get().cast()) });
        }
    }
}

//! `Inherit`: what a new resource gets of a storage's value.

use std::fmt;

/// What a new resource gets of a storage's value: applied once, when it is created.
///
/// `Snapshot`, `bind` and `scope` carry every value, whatever its rule.
pub enum Inherit<T> {
    /// The value itself: the default.
    Always,
    /// Nothing: the storage reads as unset. For what belongs to one flow, as a transaction.
    Never,
    /// What the function makes of it; `None` means unset. It runs in the creator, before the
    /// new resource exists.
    Map(fn(&T) -> Option<T>),
}

impl<T> Clone for Inherit<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Inherit<T> {}

impl<T> fmt::Debug for Inherit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Inherit::Always => "Always",
            Inherit::Never => "Never",
            Inherit::Map(_) => "Map",
        })
    }
}

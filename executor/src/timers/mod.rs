//! The timers of a loop, as data: nothing here runs user code.

mod hash;

pub(crate) mod places;

pub(crate) mod table;

pub(crate) mod lists;

#[cfg(test)]
mod tests;

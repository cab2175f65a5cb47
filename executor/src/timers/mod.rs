//! The timers of a loop, as data: nothing here runs user code.

mod heap;

pub(crate) mod lists;

#[cfg(test)]
mod tests;

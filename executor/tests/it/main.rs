//! The executor's integration tests: one binary, one module per subject.

mod product;
mod reenter;
mod remote;
mod rescue;

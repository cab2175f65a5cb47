//! The differential oracle: Lunation and Node 26 write the same traces of the same programs. See
//! README.md.

mod corpus;
mod format;
mod interp;
mod knobs;
mod real_clock;
mod recorded;
mod rules;

//! An interpreter of the programs of FORMAT.md: every statement is a call of Lunation's public API.
//!
//! What a trace says comes from the runtime alone: stores from `get_store`, ids from
//! `execution_async_id` and `trigger_async_id`, hook events from an enabled `AsyncHooks`, order
//! from the event loop. The interpreter holds the slots, the identities of values and the
//! renumbering of ids; no queue, frame, phase or clock of its own, with two exceptions which
//! FORMAT.md asks for: the frame `arun` and `acall` keep (`inline.rs`) and nominal time
//! (`on_time.rs`).
//!
//! A `throw` is a panic in synchronous bodies, so that it unwinds through `run`, `enter`, `bind`
//! and the loop's own callbacks as a user's panic does; between the statements of a task it is an
//! `Err`.
//!
//! Used by the tests in `tests/oracle` and by `examples/replay.rs`, which includes it by path.

mod events;
mod inline;
mod machine;
mod on_time;
pub(crate) mod program;
mod recorder;
pub(crate) mod replay;
mod slots;
mod sync;
mod task;
mod task_body;
mod timers;
pub(crate) mod trace;

pub(crate) use program::Program;
pub(crate) use replay::{Options, Pace, Run, replay};
pub(crate) use trace::{Recorded, compare};

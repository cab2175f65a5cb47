//! Cancelling what is under way. Node: `AbortController`, `AbortSignal`.
//!
//! `signal` knows who listens and who depends; `futures` waits for it.

mod signal;

mod futures;

pub use futures::{Abortable, UntilAborted};
pub use signal::{AbortController, AbortError, AbortListener, AbortReason, AbortSignal};

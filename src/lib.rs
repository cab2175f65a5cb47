//! A single-threaded async runtime with Node's event-loop phases and native async context.
#![forbid(unsafe_code)]

pub use lunation_context::*;
pub use lunation_executor::*;
pub use lunation_reactor::net;

//! Callbacks and the handles to them: Node's scheduling functions.

mod queues;

mod close;
pub(crate) mod completion;
mod immediate;
mod timeout;

pub use close::queue_close;
pub use completion::{Canceled, Completer, Completion};
pub(crate) use immediate::{Closure, start_immediate};
pub use immediate::{Immediate, clear_immediate, set_immediate};
pub use queues::{next_tick, queue_microtask};
pub(crate) use timeout::{Callback, start_timeout};
pub use timeout::{Timeout, clear_timeout, refreshable_timeout, set_interval, set_timeout};

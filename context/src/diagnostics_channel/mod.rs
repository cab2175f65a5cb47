//! Diagnostics channels: what a library tells whoever wants to know. Node's
//! `diagnostics_channel`.
//!
//! A library publishes messages to a [`Channel`] of its own, usually a `static`; a tool
//! subscribes to it. As long as nobody has, publishing costs one branch. A tool may also bind an
//! [`AsyncLocalStorage`](crate::AsyncLocalStorage) to a channel: it then has a value for
//! as long as the operation runs that the message is about, and in all that the operation starts.
//!
//! A [`BoundedChannel`] tells the start and the end of something, a [`TracingChannel`] the life
//! of a call, a future or a callback.
//!
//! ```
//! use lunation_context::AsyncLocalStorage;
//! use lunation_context::diagnostics_channel::Channel;
//!
//! // In the library:
//! pub struct Request {
//!     pub id: u32,
//! }
//! pub static REQUEST: Channel<Request> = Channel::new("shop.request");
//! fn serve() -> Option<u32> {
//!     REQUEST.run_stores(&Request { id: 7 }, || CURRENT.cloned())
//! }
//!
//! // In the tool:
//! static CURRENT: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
//! assert_eq!(serve(), None);
//! REQUEST.bind_store(&CURRENT, |request| request.id);
//! assert_eq!(serve(), Some(7));
//! ```
//!
//! Subscriptions and bindings belong to the thread that makes them, as the values of the stores
//! do: what another thread publishes does not reach them.
//!
//! Subscribers and transforms are guests in the publisher's code. If one panics, the publisher
//! goes on, and so do the other ones; the panic goes to the runtime's handler of unhandled panics
//! at once (in Node with the next tick), or outside of a runtime to standard error.

mod audience;
mod channel;

mod bounded;
mod trace;

mod tracing;

mod traced_callback;
mod traced_future;

pub use audience::Subscription;
pub use bounded::{BoundedChannel, BoundedGuard, bounded_channel};
pub use channel::{Channel, StoresGuard};
pub use trace::Trace;
pub use traced_callback::TracedCallback;
pub use traced_future::TracedFuture;
pub use tracing::{TracingChannel, TracingSubscriber, tracing_channel};

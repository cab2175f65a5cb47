//! Sockets that one user after the other borrows from a pool.

use std::panic::Location;
use std::rc::Rc;

use lunation_context::{AsyncId, Resource, ResourceRef};

use crate::net::family::Family;
use crate::net::stream::Stream;
use crate::reactor::Reactor;
use crate::source::{Key, Slot};

/// The async resource of a stream in a pool, which changes with each of its users: so none of them
/// meets the context of the one before. Node: `asyncReset` of an agent's sockets.
///
/// It works beside the stream, wherever that is, and does nothing once that is gone, or on another
/// thread.
///
/// ```
/// # use lunation_reactor::net::{TcpListener, TcpStream};
/// # use std::io;
/// # async fn connect(address: &str) -> io::Result<()> {
/// let stream = TcpStream::connect(address).await?;
/// let socket = stream.pooled();
/// let first = socket.async_id();
/// socket.check_in();
/// assert_eq!(socket.async_id(), None);
/// socket.check_out();
/// assert!(socket.async_id() > first);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledSocket {
    key: Key,
    runtime: u64,
}

impl<F: Family> Stream<F> {
    /// The stream's resource, to change it with each user of a pool.
    pub fn pooled(&self) -> PooledSocket {
        PooledSocket { key: self.wire.io.key(), runtime: self.wire.io.runtime() }
    }
}

impl PooledSocket {
    /// The user has given the stream back: its resource ends, with `destroy`, and drops the context
    /// it has captured. Until the next [`check_out`](Self::check_out) the stream has no resource
    /// and does not keep the loop alive.
    pub fn check_in(&self) {
        let Some(reactor) = self.reactor() else { return };
        if let Some(resource) = reactor.change(self.key, Slot::check_in) {
            resource.destroy();
            resource.release();
        }
    }

    /// A new user takes the stream: it becomes a new resource of the same kind, triggered by the
    /// running one and in its context.
    #[track_caller]
    pub fn check_out(&self) {
        let Some(reactor) = self.reactor() else { return };
        let Some(old) = reactor.resource(self.key) else { return };
        let resource = Rc::new(Resource::create(old.kind(), Location::caller()));
        // The hooks of `init` may have closed the stream.
        let replaced = reactor.change(self.key, |slot| slot.check_out(resource.clone()));
        replaced.unwrap_or(resource).destroy();
    }

    /// The id of the stream's resource; `None` between two users, when the stream is gone, and on
    /// another thread. Node: -1 between two users.
    pub fn async_id(&self) -> Option<AsyncId> {
        self.resource().map(|resource| resource.id())
    }

    /// The stream's resource, under the same conditions.
    pub fn resource(&self) -> Option<ResourceRef> {
        let used = self.reactor()?.change(self.key, |slot| slot.used())??;
        Some(used.resource())
    }

    fn reactor(&self) -> Option<Rc<Reactor>> {
        Reactor::current().filter(|reactor| reactor.id() == self.runtime)
    }
}

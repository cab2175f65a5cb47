//! What sockets tell: built-in [diagnostics channels](lunation_context::diagnostics_channel).
//!
//! Publishing costs one load and one branch as long as nobody has subscribed; a message is made
//! only for subscribers. They run in the context of who makes the socket.
//!
//! ```
//! # use std::{cell::RefCell, io, rc::Rc};
//! use lunation_reactor::net::channels::NET_CLIENT_SOCKET;
//!
//! let log = Rc::new(RefCell::new(Vec::new()));
//! let entries = log.clone();
//! let _subscription = NET_CLIENT_SOCKET.subscribe(move |socket, _channel| {
//!     let address = socket.address.clone().unwrap_or_default();
//!     entries.borrow_mut().push(format!("{} to {address}", socket.resource.kind()));
//! });
//! // From now on every connect of this thread is in the log.
//! ```

use std::io;

use lunation_context::diagnostics_channel::{Channel, TracingChannel, tracing_channel};
use lunation_context::{Resource, ResourceRef};

/// A socket that was made. Node: the message `{ socket }`.
#[derive(Debug)]
#[non_exhaustive]
pub struct SocketMessage {
    /// Its id, trigger and kind; a place for data of the tool.
    pub resource: ResourceRef,
    /// Of a stream the peer, of a datagram socket its own address; `None` if it has none.
    pub address: Option<String>,
}

/// A server that is about to listen. Node: the message `{ server, options }`.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListenMessage {
    /// The addresses to try, separated by commas.
    pub address: String,
}

/// A stream is about to connect, or to connect to the next address of a host. Node:
/// `net.client.socket`.
pub static NET_CLIENT_SOCKET: Channel<SocketMessage> = Channel::new("net.client.socket");

/// A listener has accepted a stream. Node: `net.server.socket`.
pub static NET_SERVER_SOCKET: Channel<SocketMessage> = Channel::new("net.server.socket");

/// A server begins to listen, and does or fails; the result is its resource. Node:
/// `tracing:net.server.listen`, of which it uses `asyncStart`, `asyncEnd` and `error`; here it is
/// done when the call returns, so it is `start`, `end` and `error`.
pub static NET_SERVER_LISTEN: TracingChannel<ListenMessage, ResourceRef, io::Error> =
    tracing_channel!("net.server.listen");

/// A datagram socket was made. Node: `udp.socket`.
pub static UDP_SOCKET: Channel<SocketMessage> = Channel::new("udp.socket");

/// The resource of a new socket, if anybody wants to hear of it.
pub(super) fn wanted(
    channel: &'static Channel<SocketMessage>,
    resource: &Resource,
) -> Option<Birth> {
    channel.has_subscribers().then(|| Birth { channel, resource: resource.resource() })
}

/// A socket to tell of once it is registered.
pub(super) struct Birth {
    channel: &'static Channel<SocketMessage>,
    resource: ResourceRef,
}

impl Birth {
    pub(super) fn publish(self, address: Option<String>) {
        self.channel.publish(&SocketMessage { resource: self.resource, address });
    }
}

//! Addresses and options of the UDP socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::net::error::during;
use crate::net::udp::UdpSocket;

impl UdpSocket {
    /// The socket's own address: with port 0, the port that the system chose.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address it is connected to.
    ///
    /// # Errors
    ///
    /// The system's, above all `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// The error that the kernel keeps for this socket, which is then cleared.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get().take_error()
    }

    /// Whether it may send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.get().broadcast()
    }

    /// Lets it send to broadcast addresses (`SO_BROADCAST`). Node: `setBroadcast`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.io.get().set_broadcast(on)
    }

    /// The hop limit of what is sent (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Sets the hop limit (`IP_TTL`). Node: `setTTL`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }

    /// Whether its own multicast datagrams come back to this host (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.io.get().multicast_loop_v4()
    }

    /// Lets its own multicast datagrams come back to this host, or not (`IP_MULTICAST_LOOP`).
    /// Node: `setMulticastLoopback`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.io.get().set_multicast_loop_v4(on)
    }

    /// The hop limit of multicast datagrams (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.io.get().multicast_ttl_v4()
    }

    /// Sets the hop limit of multicast datagrams (`IP_MULTICAST_TTL`). Node: `setMulticastTTL`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_multicast_ttl_v4(ttl)
    }

    /// Whether its own multicast datagrams come back to this host (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.io.get().multicast_loop_v6()
    }

    /// Lets its own multicast datagrams come back to this host, or not (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.io.get().set_multicast_loop_v6(on)
    }

    /// Receives what is sent to `group`, through the interface with the address `interface`
    /// (unspecified: the system chooses). Node: `addMembership`.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the group in the text.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let joined = self.io.get().join_multicast_v4(&group, &interface);
        joined.map_err(|error| during(JOIN, Some(group), error))
    }

    /// Ends what [`join_multicast_v4`](Self::join_multicast_v4) began. Node: `dropMembership`.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the group in the text.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let left = self.io.get().leave_multicast_v4(&group, &interface);
        left.map_err(|error| during(LEAVE, Some(group), error))
    }

    /// Receives what is sent to `group`, through the interface with the index `interface` (0: the
    /// system chooses). Node: `addMembership`.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the group in the text.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let joined = self.io.get().join_multicast_v6(group, interface);
        joined.map_err(|error| during(JOIN, Some(group), error))
    }

    /// Ends what [`join_multicast_v6`](Self::join_multicast_v6) began. Node: `dropMembership`.
    ///
    /// # Errors
    ///
    /// The system's as `source()`, with the group in the text.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let left = self.io.get().leave_multicast_v6(group, interface);
        left.map_err(|error| during(LEAVE, Some(group), error))
    }
}

const JOIN: &str = "join the multicast group";
const LEAVE: &str = "leave the multicast group";

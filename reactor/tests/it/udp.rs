//! UDP sockets.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;

use lunation_reactor::Interest;
use lunation_reactor::net::UdpSocket;

use crate::support::{ANY_PORT, Rig, join, poll_once, would_block};

impl Rig {
    /// A registered socket, its address, and a blocking one.
    fn udp(&self) -> (UdpSocket, SocketAddr, std::net::UdpSocket) {
        let ours = self.block_on(UdpSocket::bind(ANY_PORT)).unwrap();
        let address = ours.local_addr().unwrap();
        (ours, address, std::net::UdpSocket::bind(ANY_PORT).unwrap())
    }

    /// The same, after the readiness that is assumed of a fresh socket was disproved.
    fn blocked_udp(&self) -> (UdpSocket, SocketAddr, std::net::UdpSocket) {
        let (ours, address, peer) = self.udp();
        self.turn();
        assert!(would_block(&ours.try_recv(&mut [0])));
        (ours, address, peer)
    }
}

/// An address at which nobody receives.
fn dead_address() -> SocketAddr {
    std::net::UdpSocket::bind(ANY_PORT).unwrap().local_addr().unwrap()
}

/// Expects the text `operation: error of the system`.
fn assert_names(error: &io::Error, operation: &str) {
    let source = error.source().expect(operation).downcast_ref::<io::Error>().unwrap();
    assert!(source.raw_os_error().is_some());
    assert_eq!(error.kind(), source.kind());
    assert_eq!(error.to_string(), format!("{operation}: {source}"));
}

#[test]
fn echo() {
    let rig = Rig::new();
    rig.block_on(async {
        let server = UdpSocket::bind(ANY_PORT).await.unwrap();
        let client = UdpSocket::bind(ANY_PORT).await.unwrap();
        let address = server.local_addr().unwrap();
        let serve = async {
            let mut buf = [0; 16];
            let (length, peer) = server.recv_from(&mut buf).await.unwrap();
            assert_eq!(server.send_to(&buf[..length], peer).await.unwrap(), length);
            peer
        };
        let ask = async {
            client.connect(address).await.unwrap();
            assert_eq!(client.peer_addr().unwrap(), address);
            client.send(b"ping").await.unwrap();
            let mut buf = [0; 16];
            let length = client.recv(&mut buf).await.unwrap();
            assert_eq!(&buf[..length], b"ping");
        };
        let (peer, ()) = join(serve, ask).await;
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn a_short_datagram_keeps_readiness() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.blocked_udp();
    peer.send_to(b"one", address).unwrap();
    rig.block_on(ours.readable()).unwrap();
    let mut buf = [0; 64];
    assert_eq!(ours.try_recv(&mut buf).unwrap(), 3);
    // No event is taken in between: the kernel is asked.
    peer.send_to(b"four", address).unwrap();
    assert_eq!(ours.try_recv_from(&mut buf).unwrap(), (4, peer.local_addr().unwrap()));
    assert!(would_block(&ours.try_recv(&mut buf)));
    peer.send_to(b"later", address).unwrap();
    assert!(would_block(&ours.try_recv(&mut buf)), "not asked before the next event");
    assert_eq!(rig.block_on(ours.recv(&mut buf)).unwrap(), 5);
}

#[test]
fn datagrams_keep_their_borders() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.blocked_udp();
    for datagram in [&b"long one"[..], b"", b"next"] {
        peer.send_to(datagram, address).unwrap();
    }
    let mut buf = [0; 4];
    assert_eq!(rig.block_on(ours.recv(&mut buf)).unwrap(), 4, "the rest is cut off");
    assert_eq!(rig.block_on(ours.recv(&mut buf)).unwrap(), 0, "an empty one is no end");
    assert_eq!(rig.block_on(ours.recv(&mut buf)).unwrap(), 4);
    assert_eq!(&buf, b"next");
}

#[test]
fn looking_takes_nothing() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.blocked_udp();
    peer.send_to(b"look", address).unwrap();
    let from = peer.local_addr().unwrap();
    let mut buf = [0; 8];
    assert_eq!(rig.block_on(ours.peek_from(&mut buf)).unwrap(), (4, from));
    assert_eq!(rig.block_on(ours.peek(&mut buf)).unwrap(), 4);
    assert_eq!(ours.try_peek_from(&mut buf).unwrap(), (4, from));
    assert_eq!(rig.block_on(poll_fn(|cx| ours.poll_peek_from(cx, &mut buf))).unwrap(), (4, from));
    assert_eq!(rig.block_on(ours.recv_from(&mut buf)).unwrap(), (4, from));
    assert!(would_block(&ours.try_peek_from(&mut buf)));
}

#[test]
fn by_hand() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.blocked_udp();
    let target = peer.local_addr().unwrap();
    let mut buf = [0; 8];
    rig.block_on(async {
        poll_fn(|cx| ours.poll_send_ready(cx)).await.unwrap();
        assert_eq!(poll_fn(|cx| ours.poll_send_to(cx, b"to", target)).await.unwrap(), 2);
        assert_eq!(ours.try_send_to(b"try", target).unwrap(), 3);
        let receive = poll_fn(|cx| ours.poll_recv_from(cx, &mut buf));
        let (received, _) = join(receive, async { peer.send_to(b"back", address) }).await;
        assert_eq!(received.unwrap(), (4, target));
        ours.connect(target).await.unwrap();
        assert_eq!(poll_fn(|cx| ours.poll_send(cx, b"x")).await.unwrap(), 1);
        assert_eq!(ours.try_send(b"xyz").unwrap(), 3);
        peer.send_to(b"again", address).unwrap();
        poll_fn(|cx| ours.poll_recv_ready(cx)).await.unwrap();
        assert_eq!(poll_fn(|cx| ours.poll_recv(cx, &mut buf)).await.unwrap(), 5);
    });
    let lengths: Vec<_> = (0..4).map(|_| peer.recv(&mut buf).unwrap()).collect();
    assert_eq!(lengths, [2, 3, 1, 3]);
}

#[test]
fn connected_it_lets_no_stranger_in() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.blocked_udp();
    let stranger = std::net::UdpSocket::bind(ANY_PORT).unwrap();
    rig.block_on(ours.connect(peer.local_addr().unwrap())).unwrap();
    stranger.send_to(b"stranger", address).unwrap();
    peer.send_to(b"peer", address).unwrap();
    let mut buf = [0; 16];
    assert_eq!(rig.block_on(ours.recv(&mut buf)).unwrap(), 4);
    assert!(would_block(&ours.try_recv(&mut buf)));
}

#[test]
fn refused_names_the_peer_and_the_socket_goes_on() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.blocked_udp();
    let dead = dead_address();
    rig.block_on(ours.connect(dead)).unwrap();
    rig.block_on(ours.send(b"anybody?")).unwrap();
    let error = rig.block_on(ours.recv(&mut [0; 8])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_names(&error, &format!("receive from {dead}"));

    rig.block_on(ours.send(b"anybody?")).unwrap();
    rig.block_on(ours.ready(Interest::READABLE)).unwrap();
    let error = rig.block_on(ours.send(b"hello?")).unwrap_err();
    assert_names(&error, &format!("send to {dead}"));
    assert!(ours.take_error().unwrap().is_none(), "told already");

    rig.block_on(ours.connect(peer.local_addr().unwrap())).unwrap();
    peer.send_to(b"here", address).unwrap();
    assert_eq!(rig.block_on(ours.recv(&mut [0; 8])).unwrap(), 4);
}

#[test]
fn bad_addresses_are_named() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.udp();
    let send_to = |length: usize, target: SocketAddr| {
        let error = rig.block_on(ours.send_to(&vec![0; length], target)).unwrap_err();
        assert_names(&error, &format!("send to {target}"));
        error.kind()
    };
    let peer_address = peer.local_addr().unwrap();
    send_to(70_000, peer_address);
    send_to(1, (Ipv6Addr::LOCALHOST, 1).into());
    let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
    // From the loopback interface nobody beyond it is reached, with or without a route.
    send_to(1, ([192, 0, 2, 1], 9).into());
    send_to(1, everybody);

    let error = rig.block_on(ours.send(b"to whom?")).unwrap_err();
    assert_names(&error, &format!("send on {address}"));
    let error = rig.block_on(UdpSocket::bind(address)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_names(&error, &format!("bind {address}"));
    let error = rig.block_on(ours.connect(everybody)).unwrap_err();
    assert_names(&error, &format!("connect to {everybody}"));
    let error = ours.join_multicast_v4([10, 0, 0, 1].into(), Ipv4Addr::UNSPECIFIED).unwrap_err();
    assert_names(&error, "join the multicast group 10.0.0.1");
    let error = ours.leave_multicast_v4([239, 0, 0, 9].into(), Ipv4Addr::LOCALHOST).unwrap_err();
    assert_names(&error, "leave the multicast group 239.0.0.9");
    let nobody = rig.block_on(ours.send_to(b"x", &[][..])).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::InvalidInput);

    rig.block_on(ours.send_to(b"fine", peer_address)).unwrap();
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 4);
}

#[test]
fn bind_and_connect_try_all_addresses() {
    let rig = Rig::new();
    let (_taken, address, _) = rig.udp();
    let choice = [address, ANY_PORT.into()];
    let ours = rig.block_on(UdpSocket::bind(&choice[..])).unwrap();
    assert_ne!(ours.local_addr().unwrap(), address);
    rig.block_on(ours.connect(&[(Ipv4Addr::BROADCAST, 9).into(), address][..])).unwrap();
    assert_eq!(ours.peer_addr().unwrap(), address);
}

#[test]
fn options() {
    let rig = Rig::new();
    let (ours, ..) = rig.udp();
    ours.set_broadcast(true).unwrap();
    ours.set_ttl(42).unwrap();
    ours.set_multicast_ttl_v4(3).unwrap();
    ours.set_multicast_loop_v4(false).unwrap();
    assert!(ours.broadcast().unwrap() && !ours.multicast_loop_v4().unwrap());
    assert_eq!((ours.ttl().unwrap(), ours.multicast_ttl_v4().unwrap()), (42, 3));
    let group = Ipv4Addr::new(239, 0, 0, 8);
    ours.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
    ours.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
    assert_eq!(ours.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    // Some machines have no IPv6.
    if let Ok(ours) = rig.block_on(UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))) {
        ours.set_multicast_loop_v6(false).unwrap();
        assert!(!ours.multicast_loop_v6().unwrap());
        assert!(ours.join_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
        assert!(ours.leave_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
    }
}

#[test]
fn into_std_and_back() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.udp();
    let std = ours.into_std().unwrap();
    std.set_nonblocking(false).unwrap();
    peer.send_to(b"std", address).unwrap();
    assert_eq!(std.recv(&mut [0; 8]).unwrap(), 3);
    let ours = UdpSocket::from_std(std).unwrap();
    peer.send_to(b"back", address).unwrap();
    assert_eq!(rig.block_on(ours.recv(&mut [0; 8])).unwrap(), 4);
}

#[test]
fn only_what_waits_and_is_not_unrefed_keeps_the_loop_alive() {
    let rig = Rig::new();
    let (ours, ..) = rig.blocked_udp();
    assert_eq!(rig.reactor.waiting(), 0);
    let mut buf = [0; 8];
    let mut receive = Box::pin(ours.recv(&mut buf));
    assert!(poll_once(&mut receive).is_pending());
    assert_eq!(rig.reactor.waiting(), 1);
    ours.unref();
    assert_eq!(rig.reactor.waiting(), 0);
    ours.ref_();
    assert_eq!(rig.reactor.waiting(), 1);
    drop(receive);
    assert_eq!(rig.reactor.waiting(), 0);
}

#[test]
fn elsewhere_it_fails_and_moves() {
    let rig = Rig::new();
    let (ours, address, peer) = rig.udp();
    let moved = thread::spawn(move || {
        let other = Rig::new();
        let errors = [
            ours.try_recv(&mut [0]).unwrap_err(),
            other.block_on(ours.send_to(b"x", address)).unwrap_err(),
            other.block_on(ours.connect(address)).unwrap_err(),
            other.block_on(ours.ready(Interest::WRITABLE)).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("into_std"), "{error}");
        }
        assert_eq!(ours.unref().local_addr().unwrap(), address, "asking is harmless");
        let ours = UdpSocket::from_std(ours.into_std().unwrap()).unwrap();
        peer.send_to(b"moved", address).unwrap();
        assert_eq!(other.block_on(ours.recv(&mut [0; 8])).unwrap(), 5);
        ours
    });
    drop(moved.join().unwrap());
    rig.turn();
    rig.block_on(UdpSocket::bind(address)).unwrap();
}

#[test]
fn outside_of_a_runtime_the_error_names_the_remedy() {
    let std::task::Poll::Ready(made) = poll_once(&mut Box::pin(UdpSocket::bind(ANY_PORT))) else {
        panic!("it does not wait")
    };
    let error = made.unwrap_err();
    assert!(error.to_string().contains("Runtime::block_on"), "{error}");
}

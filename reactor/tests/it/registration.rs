//! Sources of one's own.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use lunation_context::ResourceKind;
use lunation_reactor::{Interest, Registration};
use mio::net::UdpSocket;

use crate::support::{Rig, would_block};

const KIND: ResourceKind = ResourceKind::User("DATAGRAMS");
const ANY: (Ipv4Addr, u16) = crate::support::ANY_PORT;

fn socket() -> (Registration<UdpSocket>, SocketAddr) {
    let socket = UdpSocket::bind(ANY.into()).unwrap();
    let address = socket.local_addr().unwrap();
    let both = Interest::READABLE | Interest::WRITABLE;
    (Registration::new(socket, both, KIND).unwrap(), address)
}

#[test]
fn datagrams_do_not_clear_readiness() {
    let rig = Rig::new();
    let (ours, address) = socket();
    let peer = std::net::UdpSocket::bind(ANY).unwrap();
    assert!(would_block(&ours.try_io(Interest::READABLE, |_| Ok(()))), "nothing known yet");
    peer.send_to(b"one", address).unwrap();
    peer.send_to(b"two", address).unwrap();
    rig.block_on(ours.readable()).unwrap();
    let receive = || {
        let mut buf = [0; 16];
        let length = ours.try_io(Interest::READABLE, |socket| socket.recv(&mut buf))?;
        io::Result::Ok(buf[..length].to_vec())
    };
    assert_eq!(receive().unwrap(), b"one");
    assert_eq!(receive().unwrap(), b"two");
    assert!(would_block(&receive()));
}

#[test]
fn async_io_waits_and_repeats() {
    let rig = Rig::new();
    let (ours, address) = socket();
    let peer = std::net::UdpSocket::bind(ANY).unwrap();
    let mut calls = 0;
    let received = rig.block_on(async {
        ours.writable().await.unwrap();
        peer.send_to(b"hi", address).unwrap();
        let mut buf = [0; 16];
        ours.async_io(Interest::READABLE, |socket| {
            calls += 1;
            if calls == 1 { Err(ErrorKind::Interrupted.into()) } else { socket.recv(&mut buf) }
        })
        .await
    });
    assert_eq!((received.unwrap(), calls), (2, 2));
}

#[test]
fn into_inner_ends_the_registration() {
    let rig = Rig::new();
    let (ours, address) = socket();
    let inner = ours.into_inner();
    let again = Registration::new(inner, Interest::READABLE, KIND).unwrap();
    let peer = std::net::UdpSocket::bind(ANY).unwrap();
    peer.send_to(b"x", address).unwrap();
    rig.block_on(again.readable()).unwrap();
}

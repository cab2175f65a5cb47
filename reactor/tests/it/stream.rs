//! The stream: reading, writing, readiness, ends and errors.

use std::error::Error;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lunation_reactor::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::{ANY_PORT, Rig, dead_address, join, would_block};

#[test]
fn echo() {
    let rig = Rig::new();
    rig.block_on(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, peer) = listener.accept().await.unwrap();
            let mut buf = [0; 64];
            loop {
                match stream.read(&mut buf).await.unwrap() {
                    0 => return peer,
                    length => stream.write_all(&buf[..length]).await.unwrap(),
                }
            }
        };
        let client = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
            for word in [&b"ping"[..], b"pong"] {
                stream.write_all(word).await.unwrap();
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(answer, word);
            }
            stream.local_addr().unwrap()
        };
        let (peer, local) = join(server, client).await;
        assert_eq!(peer, local);
    });
}

#[test]
fn much_data_in_both_directions_of_one_loop() {
    let rig = Rig::new();
    const LENGTH: usize = 8 << 20;
    let (ours, peer) = crate::support::std_pair();
    let (mut writer, mut reader) =
        (TcpStream::from_std(ours).unwrap(), TcpStream::from_std(peer).unwrap());
    let sent: Vec<u8> = (0..LENGTH).map(|n| (n % 251) as u8).collect();
    let write = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let read = async {
        let mut all = Vec::new();
        let mut buf = vec![0; 100_000];
        loop {
            match reader.read(&mut buf).await.unwrap() {
                0 => return all,
                length => all.extend_from_slice(&buf[..length]),
            }
        }
    };
    let ((), received) = rig.block_on(join(write, read));
    assert!(received == sent);
}

#[test]
fn vectored() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.pair();
    let bufs = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two")];
    assert_eq!(rig.block_on(stream.write_vectored(&bufs)).unwrap(), 6);
    let mut all = [0; 6];
    peer.read_exact(&mut all).unwrap();
    assert_eq!(&all, b"onetwo");

    peer.write_all(b"abcde").unwrap();
    let (mut left, mut right) = ([0; 2], [0; 8]);
    let mut bufs = [IoSliceMut::new(&mut left), IoSliceMut::new(&mut right)];
    assert_eq!(rig.block_on(stream.read_vectored(&mut bufs)).unwrap(), 5);
    assert_eq!((&left, &right[..3]), (b"ab", &b"cde"[..]));
}

#[test]
fn peek_takes_nothing_and_clears_nothing() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.blocked_pair();
    peer.write_all(b"look").unwrap();
    let mut buf = [0; 16];
    assert_eq!(rig.block_on(stream.peek(&mut buf)).unwrap(), 4);
    assert_eq!(stream.try_read(&mut [0; 2]).unwrap(), 2);
    assert_eq!(rig.block_on(stream.read(&mut buf)).unwrap(), 2);
    assert_eq!(&buf[..2], b"ok");
}

#[test]
fn half_close_ends_one_direction() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.pair();
    rig.block_on(stream.shutdown()).unwrap();
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    peer.write_all(b"still here").unwrap();
    let mut buf = [0; 10];
    rig.block_on(stream.read_exact(&mut buf)).unwrap();
    assert_eq!(&buf, b"still here");
    assert_eq!(rig.block_on(stream.write(b"x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn read_exact_tells_an_early_end() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.pair();
    peer.write_all(b"abc").unwrap();
    drop(peer);
    let error = rig.block_on(stream.read_exact(&mut [0; 4])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn refused_connect_names_operation_and_address() {
    let rig = Rig::new();
    let address = dead_address();
    let connects = |error: io::Error| {
        let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(source.raw_os_error().is_some());
        assert_eq!(error.to_string(), format!("connect to {address}: {source}"));
    };
    connects(rig.block_on(TcpStream::connect(address)).unwrap_err());
    let socket = TcpSocket::new_v4().unwrap();
    connects(rig.block_on(socket.connect(address)).unwrap_err());
}

#[test]
#[cfg(target_os = "linux")]
fn unreachable_names_operation_and_address() {
    let rig = Rig::new();
    // No route leads to everybody.
    let address = SocketAddr::from((Ipv4Addr::BROADCAST, 1));
    let error = rig.block_on(TcpStream::connect(address)).unwrap_err();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
    assert_eq!(error.to_string(), format!("connect to {address}: {source}"));
}

#[test]
fn connect_tries_all_addresses() {
    let rig = Rig::new();
    let listener = std::net::TcpListener::bind(ANY_PORT).unwrap();
    let live = listener.local_addr().unwrap();
    let stream = rig.block_on(TcpStream::connect(&[dead_address(), live][..])).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), live);
    let nowhere = rig.block_on(TcpStream::connect(&[][..])).unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::InvalidInput);
}

#[test]
fn reset_by_peer_names_operation_and_peer() {
    let rig = Rig::new();
    let (mut stream, peer) = rig.blocked_pair();
    let address = stream.peer_addr().unwrap();
    let peer = TcpStream::from_std(peer).unwrap();
    peer.set_linger(Some(Duration::ZERO)).unwrap();
    assert_eq!(peer.linger().unwrap(), Some(Duration::ZERO));
    drop(peer);
    let error = rig.block_on(stream.read(&mut [0; 8])).unwrap_err();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(error.to_string(), format!("read from {address}: {source}"));
    assert!(stream.peer_addr().is_err(), "the system has forgotten it");
    // Others go on.
    let (mut other, mut peer) = rig.pair();
    peer.write_all(b"x").unwrap();
    rig.block_on(other.read_exact(&mut [0])).unwrap();
}

#[test]
#[cfg(unix)]
fn short_read_clears_readiness_without_asking_the_kernel() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.blocked_pair();
    peer.write_all(b"short").unwrap();
    assert_eq!(rig.block_on(stream.read(&mut [0; 64])).unwrap(), 5);
    // Were the kernel asked, it would give this.
    peer.write_all(b"more").unwrap();
    assert!(would_block(&stream.try_read(&mut [0; 64])));
    assert_eq!(rig.block_on(stream.read(&mut [0; 64])).unwrap(), 4);
}

#[test]
fn full_read_keeps_readiness() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.blocked_pair();
    peer.write_all(b"fullmore").unwrap();
    assert_eq!(rig.block_on(stream.read(&mut [0; 4])).unwrap(), 4);
    assert_eq!(stream.try_read(&mut [0; 4]).unwrap(), 4);
}

#[test]
#[cfg(unix)]
fn partial_write_clears_readiness_until_there_is_room() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.blocked_pair();
    let chunk = vec![7; 64 << 20];
    let written = rig.block_on(stream.write(&chunk)).unwrap();
    assert!(written < chunk.len());
    assert!(would_block(&stream.try_write(b"x")));
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all.len()
    });
    rig.block_on(stream.writable()).unwrap();
    let more = stream.try_write(b"x").unwrap();
    drop(stream);
    assert_eq!(reader.join().unwrap(), written + more);
}

#[test]
fn after_the_peer_has_finished_reads_go_on_to_the_end() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    peer.write_all(b"the end").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    rig.block_on(stream.readable()).unwrap();
    let mut all = Vec::new();
    let mut buf = [0; 64];
    // No event follows the one that said both "data" and "finished".
    loop {
        match stream.try_read(&mut buf) {
            Ok(0) => break,
            Ok(length) => all.extend_from_slice(&buf[..length]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                rig.block_on(stream.readable()).unwrap();
            }
        }
    }
    assert_eq!(all, b"the end");
    assert_eq!(stream.try_read(&mut buf).unwrap(), 0, "the end stays readable");
}

#[test]
fn dropped_operation_waits_no_longer() {
    let rig = Rig::new();
    let (mut stream, _peer) = rig.blocked_pair();
    {
        let mut buf = [0; 8];
        let mut read = pin!(stream.read(&mut buf));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(read.as_mut().poll(&mut cx).is_pending());
        assert!(read.as_mut().poll(&mut cx).is_pending());
        assert_eq!(rig.reactor.waiting(), 1);
    }
    assert_eq!(rig.reactor.waiting(), 0);
}

#[test]
fn two_futures_wait_for_one_stream() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    let (first, second) = (stream.readable(), stream.readable());
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    assert!(crate::support::poll_once(&mut first).is_pending());
    assert!(crate::support::poll_once(&mut second).is_pending());
    drop(first);
    assert_eq!(rig.reactor.waiting(), 1, "the second still waits");
    peer.write_all(b"x").unwrap();
    rig.block_on(second).unwrap();
}

#[test]
fn options() {
    let rig = Rig::new();
    let (stream, _peer) = rig.pair();
    stream.set_nodelay(true).unwrap();
    stream.set_ttl(42).unwrap();
    assert_eq!((stream.nodelay().unwrap(), stream.ttl().unwrap()), (true, 42));
    assert_eq!(stream.linger().unwrap(), None);
    assert!(stream.take_error().unwrap().is_none());
}

#[test]
fn into_std_and_back() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.pair();
    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    peer.write_all(b"std").unwrap();
    let mut buf = [0; 3];
    stream.read_exact(&mut buf).unwrap();
    let mut stream = TcpStream::from_std(stream).unwrap();
    peer.write_all(b"own").unwrap();
    rig.block_on(stream.read_exact(&mut buf)).unwrap();
    assert_eq!(&buf, b"own");
}

#[test]
fn outside_of_a_runtime_the_error_names_the_remedy() {
    let (ours, _peer) = crate::support::std_pair();
    let error = TcpStream::from_std(ours).unwrap_err();
    assert!(error.to_string().contains("Runtime::block_on"), "{error}");
    let mut connect = Box::pin(TcpStream::connect(ANY_PORT));
    let Poll::Ready(Err(error)) = crate::support::poll_once(&mut connect) else { panic!() };
    assert!(error.to_string().contains("Runtime::block_on"), "{error}");
}

//! Sockets on threads they do not belong to, and after the end of their runtime.

use std::io::{self, ErrorKind, Write};
use std::thread;

use lunation_reactor::Reactor;
use lunation_reactor::net::TcpStream;
use lunation_reactor::release::{Released, release};

use crate::support::{Rig, poll_once};

fn assert_strayed<T: std::fmt::Debug>(result: io::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("into_std"), "{error}");
}

#[test]
fn use_elsewhere_is_an_error_that_names_the_remedy() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.pair();
    let address = stream.local_addr().unwrap();
    stream = thread::spawn(move || {
        assert_strayed(stream.try_read(&mut [0]));
        // Also inside another runtime, whose slots have the same numbers.
        let other = Rig::new();
        let (_same_slot, _) = other.pair();
        assert_strayed(other.block_on(stream.read(&mut [0])));
        assert_strayed(other.block_on(stream.write_all(b"x")));
        assert_strayed(other.block_on(stream.shutdown()));
        assert_eq!(stream.local_addr().unwrap(), address, "asking is harmless");
        stream
    })
    .join()
    .unwrap();
    peer.write_all(b"home").unwrap();
    let mut buf = [0; 4];
    rig.block_on(stream.read_exact(&mut buf)).unwrap();
}

#[test]
fn a_connection_moves_to_another_runtime() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.pair();
    thread::spawn(move || {
        let other = Rig::new();
        let mut stream = TcpStream::from_std(stream.into_std().unwrap()).unwrap();
        peer.write_all(b"moved").unwrap();
        let mut buf = [0; 5];
        other.block_on(stream.read_exact(&mut buf)).unwrap();
        assert_eq!(&buf, b"moved");
    })
    .join()
    .unwrap();
    rig.turn();
}

#[test]
fn taken_out_elsewhere_it_is_out_of_the_selector() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.pair();
    let taken = thread::spawn(move || stream.into_std().unwrap()).join().unwrap();
    // The selector would refuse what it still has.
    let mut stream = TcpStream::from_std(taken).unwrap();
    peer.write_all(b"again").unwrap();
    rig.block_on(stream.read_exact(&mut [0; 5])).unwrap();
}

#[test]
fn dropped_elsewhere_its_slot_is_freed_by_the_next_wait() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(stream.poll_read_ready(&mut cx).is_pending());
    assert_eq!(rig.reactor.waiting(), 1);
    thread::spawn(move || drop(stream)).join().unwrap();
    assert_eq!(rig.reactor.waiting(), 1);
    // The drop woke the loop, so this does not sleep.
    rig.reactor.wait(None).unwrap();
    assert_eq!(rig.reactor.waiting(), 0);
    assert_eq!(io::Read::read(&mut peer, &mut [0]).unwrap(), 0, "closed");
}

#[test]
fn an_operation_dropped_elsewhere_is_harmless() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    let stream = std::sync::Arc::new(stream);
    let clone = stream.clone();
    let mut waits = Box::pin(async move { clone.readable().await });
    assert!(poll_once(&mut waits).is_pending());
    thread::spawn(move || drop(waits)).join().unwrap();
    peer.write_all(b"x").unwrap();
    rig.block_on(stream.readable()).unwrap();
}

#[test]
fn timers_dropped_elsewhere_are_kept_for_the_executor() {
    let rig = Rig::new();
    let id = rig.reactor.id();
    thread::spawn(move || {
        release(id, Released::Timer(7));
        release(id, Released::Timer(8));
    })
    .join()
    .unwrap();
    rig.reactor.wait(None).unwrap();
    assert_eq!(rig.reactor.take_released_timers(), [7, 8]);
    assert!(rig.reactor.take_released_timers().is_empty());
}

#[test]
fn after_the_end_of_its_runtime_a_socket_fails_and_drops_quietly() {
    let rig = Rig::new();
    let (mut stream, _peer) = rig.pair();
    let (other, _other_peer) = rig.pair();
    let id = rig.reactor.id();
    rig.reactor.close();
    let mut buf = [0];
    assert_strayed(match poll_once(&mut Box::pin(stream.read(&mut buf))) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => panic!("it would wait for ever"),
    });
    let (late, _late_peer) = crate::support::std_pair();
    let error = TcpStream::from_std(late).unwrap_err();
    assert!(error.to_string().contains("shut down"), "{error}");
    drop(rig);
    assert_strayed(stream.try_read(&mut [0]));
    drop(stream);
    thread::spawn(move || drop(other)).join().unwrap();
    release(id, Released::Source(0));
    let successor = Reactor::new().unwrap();
    assert_ne!(successor.id(), id);
}

#[test]
fn a_notifier_wakes_from_elsewhere() {
    let rig = Rig::new();
    let notifier = rig.reactor.notifier();
    let sleeper = thread::spawn(move || notifier.clone().notify());
    rig.reactor.wait(None).unwrap();
    assert_eq!(rig.dispatch(), 0, "a notification is no event");
    sleeper.join().unwrap();
}

#[test]
fn reactors_nest_on_one_thread() {
    let outer = Rig::new();
    let (stream, _peer) = outer.pair();
    {
        let inner = Rig::new();
        assert_eq!(Reactor::current().unwrap().id(), inner.reactor.id());
        assert_strayed(stream.try_read(&mut [0]));
    }
    assert_eq!(Reactor::current().unwrap().id(), outer.reactor.id());
    drop((stream, outer));
    assert!(Reactor::current().is_none());
}

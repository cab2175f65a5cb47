//! Requests of a socket as hooks see them: the end of writing, and writes that have to wait.

use std::io::{Read, Write};

use lunation_reactor::net::TcpStream;

use crate::hooks::{Journal, STORE};
use crate::support::{Rig, join, poll_once, would_block};

/// Writes until the kernel takes no more; returns how much it took.
fn fill(stream: &TcpStream) -> usize {
    let mut total = 0;
    loop {
        match stream.try_write(&[7; 1 << 16]) {
            Ok(done) => total += done,
            blocked => {
                assert!(would_block(&blocked));
                return total;
            }
        }
    }
}

/// A stream whose writes have to wait, its peer, and how much that can read.
fn full_pair(rig: &Rig, journal: &Journal) -> (TcpStream, std::net::TcpStream, usize) {
    let (stream, peer) = rig.blocked_pair();
    let total = fill(&stream);
    assert_eq!(journal.take(), ["init #1 TCPWRAP trigger root exec root"]);
    (stream, peer, total)
}

fn drain(peer: &mut std::net::TcpStream, total: usize) {
    peer.read_exact(&mut vec![0; total]).unwrap();
}

#[test]
fn a_shutdown_is_a_request_of_the_stream_that_ends_at_once() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let (mut stream, mut peer) = rig.pair();
    rig.block_on(STORE.scope("caller", stream.shutdown())).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    assert_eq!(
        journal.take(),
        [
            "init #1 TCPWRAP trigger root exec root",
            "init #2 SHUTDOWNWRAP trigger #1 exec root",
            "before #2 in caller",
            "after #2 in caller",
            "destroy #2",
        ]
    );
}

#[test]
fn a_write_that_waits_is_a_request_of_the_stream() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let (mut stream, mut peer, total) = full_pair(&rig, &journal);
    let mut write = Box::pin(STORE.scope("writer", stream.write(b"x")));
    assert!(poll_once(&mut write).is_pending());
    assert!(poll_once(&mut write).is_pending());
    assert_eq!(journal.take(), ["init #2 WRITEWRAP trigger #1 exec root"]);
    drain(&mut peer, total);
    assert_eq!(rig.block_on(write).unwrap(), 1);
    assert_eq!(journal.take(), ["before #2 in writer", "after #2 in writer", "destroy #2"]);
    // The next need not wait.
    rig.block_on(stream.write_all(b"y")).unwrap();
    assert!(journal.take().is_empty());
}

#[test]
fn a_write_that_is_dropped_ends_its_request() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let (mut stream, mut peer, total) = full_pair(&rig, &journal);
    let mut write = Box::pin(stream.write(b"x"));
    assert!(poll_once(&mut write).is_pending());
    drop(write);
    assert_eq!(journal.take(), ["init #2 WRITEWRAP trigger #1 exec root", "destroy #2"]);
    drain(&mut peer, total);
    rig.turn();
    assert!(journal.take().is_empty());
    drop(stream);
    assert_eq!(journal.take(), ["destroy #1"]);
}

#[test]
fn the_end_of_a_stream_ends_its_request() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let (stream, _peer, _) = full_pair(&rig, &journal);
    let mut write = Box::pin(async move {
        let mut stream = stream;
        stream.write_all(b"x").await
    });
    assert!(poll_once(&mut write).is_pending());
    rig.reactor.close();
    assert_eq!(
        journal.take(),
        ["init #2 WRITEWRAP trigger #1 exec root", "destroy #2", "destroy #1"]
    );
}

#[test]
fn a_reader_is_woken_in_the_stream_and_a_writer_in_its_request() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let (stream, mut peer, total) = full_pair(&rig, &journal);
    let (mut reader, mut writer) = stream.into_split();
    let mut buf = [0; 1];
    let (mut read, mut write) = (Box::pin(reader.read(&mut buf)), Box::pin(writer.write(b"x")));
    assert!(poll_once(&mut read).is_pending());
    assert!(poll_once(&mut write).is_pending());
    peer.write_all(b"y").unwrap();
    drain(&mut peer, total);
    let (read, written) = rig.block_on(join(read, write));
    assert_eq!((read.unwrap(), written.unwrap()), (1, 1));
    assert_eq!(
        journal.take(),
        [
            "init #2 WRITEWRAP trigger #1 exec root",
            "before #1",
            "after #1",
            "before #2",
            "after #2",
            "destroy #2",
        ]
    );
}

#[test]
fn without_hooks_a_write_that_waits_is_no_resource() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.blocked_pair();
    let (total, id) = (fill(&stream), stream.async_id());
    let mut write = Box::pin(stream.write(b"x"));
    assert!(poll_once(&mut write).is_pending());
    assert!(rig.reactor.sources().iter().all(|source| source.request.is_none()));
    let (journal, _hook) = Journal::start();
    drain(&mut peer, total);
    rig.reactor.wait(None).unwrap();
    rig.turn();
    assert_eq!(journal.take(), [format!("before ?{id}"), format!("after ?{id}")]);
}

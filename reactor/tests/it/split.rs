//! The halves of a stream.

use std::io::{Read, Write};

use crate::support::{Rig, join, would_block};

#[test]
fn halves_work_side_by_side_and_reunite() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.pair();
    let (mut reader, mut writer) = stream.into_split();
    peer.write_all(b"question").unwrap();
    let mut buf = [0; 8];
    let (read, written) =
        rig.block_on(join(reader.read_exact(&mut buf), writer.write_all(b"answer")));
    read.unwrap();
    written.unwrap();
    assert_eq!(&buf, b"question");
    assert_eq!(reader.peer_addr().unwrap(), writer.peer_addr().unwrap());

    let mut stream = reader.reunite(writer).unwrap();
    rig.block_on(stream.write_all(b"!")).unwrap();
    let mut all = [0; 7];
    peer.read_exact(&mut all).unwrap();
    assert_eq!(&all, b"answer!");
}

#[test]
fn strangers_do_not_reunite() {
    let rig = Rig::new();
    let (one, _one) = rig.pair();
    let (two, _two) = rig.pair();
    let (reader, writer) = one.into_split();
    let (other_reader, other_writer) = two.into_split();
    let error = reader.reunite(other_writer).unwrap_err();
    assert!(error.to_string().contains("not of the same stream"));
    assert!(writer.reunite(error.0).is_ok());
    assert!(error.1.reunite(other_reader).is_ok());
}

#[test]
fn dropped_writer_tells_the_peer_and_the_reader_goes_on() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.pair();
    let (mut reader, writer) = stream.into_split();
    drop(writer);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    peer.write_all(b"late").unwrap();
    let mut buf = [0; 4];
    rig.block_on(reader.read_exact(&mut buf)).unwrap();
    assert_eq!(&buf, b"late");
}

#[test]
fn forgotten_writer_tells_nothing() {
    let rig = Rig::new();
    let (stream, peer) = rig.pair();
    let (_reader, writer) = stream.into_split();
    writer.forget();
    peer.set_nonblocking(true).unwrap();
    assert!(would_block(&(&peer).read(&mut [0])));
}

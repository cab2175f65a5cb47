//! Unix sockets: paths, and how they fail.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net as std_net;
use std::path::Path;

use lunation_reactor::net::{UnixListener, UnixStream};

use crate::support::{Place, Rig, join, poll_once, would_block};

/// Expects the text `operation: error of the system`.
fn assert_names(error: &io::Error, operation: &str, path: &Path) {
    let source = error.source().expect(operation).downcast_ref::<io::Error>().unwrap();
    assert_eq!(error.kind(), source.kind());
    assert_eq!(error.to_string(), format!("{operation} {}: {source}", path.display()));
}

/// A stream that is connected to a blocking one by a path.
fn connected(rig: &Rig, path: &Path) -> (UnixStream, std_net::UnixStream) {
    let listener = std_net::UnixListener::bind(path).unwrap();
    let ours = rig.block_on(UnixStream::connect(path)).unwrap();
    (ours, listener.accept().unwrap().0)
}

#[test]
fn echo() {
    let rig = Rig::new();
    let place = Place::new();
    let path = place.path("echo");
    rig.block_on(async {
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let server = async {
            let (mut stream, peer) = listener.accept().await.unwrap();
            assert!(peer.is_unnamed());
            let mut buf = [0; 64];
            loop {
                match stream.read(&mut buf).await.unwrap() {
                    0 => break,
                    length => stream.write_all(&buf[..length]).await.unwrap(),
                }
            }
        };
        let client = async {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
            assert!(stream.local_addr().unwrap().is_unnamed());
            stream.write_all(b"ping").await.unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"ping");
        };
        join(server, client).await;
    });
}

#[test]
fn a_missing_path_is_named() {
    let rig = Rig::new();
    let place = Place::new();
    let missing = place.path("missing");
    let error = rig.block_on(UnixStream::connect(&missing)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_names(&error, "connect to", &missing);
    let inside = missing.join("inside");
    let error = UnixListener::bind(&inside).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_names(&error, "bind", &inside);
    // The loop goes on.
    let (mut ours, mut peer) = connected(&rig, &missing);
    peer.write_all(b"x").unwrap();
    rig.block_on(ours.read_exact(&mut [0])).unwrap();
}

#[test]
fn an_address_that_cannot_be_is_named() {
    let rig = Rig::new();
    let long = Path::new("/").join("x".repeat(200));
    let error = rig.block_on(UnixStream::connect(&long)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_names(&error, "connect to", &long);
    let error = UnixListener::bind(&long).unwrap_err();
    assert_names(&error, "bind", &long);
}

#[test]
fn nobody_listens_any_more() {
    let rig = Rig::new();
    let place = Place::new();
    let path = place.path("dead");
    drop(UnixListener::bind(&path).unwrap());
    let error = rig.block_on(UnixStream::connect(&path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_names(&error, "connect to", &path);
    // The file is still there.
    let error = UnixListener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_names(&error, "bind", &path);
    std::fs::remove_file(&path).unwrap();
    UnixListener::bind(&path).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn reset_by_peer_names_operation_and_path() {
    let rig = Rig::new();
    let place = Place::new();
    let path = place.path("reset");
    let (mut client, peer) = connected(&rig, &path);
    rig.block_on(client.write_all(b"never read")).unwrap();
    drop(peer);
    let error = rig.block_on(client.read(&mut [0; 8])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_names(&error, "read from", &path);

    // The peer of an accepted stream has no name: the server's tells more.
    let path = place.path("server");
    let listener = UnixListener::bind(&path).unwrap();
    let client = std_net::UnixStream::connect(&path).unwrap();
    let (mut served, _) = rig.block_on(listener.accept()).unwrap();
    rig.block_on(served.write_all(b"never read")).unwrap();
    drop(client);
    let error = rig.block_on(served.read(&mut [0; 8])).unwrap_err();
    assert_names(&error, "read on", &path);
    let error = rig.block_on(served.write(b"x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_names(&error, "write on", &path);
    let _client = std_net::UnixStream::connect(&path).unwrap();
    rig.block_on(listener.accept()).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_queue_does_not_wait() {
    let rig = Rig::new();
    let place = Place::new();
    let path = place.path("full");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let listener = UnixListener::from_std(socket.into()).unwrap();
    let first = rig.block_on(UnixStream::connect(&path)).unwrap();
    let error = rig.block_on(UnixStream::connect(&path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_names(&error, "connect to", &path);
    rig.block_on(listener.accept()).unwrap();
    rig.block_on(UnixStream::connect(&path)).unwrap();
    drop(first);
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_are_no_paths() {
    use std::os::linux::net::SocketAddrExt;

    let rig = Rig::new();
    let name = format!("lunation-{}", std::process::id());
    let address = std_net::SocketAddr::from_abstract_name(&name).unwrap();
    let refused = rig.block_on(UnixStream::connect_addr(&address)).unwrap_err();
    assert!(refused.to_string().starts_with("connect to ") && refused.to_string().contains(&name));
    let listener = UnixListener::bind_addr(&address).unwrap();
    let connect = UnixStream::connect_addr(&address);
    let (accepted, connected) = rig.block_on(join(listener.accept(), connect));
    accepted.unwrap();
    assert_eq!(connected.unwrap().peer_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
}

#[test]
fn a_short_read_keeps_readiness() {
    let rig = Rig::new();
    let (mut one, mut other) = UnixStream::pair().unwrap();
    rig.block_on(other.write_all(b"short")).unwrap();
    assert_eq!(rig.block_on(one.read(&mut [0; 64])).unwrap(), 5);
    // A passed descriptor would have ended the read here, too.
    rig.block_on(other.write_all(b"more")).unwrap();
    assert_eq!(one.try_read(&mut [0; 64]).unwrap(), 4);
    assert!(would_block(&one.try_read(&mut [0; 64])));
}

#[test]
fn partial_write_waits_for_room() {
    let rig = Rig::new();
    let (mut one, other) = UnixStream::pair().unwrap();
    let mut other = other.into_std().unwrap();
    other.set_nonblocking(false).unwrap();
    let sent: Vec<u8> = (0..4 << 20).map(|n| (n % 251) as u8).collect();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        other.read_to_end(&mut all).unwrap();
        all
    });
    rig.block_on(one.write_all(&sent)).unwrap();
    drop(one);
    assert!(reader.join().unwrap() == sent);
}

#[test]
fn into_std_and_back() {
    let rig = Rig::new();
    let place = Place::new();
    let listener = UnixListener::bind(place.path("std")).unwrap();
    let listener = UnixListener::from_std(listener.into_std().unwrap()).unwrap();
    let connect = UnixStream::connect(place.path("std"));
    let (accepted, connected) = rig.block_on(join(listener.accept(), connect));
    let mut std = connected.unwrap().into_std().unwrap();
    std.write_all(b"std").unwrap();
    let (mut served, _) = accepted.unwrap();
    rig.block_on(served.read_exact(&mut [0; 3])).unwrap();
}

#[test]
fn outside_of_a_runtime_no_file_is_made() {
    let place = Place::new();
    let path = place.path("none");
    let error = UnixListener::bind(&path).unwrap_err();
    assert!(error.to_string().contains("Runtime::block_on"), "{error}");
    assert!(!path.exists());
    assert!(UnixStream::pair().is_err());
    let connect = &mut Box::pin(UnixStream::connect(&path));
    let std::task::Poll::Ready(Err(error)) = poll_once(connect) else { panic!("it waits") };
    assert!(error.to_string().contains("Runtime::block_on"), "{error}");
}

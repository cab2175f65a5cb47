//! The listener: binding, accepting, and running out of descriptors.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::pin::pin;

use lunation_reactor::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::{ANY_PORT, Rig, join};

#[test]
fn address_in_use_is_named() {
    let rig = Rig::new();
    let listener = rig.block_on(TcpListener::bind(ANY_PORT)).unwrap();
    let address = listener.local_addr().unwrap();
    let error = rig.block_on(TcpListener::bind(address)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    let (bind, listen) = (format!("bind {address}: {source}"), format!("listen on {address}"));
    let text = error.to_string();
    assert!(text == bind || text.starts_with(&listen), "{text}");
}

#[test]
fn accepts_what_waited_before_it_was_asked() {
    let rig = Rig::new();
    let listener = rig.block_on(TcpListener::bind(ANY_PORT)).unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    for client in &clients {
        let (_stream, peer) = rig.block_on(listener.accept()).unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }
    let mut accept = pin!(listener.accept());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(accept.as_mut().poll(&mut cx).is_pending());
}

#[test]
fn two_tasks_accept_from_one_listener() {
    let rig = Rig::new();
    let listener = rig.block_on(TcpListener::bind(ANY_PORT)).unwrap();
    let address = listener.local_addr().unwrap();
    rig.block_on(async {
        let both = join(listener.accept(), listener.accept());
        let connect = async {
            let first = TcpStream::connect(address).await.unwrap();
            (first, TcpStream::connect(address).await.unwrap())
        };
        let ((one, two), _clients) = join(both, connect).await;
        assert_ne!(one.unwrap().1, two.unwrap().1);
    });
}

#[test]
fn options_and_conversions() {
    let rig = Rig::new();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_nodelay(true).unwrap();
    assert!(socket.reuseaddr().unwrap() && socket.nodelay().unwrap());
    socket.bind(ANY_PORT.into()).unwrap();
    let address = socket.local_addr().unwrap();
    let listener = socket.listen(16).unwrap();
    listener.set_ttl(33).unwrap();
    assert_eq!((listener.local_addr().unwrap(), listener.ttl().unwrap()), (address, 33));

    let listener = TcpListener::from_std(listener.into_std().unwrap()).unwrap();
    let (accepted, connected) = rig.block_on(join(listener.accept(), TcpStream::connect(address)));
    assert_eq!(accepted.unwrap().1, connected.unwrap().local_addr().unwrap());
}

#[test]
#[cfg(unix)]
fn a_port_is_shared() {
    let _rig = Rig::new();
    let shared = |port| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseport(true).unwrap();
        assert!(socket.reuseport().unwrap());
        socket.bind((ANY_PORT.0, port).into()).unwrap();
        socket.listen(16).unwrap()
    };
    let first = shared(0);
    let second = shared(first.local_addr().unwrap().port());
    assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
}

/// In a process of its own, where descriptors are few.
#[cfg(unix)]
#[test]
fn out_of_descriptors_pauses_the_listener() {
    const CHILD: &str = "LUNATION_OUT_OF_DESCRIPTORS";
    if std::env::var_os(CHILD).is_some() {
        return out_of_descriptors();
    }
    let output = std::process::Command::new("sh")
        .args(["-c", r#"ulimit -n 64 && exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "listener::out_of_descriptors_pauses_the_listener", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

#[cfg(unix)]
fn out_of_descriptors() {
    let rig = Rig::new();
    let listener = rig.block_on(TcpListener::bind(ANY_PORT)).unwrap();
    let address = listener.local_addr().unwrap();
    let _client = std::net::TcpStream::connect(address).unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    let error = rig.block_on(listener.accept()).unwrap_err();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.raw_os_error(), Some(libc::EMFILE));
    assert_eq!(error.to_string(), format!("accept on {address}: {source}"));
    let first = rig.reactor.next_rearm().expect("a pause");

    // Waits for the end of the pause, finds nothing better and pauses again.
    let again = rig.block_on(listener.accept()).unwrap_err();
    assert_eq!(again.kind(), error.kind());
    let second = rig.reactor.next_rearm().expect("another pause");
    assert!(second - first > std::time::Duration::from_millis(150), "the second is longer");

    hoard.clear();
    rig.block_on(listener.accept()).unwrap();
    assert_eq!(rig.reactor.next_rearm(), None);
}

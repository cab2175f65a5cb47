//! Node's tests of `ref` and `unref` of sockets, and of stores that datagrams keep.

use super::support::{async_script, ms, seen, throw};
use lunation::net::{TcpListener, TcpStream, UdpSocket};
use lunation::{AsyncLocalStorage, Runtime, UnhandledPanic, microtask, set_timeout, spawn};
use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

/// A paused clock: a loop that something holds goes on to the next timer, even one that is unref'd.
fn runtime() -> Runtime {
    let builder = Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate);
    builder.start_paused(true).build().expect("a runtime")
}

async fn server() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a server")
}

async fn connect(server: &TcpListener) -> TcpStream {
    let address = server.local_addr().expect("an address");
    TcpStream::connect(address).await.expect("connected")
}

/// Node's `setTimeout(fail, 1000).unref()`.
fn fail_when_held() {
    set_timeout(ms(1000), || throw("something holds the loop")).unref();
}

/// Accepts for ever; what it has accepted stays open.
async fn serve(server: Rc<TcpListener>) {
    let mut accepted = Vec::new();
    loop {
        accepted.push(server.accept().await.expect("a connection"));
    }
}

#[test]
fn test_net_server_unref() {
    // Node: parallel/test-net-server-unref. Assertions: 1 there, 1 here; left out: none. The timer
    // fails if it fires. Here a task waits for connections meanwhile.
    let runtime = runtime();
    let server = Rc::new(runtime.block_on(server()));
    let waiting = runtime.enter(|| {
        fail_when_held();
        spawn(serve(server.clone()))
    });
    runtime.block_on(async {
        microtask().await;
        server.unref();
    });
    runtime.run_to_idle();
    assert!(!waiting.is_finished());
}

#[test]
fn test_net_server_unref_persistent() {
    // Node: parallel/test-net-server-unref-persistent. Assertions: 1 there, 1 here; left out: none.
    // A socket listens here as soon as there is one; unref comes before anyone waits for it, and
    // stays after a connection was accepted.
    let runtime = runtime();
    let server = Rc::new(runtime.block_on(server()));
    let waiting = runtime.enter(|| {
        server.unref();
        fail_when_held();
        spawn(serve(server.clone()))
    });
    runtime.block_on(connect(&server));
    runtime.run_to_idle();
    assert!(!waiting.is_finished());
}

#[test]
fn test_net_persistent_ref_unref() {
    // Node: parallel/test-net-persistent-ref-unref. Assertions: 3 there, 2 here; left out: the
    // counting in the handle (2): several unrefs are one, one ref undoes them, and the reverse, as
    // the loop shows. Here the socket is connected before.
    let read_to_end = |ready: fn(&TcpStream)| -> bool {
        let runtime = runtime();
        let (mut client, accepted) = runtime.block_on(async {
            let server = server().await;
            (connect(&server).await, server.accept().await.expect("a connection"))
        });
        let reading = runtime.enter(|| {
            ready(&client);
            set_timeout(ms(5), move || drop(accepted)).unref();
            spawn(async move { client.read(&mut [0]).await.ok() })
        });
        runtime.run_to_idle();
        reading.is_finished()
    };
    assert!(read_to_end(|client| _ = client.unref().unref().ref_()));
    assert!(!read_to_end(|client| _ = client.ref_().ref_().unref()));
}

#[test]
fn test_net_socket_timeout_unref() {
    // Node: parallel/test-net-socket-timeout-unref. Assertions: 1 there, 2 here; left out: none. A
    // socket's timeout is a timer. Added: all six wait.
    let (runtime, timed_out) = (runtime(), Rc::new(Cell::new(false)));
    let waiting = runtime.block_on(async {
        let server = Rc::new(server().await);
        server.unref();
        drop(spawn(serve(server.clone())));
        let mut waiting = Vec::new();
        for seconds in [8, 5, 3, 6, 2, 4] {
            let mut client = connect(&server).await;
            client.unref();
            let timed_out = timed_out.clone();
            set_timeout(ms(seconds * 1000), move || timed_out.set(true)).unref();
            waiting.push(spawn(async move { client.read(&mut [0]).await }));
        }
        waiting
    });
    runtime.run_to_idle();
    assert!(!timed_out.get());
    assert!(waiting.iter().all(|task| !task.is_finished()));
}

#[test]
fn test_ref_unref_return() {
    // Node: parallel/test-ref-unref-return. Assertions: 6 there, 6 here; left out: none. A socket
    // of version 6 is one of version 4 here: not every host has the other.
    async_script(async {
        let server = server().await;
        assert!(ptr::eq(server.ref_(), &server));
        assert!(ptr::eq(server.unref(), &server));
        let client = connect(&server).await;
        assert!(ptr::eq(client.ref_(), &client));
        assert!(ptr::eq(client.unref(), &client));
        let datagrams = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        assert!(ptr::eq(datagrams.ref_(), &datagrams));
        assert!(ptr::eq(datagrams.unref(), &datagrams));
    });
}

#[test]
fn test_async_local_storage_dgram() {
    // Node: async-hooks/test-async-local-storage-dgram. Assertions: 1 there, 3 here; left out:
    // none. Added: what arrives, and that the server has no store.
    static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    async_script(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.expect("a server");
        let address = server.local_addr().expect("an address");
        let server = spawn(async move {
            let mut buffer = [0; 20];
            let (length, peer) = server.recv_from(&mut buffer).await.expect("a datagram");
            server.send_to(&buffer[..length], peer).await.expect("sent");
            seen(&STORE)
        });
        let client = STORE.run("abcd", || {
            spawn(async move {
                let client = UdpSocket::bind("127.0.0.1:0").await.expect("a client");
                client.send_to(b"Hello, world!", address).await.expect("sent");
                let mut buffer = [0; 20];
                let (length, _) = client.recv_from(&mut buffer).await.expect("a datagram");
                assert_eq!(&buffer[..length], b"Hello, world!");
                seen(&STORE)
            })
        });
        assert_eq!(client.await.expect("a task"), "abcd");
        assert_eq!(server.await.expect("a task"), "-");
    });
}

//! Node's tests of the channels on which the runtime itself publishes.

use super::support::async_script;
use crate::support::Journal;
use lunation::ResourceKind;
use lunation::channels::{
    CHILD_PROCESS_SPAWN, NET_CLIENT_SOCKET, NET_SERVER_LISTEN, NET_SERVER_SOCKET, UDP_SOCKET,
};
use lunation::diagnostics_channel::Subscription;
use lunation::net::{TcpListener, TcpStream, UdpSocket};
use lunation::process::Command;
use std::io::ErrorKind;

/// Notes start, end and error of attempts to listen.
fn listening(journal: &Journal) -> [Subscription; 3] {
    let [starts, ends, errors] = [(); 3].map(|()| journal.clone());
    [
        NET_SERVER_LISTEN.start().subscribe(move |trace, _| {
            assert!(trace.context().address.starts_with("127.0.0.1:"));
            starts.add("start");
        }),
        NET_SERVER_LISTEN.end().subscribe(move |trace, _| {
            let server = trace.result().map(|server| server.kind());
            assert!(server.is_none_or(|kind| kind == ResourceKind::TcpServerWrap));
            ends.add(if server.is_some() { "end" } else { "end-without" });
        }),
        NET_SERVER_LISTEN.error().subscribe(move |trace, _| {
            let error = trace.error().expect("an error");
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            errors.add("error");
        }),
    ]
}

#[test]
fn test_diagnostics_channel_net() {
    // Node: parallel/test-diagnostics-channel-net. Assertions: 29 there, 12 here; left out:
    // must-calls (16), the server among the messages before it listens (6). DIFFERENCE: start and
    // end instead of asyncStart and asyncEnd, and the end follows an error too.
    let journal = Journal::default();
    let sockets = [&NET_CLIENT_SOCKET, &NET_SERVER_SOCKET].map(|channel| {
        let journal = journal.clone();
        channel.subscribe(move |socket, name| {
            assert_eq!(socket.resource.kind(), ResourceKind::TcpWrap);
            journal.add(name);
        })
    });
    let listened = listening(&journal);
    async_script(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        assert_eq!(journal.take(), "start end");
        let client = TcpStream::connect(address).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("a connection");
        assert_eq!(journal.take(), "net.client.socket net.server.socket");
        drop((client, server));
        TcpListener::bind(address).await.expect_err("it is in use");
        assert_eq!(journal.take(), "start error end-without");
        drop(listened);
        TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        assert_eq!(journal.take(), "");
    });
    drop(sockets);
}

#[test]
fn test_diagnostics_channel_udp() {
    // Node: parallel/test-diagnostics-channel-udp. Assertions: 2 there, 2 here.
    let journal = Journal::default();
    let log = journal.clone();
    let subscription = UDP_SOCKET.subscribe(move |socket, name| {
        assert_eq!(socket.resource.kind(), ResourceKind::UdpWrap);
        log.add(name);
    });
    async_script(async { UdpSocket::bind("127.0.0.1:0").await.expect("a free port") });
    drop(subscription);
    assert_eq!(journal.take(), "udp.socket");
}

#[test]
#[cfg(unix)]
fn test_diagnostics_channel_child_process() {
    // Node: parallel/test-diagnostics-channel-child-process. Assertions: 27 there, 9 here; left
    // out: must-calls (16), the class of the process (6: its number at the end). DIFFERENCE: the
    // end follows an error too, as in `trace_sync`.
    let journal = Journal::default();
    let [starts, ends, errors] = [(); 3].map(|()| journal.clone());
    let subscriptions = [
        CHILD_PROCESS_SPAWN.start().subscribe(move |trace, _| {
            let program = trace.context().program.rsplit('/').next().expect("a name").to_owned();
            starts.add(format_args!("start:{program}"));
        }),
        CHILD_PROCESS_SPAWN.end().subscribe(move |trace, _| {
            ends.add(if trace.result().is_some_and(|id| *id > 0) { "end" } else { "end-without" });
        }),
        CHILD_PROCESS_SPAWN.error().subscribe(move |trace, _| {
            errors.add(trace.error().expect("an error").kind());
        }),
    ];
    let folder = std::env::temp_dir().join(format!("lunation-spawn-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let no_exec = folder.join("no-exec");
    std::fs::write(&no_exec, "").expect("a file");
    lunation::Runtime::new().block_on(async {
        let mut child = Command::new("true").spawn().expect("a program");
        assert!(child.wait().await.expect("a status").success());
        assert_eq!(journal.take(), "start:true end");
        Command::new("does-not-exist").spawn().expect_err("there is none");
        assert_eq!(journal.take(), "start:does-not-exist entity not found end-without");
        Command::new(&no_exec).spawn().expect_err("it is no program");
        assert_eq!(journal.take(), "start:no-exec permission denied end-without");
    });
    std::fs::remove_dir_all(&folder).expect("it is there");
    drop(subscriptions);
}

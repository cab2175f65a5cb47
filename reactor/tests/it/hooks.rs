//! What async hooks see of sockets: Node's resources, triggers and order.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use lunation_context::hooks::flush_destroys;
use lunation_context::{
    AsyncHooks, AsyncId, AsyncLocalStorage, Hook, ResourceKind, ResourceRef, create_hook,
    execution_async_id,
};
use lunation_reactor::net::{Family, Listener, Stream, TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use lunation_reactor::net::{UnixListener, UnixStream};
use lunation_reactor::{Interest, Registration};

use crate::support::{ANY_PORT, Rig, dead_address, join};

pub(crate) static STORE: AsyncLocalStorage<&'static str> = AsyncLocalStorage::new();

/// The events in order, resources numbered from 1 in the order of their creation.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    lines: Rc<RefCell<Vec<String>>>,
    names: Rc<RefCell<HashMap<AsyncId, String>>>,
}

impl Journal {
    pub(crate) fn start() -> (Journal, Hook) {
        let journal = Journal::default();
        let hook = create_hook(journal.clone());
        hook.enable();
        (journal, hook)
    }

    pub(crate) fn take(&self) -> Vec<String> {
        flush_destroys();
        self.lines.take()
    }

    fn name(&self, id: AsyncId) -> String {
        let known = self.names.borrow().get(&id).cloned();
        known.unwrap_or_else(|| match id.get() {
            0 => "loop".into(),
            1 => "root".into(),
            id => format!("?{id}"),
        })
    }

    fn note(&self, what: &str, id: AsyncId) {
        let store = STORE.cloned().map(|store| format!(" in {store}")).unwrap_or_default();
        self.lines.borrow_mut().push(format!("{what} {}{store}", self.name(id)));
    }
}

impl AsyncHooks for Journal {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
        let name = format!("#{}", self.names.borrow().len() + 1);
        let (trigger, running) = (self.name(trigger), self.name(execution_async_id()));
        let line = format!("init {name} {} trigger {trigger} exec {running}", kind.as_str());
        self.names.borrow_mut().insert(id, name);
        self.lines.borrow_mut().push(line);
    }

    fn before(&self, id: AsyncId) {
        self.note("before", id);
    }

    fn after(&self, id: AsyncId) {
        self.note("after", id);
    }

    fn destroy(&self, id: AsyncId) {
        self.note("destroy", id);
    }
}

/// One connection from its making to its end. The kinds begin with `prefix`.
async fn connection<F: Family>(
    journal: &Journal,
    prefix: &str,
    listener: Listener<F>,
    connect: impl Future<Output = std::io::Result<Stream<F>>>,
) {
    let mut client = connect.await.unwrap();
    let (mut served, _) = listener.accept().await.unwrap();
    let expected = [
        format!("init #1 {prefix}SERVERWRAP trigger root exec root"),
        format!("init #2 {prefix}WRAP trigger root exec root"),
        format!("init #3 {prefix}CONNECTWRAP trigger #2 exec root"),
        "before #3".into(),
        "after #3".into(),
        "before #1".into(),
        format!("init #4 {prefix}WRAP trigger #1 exec loop"),
        "after #1".into(),
        "destroy #3".into(),
    ];
    assert_eq!(journal.take(), expected);
    let mut buf = [0; 4];
    let (read, written) = join(served.read_exact(&mut buf), client.write_all(b"data")).await;
    read.unwrap();
    written.unwrap();
    assert_eq!(journal.take(), ["before #4", "after #4"]);
    drop(served);
    assert_eq!(client.read(&mut buf).await.unwrap(), 0);
    drop(client);
    drop(listener);
    let ends = journal.take();
    let (pairs, destroys) = ends.split_at(ends.len() - 3);
    assert!(pairs.is_empty() || pairs == ["before #2", "after #2"], "{pairs:?}");
    assert_eq!(destroys, ["destroy #4", "destroy #2", "destroy #1"]);
}

#[test]
fn server_and_client() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    rig.block_on(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let connect = TcpStream::connect(listener.local_addr().unwrap());
        connection(&journal, "TCP", listener, connect).await;
    });
}

#[test]
#[cfg(unix)]
fn server_and_client_of_a_path() {
    let rig = Rig::new();
    let place = crate::support::Place::new();
    let (journal, _hook) = Journal::start();
    let listener = UnixListener::bind(place.path("server")).unwrap();
    let connect = UnixStream::connect(place.path("server"));
    rig.block_on(connection(&journal, "PIPE", listener, connect));
}

#[test]
#[cfg(unix)]
fn a_connect_to_a_missing_path_ends_both_resources() {
    let rig = Rig::new();
    let place = crate::support::Place::new();
    let (journal, _hook) = Journal::start();
    rig.block_on(UnixStream::connect(place.path("missing"))).unwrap_err();
    assert_eq!(
        journal.take(),
        [
            "init #1 PIPEWRAP trigger root exec root",
            "init #2 PIPECONNECTWRAP trigger #1 exec root",
            "destroy #2",
            "destroy #1",
        ]
    );
    drop(UnixStream::pair().unwrap());
    assert_eq!(
        journal.take(),
        [
            "init #3 PIPEWRAP trigger root exec root",
            "init #4 PIPEWRAP trigger root exec root",
            "destroy #3",
            "destroy #4",
        ]
    );
}

/// Sending has no resource of its own: the system takes the datagram at once.
#[test]
fn datagrams() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let bind = UdpSocket::bind(ANY_PORT);
    let server = rig.block_on(STORE.scope("server", bind)).unwrap();
    let client = rig.block_on(UdpSocket::bind(ANY_PORT)).unwrap();
    let address = server.local_addr().unwrap();
    rig.turn();
    rig.block_on(async {
        let mut buf = [0; 4];
        let send = client.send_to(b"data", address);
        let receive = STORE.scope("receiver", server.recv_from(&mut buf));
        let (received, sent) = join(receive, send).await;
        assert_eq!((received.unwrap().0, sent.unwrap()), (4, 4));
        // Ready still: nothing is entered again.
        client.send_to(b"more", address).await.unwrap();
        server.recv_from(&mut buf).await.unwrap();
    });
    assert_eq!(journal.name(client.async_id()), "#2");
    drop((server, client));
    assert_eq!(
        journal.take(),
        [
            "init #1 UDPWRAP trigger root exec root",
            "init #2 UDPWRAP trigger root exec root",
            "before #1 in server",
            "after #1 in server",
            "destroy #1",
            "destroy #2",
        ]
    );
}

#[test]
fn an_accept_that_waited_enters_the_server_once() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    rig.block_on(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = async { std::net::TcpStream::connect(address).unwrap() };
        let _both = join(listener.accept(), connect).await;
        drop(listener);
    });
    assert_eq!(
        journal.take(),
        [
            "init #1 TCPSERVERWRAP trigger root exec root",
            "before #1",
            "init #2 TCPWRAP trigger #1 exec loop",
            "after #1",
            "destroy #1",
            "destroy #2",
        ]
    );
}

#[test]
fn events_run_in_the_frame_of_the_socket_and_accepted_ones_in_that_of_the_server() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let listener = rig.block_on(STORE.scope("server", TcpListener::bind(ANY_PORT))).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = STORE.scope("client", TcpStream::connect(address));
    let accept = STORE.scope("acceptor", listener.accept());
    let (accepted, client) = rig.block_on(join(accept, connect));
    let (mut served, _) = accepted.unwrap();
    let mut client = client.unwrap();
    let mut buf = [0; 4];
    let read = STORE.scope("reader", served.read_exact(&mut buf));
    rig.block_on(join(read, client.write_all(b"data"))).0.unwrap();
    let lines = journal.take();
    let entered: Vec<_> = lines.iter().filter(|line| line.starts_with("before")).collect();
    assert_eq!(entered, ["before #3 in client", "before #1 in server", "before #4 in server"]);
}

#[test]
fn a_refused_connect_ends_both_resources() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    rig.block_on(TcpStream::connect(dead_address())).unwrap_err();
    assert_eq!(
        journal.take(),
        [
            "init #1 TCPWRAP trigger root exec root",
            "init #2 TCPCONNECTWRAP trigger #1 exec root",
            "before #2",
            "after #2",
            "destroy #2",
            "destroy #1",
        ]
    );
}

#[test]
fn a_cancelled_connect_ends_both_resources() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let listener = std::net::TcpListener::bind(ANY_PORT).unwrap();
    let connect = TcpStream::connect(listener.local_addr().unwrap());
    let mut connect = Box::pin(connect);
    assert!(crate::support::poll_once(&mut connect).is_pending());
    drop(connect);
    rig.turn();
    assert_eq!(journal.take()[2..], ["destroy #2", "destroy #1"]);
}

#[test]
fn an_event_nobody_waits_for_enters_nothing() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let (_stream, mut peer) = rig.pair();
    std::io::Write::write_all(&mut peer, b"x").unwrap();
    rig.turn();
    assert_eq!(journal.take(), ["init #1 TCPWRAP trigger root exec root"]);
}

#[test]
fn each_way_to_end_destroys_once() {
    let rig = Rig::new();
    let (journal, _hook) = Journal::start();
    let (dropped, _peer) = rig.pair();
    let (taken, _peer) = rig.pair();
    let (elsewhere, _peer) = rig.pair();
    let (taken_elsewhere, _peer) = rig.pair();
    let (surviving, _peer) = rig.pair();
    let source = mio::net::UdpSocket::bind(ANY_PORT.into()).unwrap();
    let kind = ResourceKind::User("OWN");
    let own = Registration::new(source, Interest::READABLE, kind).unwrap();
    assert_eq!(journal.take().last().unwrap(), "init #6 OWN trigger root exec root");

    drop(dropped);
    assert_eq!(journal.take(), ["destroy #1"]);
    drop(taken.into_std().unwrap());
    assert_eq!(journal.take(), ["destroy #2"]);
    std::thread::spawn(move || drop((elsewhere, taken_elsewhere.into_std()))).join().unwrap();
    assert!(journal.take().is_empty());
    rig.turn();
    assert_eq!(journal.take().len(), 2);
    drop(own);
    assert_eq!(journal.take(), ["destroy #6"]);
    rig.reactor.close();
    assert_eq!(journal.take(), ["destroy #5"]);
    drop(surviving);
    drop(rig);
    assert!(journal.take().is_empty());
}

/// A hook may do anything; it meets no borrow of the reactor.
#[test]
fn a_hook_may_use_the_reactor() {
    struct Meddler;
    impl AsyncHooks for Meddler {
        fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
            meddle();
        }
        fn before(&self, _: AsyncId) {
            meddle();
        }
        fn after(&self, _: AsyncId) {
            meddle();
        }
    }
    fn meddle() {
        let (ours, _peer) = crate::support::std_pair();
        drop(TcpStream::from_std(ours).unwrap());
        let reactor = lunation_reactor::Reactor::current().unwrap();
        reactor.wait(Some(std::time::Duration::ZERO)).unwrap();
    }
    let rig = Rig::new();
    let hook = create_hook(Meddler);
    hook.enable();
    rig.block_on(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, connected) = join(listener.accept(), TcpStream::connect(address)).await;
        let (mut served, mut client) = (accepted.unwrap().0, connected.unwrap());
        let mut buf = [0; 1];
        let (read, _) = join(served.read_exact(&mut buf), client.write_all(b"x")).await;
        read.unwrap();
    });
}

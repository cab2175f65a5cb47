//! What runs in a request, and what it sees.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use lunation::{
    AsyncHooks, AsyncId, AsyncLocalStorage, Inherit, ResourceKind, ResourceRef, create_hook,
    execution_async_id, execution_async_resource, http, set_timeout, spawn, time, trigger_async_id,
};

use crate::client::{Client, get, post, reply};
use crate::support::{Answer, Journal, Noted, REQUEST, listen, run, start, stream, text};

#[test]
fn everything_of_a_request_runs_in_it() {
    run(async {
        let journal = Journal::default();
        let noted = journal.clone();
        let handler = move |_| {
            let journal = noted.clone();
            journal.note("call");
            async move {
                let _dropped = Noted(journal.clone(), "future");
                time::sleep(Duration::from_millis(1)).await;
                journal.note("after an await");
                stream(&["a", "b"], &journal, false)
            }
        };
        let server = start(handler, |server| server).await;
        let mut client = Client::connect(server.address).await;
        let one = ["call", "after an await", "drop of future", "body", "body", "body"];
        for request in [1, 2] {
            assert_eq!(client.get("/").await, reply(200, "ab"));
            let steps = one.iter().chain(&["drop of body"]);
            let expected: Vec<_> = steps.map(|step| format!("{step}: Some({request})")).collect();
            assert_eq!(journal.take(), expected);
        }
    });
}

#[test]
fn row_01_the_body_and_the_ends_of_a_request_keep_its_store() {
    // C.8: in Node the store of `run` around the handler is lost in 'end', in 'finish' and in what
    // they start.
    static USER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

    async fn handler(request: Request<Incoming>, journal: Journal) -> Answer {
        USER.enter_with(if request.uri().path() == "/ann" { "ann" } else { "bob" });
        let note = |journal: &Journal, what: &str| {
            journal.note(&format!("{what} of {}", USER.cloned().unwrap_or("-")));
        };
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            let length = frame.expect("a whole body").data_ref().map_or(0, Bytes::len);
            note(&journal, &format!("{length} bytes"));
        }
        note(&journal, "end");
        let log = journal.clone();
        set_timeout(Duration::from_millis(1), move || note(&log, "timer"));
        time::sleep(Duration::from_millis(2)).await;
        stream(&["ok"], &journal, false)
    }

    run(async {
        let journal = Journal::default();
        let noted = journal.clone();
        let server = start(move |request| handler(request, noted.clone()), |server| server).await;
        let mut client = Client::connect(server.address).await;
        for (number, user) in [(1, "ann"), (2, "bob")] {
            let path = format!("/{user}");
            assert_eq!(client.post(&path, "12345").await, reply(200, "ok"));
            let own = ["5 bytes", "end", "timer"].map(|what| format!("{what} of {user}"));
            let answer = ["body", "body", "drop of body"].map(String::from);
            let expected: Vec<_> =
                own.iter().chain(&answer).map(|step| format!("{step}: Some({number})")).collect();
            assert_eq!(journal.take(), expected);
        }
    });
}

#[test]
fn pipelined_requests_do_not_see_each_other() {
    run(async {
        async fn handler() -> Option<u32> {
            let id = REQUEST.cloned();
            time::sleep(Duration::from_millis(1)).await;
            let in_task = spawn(async { REQUEST.cloned() }).await.expect("no panic");
            (id == in_task).then_some(id).flatten()
        }
        let journal = Journal::default();
        let noted = journal.clone();
        let server = start(
            move |_| {
                let journal = noted.clone();
                async move {
                    journal.note(&format!("{:?}", handler().await));
                    REQUEST.enter_with(1000);
                    text("ok")
                }
            },
            |server| server,
        )
        .await;
        let mut client = Client::connect(server.address).await;
        client.send(&get("/").repeat(20)).await;
        for _ in 0..20 {
            assert_eq!(client.reply().await, reply(200, "ok"));
        }
        let expected: Vec<_> = (1..=20).map(|id| format!("Some({id}): Some({id})")).collect();
        assert_eq!(journal.take(), expected);
    });
}

#[test]
fn requests_start_from_the_context_of_serve() {
    static SERVER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    static PRIVATE: AsyncLocalStorage<&str> =
        AsyncLocalStorage::builder().inherit(Inherit::Never).build();

    run(async {
        let (listener, address) = listen().await;
        let handler = |_| async {
            assert_eq!((SERVER.cloned(), PRIVATE.cloned()), (Some("at serve"), None));
            SERVER.enter_with("changed by a request");
            text("ok")
        };
        let server = {
            let (_server, _private) = (SERVER.enter("at serve"), PRIVATE.enter("at serve"));
            http::serve(listener, hyper::service::service_fn(handler))
        };
        SERVER.enter_with("later");
        drop(spawn(server.into_future()));
        let mut client = Client::connect(address).await;
        assert_eq!(client.get("/").await, reply(200, "ok"));
        assert_eq!(client.get("/").await, reply(200, "ok"));
    });
}

#[test]
fn a_request_starts_with_nothing_of_the_one_before() {
    // The memory of a request's frame serves the next one: unless a task still has it.
    static USER: AsyncLocalStorage<Noted> = AsyncLocalStorage::new();

    run(async {
        let journal = Journal::default();
        let noted = journal.clone();
        let handler = move |request: Request<Incoming>| {
            let journal = noted.clone();
            async move {
                assert!(USER.get_store().is_none());
                match request.uri().path() {
                    "/set" => USER.enter_with(Noted(journal, "set")),
                    "/keep" => {
                        USER.enter_with(Noted(journal.clone(), "keep"));
                        drop(spawn(async move {
                            time::sleep(Duration::from_millis(20)).await;
                            journal.note(if USER.get_store().is_some() { "kept" } else { "lost" });
                        }));
                    }
                    "/guard" => {
                        let _user = USER.enter(Noted(journal, "guard"));
                    }
                    _ => {}
                }
                text("ok")
            }
        };
        let server = start(handler, |server| server).await;
        let mut client = Client::connect(server.address).await;
        for path in ["/set", "/", "/set", "/guard", "/keep", "/set", "/"] {
            assert_eq!(client.get(path).await, reply(200, "ok"), "{path}");
        }
        // What is dropped with its frame reads nothing in that any more.
        journal
            .expect(&[
                "drop of set: None",
                "drop of set: None",
                "drop of guard: Some(4)",
                "drop of set: None",
                "kept: Some(5)",
                "drop of keep: None",
            ])
            .await;
    });
}

#[test]
fn a_broken_connection_drops_the_request_in_its_flow() {
    run(async {
        let journal = Journal::default();
        let (noted, told) = (journal.clone(), journal.clone());
        let handler = move |_| {
            let journal = noted.clone();
            async move {
                let _dropped = Noted(journal.clone(), "future");
                journal.note("begun");
                pending::<()>().await;
                text("never")
            }
        };
        let server = start(handler, |server| {
            server.on_failure(move |failure| told.note(&format!("{failure:?}")))
        })
        .await;
        // With and without a body, one after the other.
        let post = post("/", "body");
        for (number, request) in [(1, &get("/")), (2, &post)] {
            let mut client = Client::connect(server.address).await;
            client.send(request).await;
            journal.expect(&[&format!("begun: Some({number})")]).await;
            drop(client);
            let dropped = format!("drop of future: Some({number})");
            journal.expect(&["Disconnected: None", &dropped]).await;
        }
    });
}

#[test]
fn a_client_that_has_ended_its_side_receives_the_rest_of_a_whole_answer() {
    // More than the buffers between the two hold. In a static, so that it is no leak.
    static WORD: LazyLock<String> = LazyLock::new(|| "x".repeat(32 << 20));
    run(async {
        let word = WORD.as_str();
        let server = start(async move |_| text(word), |server| server).await;
        let mut client = Client::connect(server.address).await;
        client.send(&get("/")).await;
        client.line_block().await.expect("a head");
        client.finish().await;
        time::sleep(Duration::from_millis(1)).await;
        assert!(client.chunks().await.is_some_and(|body| body == word), "the rest is missing");
        assert!(client.is_closed().await);
    });
}

// ---- as hooks see it ----

type Events = Rc<RefCell<Vec<String>>>;

/// The life of requests, each named by its place in the order of requests.
struct Requests {
    events: Events,
    ids: RefCell<Vec<AsyncId>>,
    sockets: RefCell<Vec<AsyncId>>,
}

impl Requests {
    fn note(&self, event: &str, id: AsyncId) {
        if let Some(place) = self.ids.borrow().iter().position(|known| *known == id) {
            self.events.borrow_mut().push(format!("{event} {place}"));
        }
    }
}

impl AsyncHooks for Requests {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
        if kind == ResourceKind::TcpWrap {
            self.sockets.borrow_mut().push(id);
        }
        if kind == ResourceKind::HttpIncomingMessage {
            self.ids.borrow_mut().push(id);
            let socket = self.sockets.borrow().iter().position(|known| *known == trigger);
            self.events.borrow_mut().push(format!("init by socket {socket:?}"));
        }
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

#[test]
fn hooks_see_one_resource_per_request() {
    let events = Events::default();
    let (ids, sockets) = Default::default();
    let hook = create_hook(Requests { events: events.clone(), ids, sockets });
    run(async {
        let (listener, address) = listen().await;
        let handler = |_| async {
            let kind = execution_async_resource().kind();
            assert_eq!(kind, ResourceKind::HttpIncomingMessage);
            assert!(trigger_async_id() < execution_async_id());
            text("ok")
        };
        drop(spawn(http::serve(listener, hyper::service::service_fn(handler)).into_future()));
        hook.enable();
        // Sockets 0 and 1: the client's and the server's.
        let mut client = Client::connect(address).await;
        assert_eq!(client.get("/").await, reply(200, "ok"));
        assert_eq!(client.get("/").await, reply(200, "ok"));
        lunation::immediate().await;
        hook.disable();
    });
    let mut expected = Vec::new();
    for request in [0, 1] {
        // The call with the future's only poll, the body's only frame.
        expected.push("init by socket Some(1)".to_owned());
        for _ in 0..2 {
            expected.extend([format!("before {request}"), format!("after {request}")]);
        }
        expected.push(format!("destroy {request}"));
    }
    assert_eq!(*events.borrow(), expected);
}

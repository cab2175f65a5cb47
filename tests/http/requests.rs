//! The client: which context its requests and sockets have, how connections are shared, what fails.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::{Request, Response};
use lunation::http::{Client, ResponseBody};
use lunation::net::{PooledSocket, TcpListener, TcpStream};
use lunation::{AsyncId, AsyncLocalStorage, Runtime, execution_async_resource, spawn, time};

use crate::support::{Flag, LONG, SHORT, listen, run, start, text};

static USER: AsyncLocalStorage<Rc<str>> = AsyncLocalStorage::new();

fn user() -> String {
    USER.with(|user| user.map_or("-", |user| &**user).to_owned())
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Request<String> {
    Request::get(format!("http://{address}{path}")).body(String::new()).expect("a request")
}

pub(crate) fn socket(response: &Response<ResponseBody>) -> PooledSocket {
    response.extensions().get::<PooledSocket>().expect("every response has one").clone()
}

/// Reads the response to its end, and lets the connection go back to the pool.
pub(crate) async fn finish(response: Response<ResponseBody>) -> Bytes {
    let bytes = response.into_body().bytes().await.expect("a whole body");
    time::sleep(std::time::Duration::from_millis(1)).await;
    bytes
}

/// A server by hand: what it says on each connection, then it closes.
pub(crate) async fn scripted(answers: &'static [&'static str]) -> (SocketAddr, Rc<Cell<usize>>) {
    let (listener, address) = listen().await;
    let accepted = Rc::new(Cell::new(0));
    let count = accepted.clone();
    drop(spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            count.set(count.get() + 1);
            let mut request = [0; 1000];
            stream.read(&mut request).await.expect("a request");
            stream.write_all(answer.as_bytes()).await.expect("the client reads");
        }
    }));
    (address, accepted)
}

pub(crate) const KEPT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_kept_socket_is_a_new_resource_in_each_request() {
    run(async {
        let server = start(|_| async { text("ok") }, |server| server).await;
        let client = Client::new();
        let ann = Rc::<str>::from("ann");
        let first = USER.run(ann.clone(), || client.request(get(server.address, "/")));
        let first = first.await.expect("a response");
        let used = socket(&first);
        let id = used.async_id().expect("it is in use");
        assert_eq!(finish(first).await, "ok");
        // It lies idle: no id, and nothing of the first user's context.
        assert_eq!((used.async_id(), Rc::strong_count(&ann)), (None, 1));
        let second = client.request(get(server.address, "/")).await.expect("a response");
        assert_eq!(socket(&second), used);
        let again = used.async_id().expect("it is in use again");
        assert!(again > id, "{again:?} > {id:?}");
        assert_eq!(used.resource().expect("it is here").kind().as_str(), "TCPWRAP");
    });
}

#[test]
fn queued_requests_share_a_socket_and_keep_their_own_stores() {
    let sockets = run(async {
        let server = start(|_| async { text("ok") }, |server| server).await;
        let client = Client::builder().max_sockets(1).build();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let ask = |name: &'static str| {
            let (client, seen) = (client.clone(), seen.clone());
            USER.run(Rc::from(name), || {
                spawn(async move {
                    let request = client.request(get(server.address, "/"));
                    let response = request.await.expect("a response");
                    let used = socket(&response);
                    seen.borrow_mut().push((user(), used.clone(), used.async_id()));
                    response.into_body().bytes().await.expect("a body");
                    assert_eq!(user(), name);
                })
            })
        };
        for task in ["a", "b", "c"].map(ask) {
            task.await.expect("no panic");
        }
        seen.take()
    });
    let names: Vec<&str> = sockets.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(sockets.iter().all(|(_, socket, _)| *socket == sockets[0].1));
    assert!(sockets.windows(2).all(|pair| pair[0].2 < pair[1].2), "{sockets:?}");
}

/// A body in three pieces that notes where it runs and is dropped.
struct Pieces(Rc<RefCell<Vec<String>>>, usize);

impl Pieces {
    fn note(&self, what: &str) {
        let kind = execution_async_resource().kind();
        self.0.borrow_mut().push(format!("{what}:{kind}@{}", user()));
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.note("poll");
        self.1 += 1;
        assert!(self.1 < 10, "the body panics");
        let piece = (self.1 <= 2).then(|| Ok(Frame::data(Bytes::from_static(b"x"))));
        Poll::Ready(piece)
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.note("drop");
    }
}

#[test]
fn the_body_of_a_request_runs_in_it() {
    run(async {
        let server = start(|_| async { text("ok") }, |server| server).await;
        let client = Client::new();
        let notes = Rc::new(RefCell::new(Vec::new()));
        let post = |pieces| {
            let to = format!("http://{}/", server.address);
            let request = Request::post(to).body(pieces).expect("a request");
            USER.run(Rc::<str>::from("ann"), || client.request(request))
        };
        finish(post(Pieces(notes.clone(), 0)).await.expect("a response")).await;
        let kind = "HTTPCLIENTREQUEST@ann";
        assert_eq!(
            notes.take(),
            ["poll", "poll", "poll", "drop"].map(|what| format!("{what}:{kind}"))
        );
        let error = post(Pieces(notes.clone(), 9)).await.expect_err("it panics");
        let text = error.to_string();
        assert!(text.contains("the request's body panicked: the body panics"), "{text}");
        assert_eq!(notes.take(), ["poll", "drop"].map(|what| format!("{what}:{kind}")));
    });
}

#[test]
fn a_request_that_is_dropped_makes_room_for_the_next() {
    run(async {
        let server = start(
            |request: Request<hyper::body::Incoming>| async move {
                if request.uri() == "/never" {
                    pending::<()>().await;
                }
                text("ok")
            },
            |server| server.header_timeout(LONG),
        )
        .await;
        let client = Client::builder().max_sockets(1).build();
        let mut stuck = Box::pin(client.request(get(server.address, "/never")));
        let mut waiting = Box::pin(client.request(get(server.address, "/")));
        let last = spawn(client.request(get(server.address, "/last")));
        poll_fn(|cx| {
            assert!(stuck.as_mut().poll(cx).is_pending() && waiting.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        time::sleep(std::time::Duration::from_millis(5)).await;
        drop(waiting);
        drop(stuck);
        let response = last.await.expect("no panic").expect("a response");
        assert_eq!(finish(response).await, "ok");
    });
}

#[test]
fn a_request_that_meets_a_closed_socket_is_sent_again() {
    run(async {
        let (address, accepted) = scripted(&[KEPT, KEPT]).await;
        let client = Client::new();
        for round in 1..=2 {
            let response = client.request(get(address, "/")).await.expect("a response");
            assert_eq!(response.into_body().bytes().await.expect("a body"), "ok");
            assert_eq!(accepted.get(), round);
        }
    });
}

#[test]
fn errors_name_the_request() {
    run(async {
        let client = Client::new();
        let refused = |request: Request<String>| {
            let sent = client.request(request);
            async move {
                let error = sent.await.expect_err("it is refused");
                assert!(error.is_refused());
                error.to_string()
            }
        };
        let request = |uri: &str| Request::get(uri).body(String::new()).expect("a request");
        let relative = refused(request("/moon")).await;
        assert_eq!(relative, "GET /moon: the URI is not absolute: write http://host/path");
        let secure = refused(request("https://moon/")).await;
        assert!(secure.starts_with("GET https://moon/: this client speaks http only"), "{secure}");
        let tunnel = Request::connect("http://moon/").body(String::new()).expect("a request");
        assert!(refused(tunnel).await.contains("tunnels"));

        let (listener, nobody) = listen().await;
        drop(listener);
        let error = client.request(get(nobody, "/")).await.expect_err("nobody listens");
        assert!(error.is_connect() && error.uri().path() == "/");
        let text = error.to_string();
        let expected = format!("GET http://{nobody}/: connect to {nobody}: ");
        assert!(text.starts_with(&expected), "{text}");

        let (address, _) = scripted(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"]).await;
        let response = client.request(get(address, "/")).await.expect("a head");
        let error = response.into_body().bytes().await.expect_err("it breaks off");
        assert!(error.as_hyper().is_some() && !error.is_connect());
        let expected = format!("GET http://{address}/: error reading a body from connection: ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    });
}

#[test]
fn idle_sockets_keep_no_loop_alive_and_are_closed_in_time() {
    let (runtime, client) = (Runtime::new(), Client::builder().idle_timeout(SHORT).build());
    let closed = Flag::default();
    let noted = closed.clone();
    runtime.block_on(async {
        let (listener, address) = listen().await;
        drop(spawn(async move {
            let mut stream = one(&listener).await;
            stream.write_all(KEPT.as_bytes()).await.expect("the client reads");
            assert_eq!(stream.read(&mut [0]).await.expect("an end"), 0);
            noted.set();
        }));
        finish(client.request(get(address, "/")).await.expect("a response")).await;
        closed.wait().await;
    });
    runtime.block_on(async {
        let (address, _) = scripted(&[KEPT]).await;
        finish(client.request(get(address, "/")).await.expect("a response")).await;
    });
    runtime.run_to_idle();
}

/// A connection, and its request read.
pub(crate) async fn one(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    stream.read(&mut [0; 1000]).await.expect("a request");
    stream
}

#[test]
fn a_client_without_keep_alive_says_so() {
    run(async {
        let server = start(
            |request: Request<hyper::body::Incoming>| async move {
                assert_eq!(request.headers()["connection"], "close");
                text("ok")
            },
            |server| server,
        )
        .await;
        let client = Client::builder().keep_alive(false).build();
        let ask = || async {
            let response = client.request(get(server.address, "/")).await.expect("a response");
            let used = socket(&response);
            finish(response).await;
            used
        };
        assert_ne!(ask().await, ask().await);
    });
}

#[test]
fn the_request_is_triggered_by_the_call_and_ends_with_the_response() {
    use lunation::{AsyncHooks, ResourceKind, ResourceRef, create_hook, execution_async_id};

    #[derive(Clone, Default)]
    struct Watch(Rc<RefCell<Vec<String>>>, Rc<Cell<Option<AsyncId>>>);
    impl AsyncHooks for Watch {
        fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
            if kind == ResourceKind::HttpClientRequest {
                self.1.set(Some(id));
                self.0.borrow_mut().push(format!("init {trigger}"));
            }
        }

        fn destroy(&self, id: AsyncId) {
            if self.1.get() == Some(id) {
                self.0.borrow_mut().push("destroy".to_owned());
            }
        }
    }
    let watch = Watch::default();
    let hook = create_hook(watch.clone());
    hook.enable();
    run(async {
        let server = start(|_| async { text("ok") }, |server| server).await;
        let client = Client::new();
        let caller = spawn(async move {
            let mut sent = pin!(client.request(get(server.address, "/")));
            let response = sent.as_mut().await.expect("a response");
            watch.0.borrow_mut().push("head".to_owned());
            finish(response).await;
            (execution_async_id(), watch.0.take())
        });
        let (id, events) = caller.await.expect("no panic");
        assert_eq!(events, [format!("init {id}"), "head".to_owned(), "destroy".to_owned()]);
    });
    hook.disable();
}

#[test]
fn what_a_server_does_wrong_is_an_error_and_the_client_goes_on() {
    run(async {
        let (address, _) = scripted(&["", "not http at all\r\n\r\n", KEPT]).await;
        let client = Client::builder().max_sockets(1).build();
        let closed = client.request(get(address, "/")).await.expect_err("it is closed");
        let why = closed.to_string();
        assert!(why.starts_with(&format!("GET http://{address}/: ")), "{why}");
        assert!(closed.as_hyper().is_some_and(|error| error.is_incomplete_message()), "{why}");
        let garbage = client.request(get(address, "/")).await.expect_err("it is no response");
        assert!(garbage.as_hyper().is_some_and(|error| error.is_parse()), "{garbage}");
        let response = client.request(get(address, "/")).await.expect("a response");
        assert_eq!(finish(response).await, "ok");
    });
}

#[test]
fn a_response_that_is_dropped_gives_its_socket_back_or_closes_it() {
    const MANY: usize = 1 << 20;
    run(async {
        let (listener, address) = listen().await;
        let accepted = Rc::new(Cell::new(0));
        let count = accepted.clone();
        drop(spawn(async move {
            loop {
                let mut stream = one(&listener).await;
                count.set(count.get() + 1);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {MANY}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.expect("the client reads");
                // Until the client has enough.
                while stream.write_all(&[b'x'; 1000]).await.is_ok() {}
            }
        }));
        let client = Client::builder().max_sockets(1).build();
        for round in 1..=2 {
            let response = client.request(get(address, "/")).await.expect("a response");
            assert_eq!(accepted.get(), round);
            let mut body = response.into_body();
            assert!(!body.chunk().await.expect("not the end").expect("a chunk").is_empty());
        }
    });
}

#[test]
fn a_store_may_use_the_client_when_the_pool_drops_it() {
    /// Asks the client for more when the context of a request ends.
    struct Asks(Client, SocketAddr, Rc<RefCell<Vec<bool>>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.close_idle();
            let (sent, log) = (self.0.request(get(self.1, "/")), self.2.clone());
            drop(spawn(async move {
                let is_answered = sent.await.is_ok();
                log.borrow_mut().push(is_answered);
            }));
        }
    }
    static ASKS: AsyncLocalStorage<Asks> = AsyncLocalStorage::new();
    run(async {
        let server = start(|_| async { text("ok") }, |server| server).await;
        let (client, log) = (Client::builder().max_sockets(1).build(), Rc::default());
        let asks = Asks(client.clone(), server.address, Rc::clone(&log));
        let sent = ASKS.run(asks, || client.request(get(server.address, "/")));
        finish(sent.await.expect("a response")).await;
        while log.borrow().is_empty() {
            time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!(*log.borrow(), [true]);
    });
}

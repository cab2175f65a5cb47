//! The client's pool at its edges: odd addresses, dirty connections, runtimes that end.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{Request, Uri};
use lunation::channels::{
    ClientMessage, HTTP_CLIENT_REQUEST_CREATED, HTTP_CLIENT_REQUEST_ERROR,
    HTTP_CLIENT_REQUEST_START, HTTP_CLIENT_RESPONSE_FINISH,
};
use lunation::diagnostics_channel::Channel;
use lunation::http::Client;
use lunation::net::TcpStream;
use lunation::{AsyncLocalStorage, Runtime, UnhandledPanic, execution_async_resource, spawn, time};

use crate::requests::{KEPT, finish, get, one, scripted, socket};
use crate::support::{listen, run, start, text};

/// What the client says to an address it cannot use.
async fn refused(uri: &str) -> String {
    let request = Request::get(uri).body(String::new()).expect("a request");
    let error = Client::new().request(request).await.expect_err("it is refused");
    assert!(error.is_refused(), "{error}");
    error.to_string()
}

#[test]
fn a_port_that_is_no_port_is_refused() {
    run(async {
        for port in ["99999", "65536", "x", "8o"] {
            let uri = format!("http://127.0.0.1:{port}/");
            let Ok(_) = uri.parse::<Uri>() else { continue };
            let text = refused(&uri).await;
            let why = "the port is no number up to 65535";
            assert_eq!(text, format!("GET {uri}: {why}"));
        }
    });
}

#[test]
fn a_user_in_the_address_is_refused() {
    run(async {
        let text = refused("http://ann:secret@127.0.0.1:1/").await;
        assert!(text.contains("send an authorization header"), "{text}");
    });
}

/// What a server by hand reads of a request.
async fn head_of(uri: impl FnOnce(u16) -> String) -> String {
    let (listener, address) = listen().await;
    let server = spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = vec![0; 1000];
        let length = stream.read(&mut head).await.expect("a request");
        stream.write_all(KEPT.as_bytes()).await.expect("the client reads");
        head.truncate(length);
        String::from_utf8(head).expect("text")
    });
    let request = Request::get(uri(address.port())).body(String::new()).expect("a request");
    finish(Client::new().request(request).await.expect("a response")).await;
    server.await.expect("no panic")
}

#[test]
fn the_head_names_path_and_host() {
    run(async {
        let head = head_of(|port| format!("http://LocalHost:{port}?moon=1")).await;
        assert!(head.starts_with("GET /?moon=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("host: LocalHost:"), "{head}");
    });
}

#[test]
fn hosts_that_differ_in_case_share_their_sockets() {
    run(async {
        let (address, accepted) = kept(2).await;
        let client = Client::builder().max_sockets(1).build();
        for host in ["localhost", "LOCALHOST"] {
            let uri = format!("http://{host}:{}/", address.port());
            let request = Request::get(uri).body(String::new()).expect("a request");
            finish(client.request(request).await.expect("a response")).await;
        }
        assert_eq!(accepted.get(), 1);
    });
}

/// A server that answers so many times on each connection.
async fn kept(times: usize) -> (SocketAddr, Rc<Cell<usize>>) {
    let (listener, address) = listen().await;
    let accepted = Rc::new(Cell::new(0));
    let count = accepted.clone();
    drop(spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            count.set(count.get() + 1);
            drop(spawn(async move {
                for _ in 0..times {
                    let length = stream.read(&mut [0; 1000]).await.expect("a request");
                    if length == 0 {
                        return;
                    }
                    stream.write_all(KEPT.as_bytes()).await.expect("the client reads");
                }
            }));
        }
    }));
    (address, accepted)
}

#[test]
fn an_unknown_host_is_named() {
    run(async {
        let request = Request::get("http://moon.invalid/").body(String::new()).expect("a request");
        let error = Client::new().request(request).await.expect_err("nobody knows it");
        assert!(error.is_connect());
        let text = error.to_string();
        assert!(text.starts_with("GET http://moon.invalid/: "), "{text}");
        assert!(text.matches("moon.invalid").count() > 1, "{text}");
    });
}

#[test]
fn more_than_the_response_makes_a_connection_unfit() {
    const SPOILT: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nforged";
    run(async {
        let (address, accepted) = scripted(&[SPOILT, KEPT]).await;
        let client = Client::builder().max_sockets(1).build();
        for round in 1..=2 {
            let response = client.request(get(address, "/")).await.expect("a response");
            assert_eq!(response.into_body().bytes().await.expect("a body"), "ok");
            assert_eq!(accepted.get(), round);
        }
    });
}

#[test]
fn responses_without_a_body_free_their_socket_at_once() {
    run(async {
        let server = start(
            |request: Request<hyper::body::Incoming>| async move {
                let mut response = text("ok")?;
                if let Ok(status) = request.uri().path()[1..].parse::<u16>() {
                    response = text("")?;
                    *response.status_mut() = status.try_into().expect("a status");
                }
                Ok(response)
            },
            |server| server,
        )
        .await;
        let client = Client::builder().max_sockets(1).build();
        let mut sockets = Vec::new();
        for (method, path) in [("HEAD", "/x"), ("GET", "/204"), ("GET", "/304"), ("GET", "/x")] {
            let to = format!("http://{}{path}", server.address);
            let request = Request::builder().method(method).uri(to);
            let request = request.body(String::new()).expect("a request");
            // Kept unread: the next one gets the socket nevertheless.
            let response = client.request(request).await.expect("a response");
            sockets.push((socket(&response), response));
        }
        assert!(sockets.iter().all(|(socket, _)| *socket == sockets[0].0));
    });
}

#[test]
fn a_cancelled_request_never_leaves_its_response_to_the_next() {
    run(async {
        let server = start(
            |request: Request<hyper::body::Incoming>| async move {
                time::sleep(Duration::from_millis(3)).await;
                text(if request.uri() == "/first" { "first" } else { "second" })
            },
            |server| server,
        )
        .await;
        let client = Client::builder().max_sockets(1).build();
        finish(client.request(get(server.address, "/")).await.expect("a response")).await;
        // Cut at different moments: before it is sent, while it is answered, and after that.
        for turns in 0..12 {
            let first = spawn(client.request(get(server.address, "/first")));
            for _ in 0..turns {
                lunation::immediate().await;
            }
            first.abort();
            let second = client.request(get(server.address, "/second")).await.expect("a response");
            assert_eq!(finish(second).await, "second", "after {turns} turns");
        }
    });
}

/// A body that notes which resource is asked how long it is.
struct Sized(Rc<RefCell<Vec<String>>>);

impl Body for Sized {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.0.borrow_mut().push(execution_async_resource().kind().to_string());
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.0.borrow_mut().push(execution_async_resource().kind().to_string());
        SizeHint::default()
    }
}

#[test]
fn a_body_is_asked_for_its_length_in_the_request() {
    run(async {
        let server = start(|_| async { text("ok") }, |server| server).await;
        let asked = Rc::new(RefCell::new(Vec::new()));
        let to = format!("http://{}/", server.address);
        let request = Request::post(to).body(Sized(asked.clone())).expect("a request");
        finish(Client::new().request(request).await.expect("a response")).await;
        let asked = asked.take();
        assert!(!asked.is_empty());
        assert!(asked.iter().all(|kind| kind == "HTTPCLIENTREQUEST"), "{asked:?}");
    });
}

#[test]
fn a_client_outlives_its_runtime() {
    let client = Client::builder().max_sockets(1).build();
    let ask = || {
        let runtime = Runtime::new();
        let cut = runtime.block_on(async {
            let server = start(|_| async { text("ok") }, |server| server).await;
            let response = client.request(get(server.address, "/")).await.expect("a response");
            assert_eq!(finish(response).await, "ok");
            // In use, and waited for, when the runtime ends.
            let response = client.request(get(server.address, "/")).await.expect("a response");
            let waiting = spawn(client.request(get(server.address, "/")));
            lunation::immediate().await;
            (response, waiting)
        });
        drop(runtime);
        drop(cut);
        assert!(format!("{client:?}").contains(": 0}"), "{client:?}");
    };
    ask();
    ask();
}

/// A server that keeps each connection until `close` takes it.
async fn closable() -> (SocketAddr, Rc<RefCell<Vec<TcpStream>>>) {
    let (listener, address) = listen().await;
    let kept = Rc::new(RefCell::new(Vec::new()));
    let streams = kept.clone();
    drop(spawn(async move {
        loop {
            let mut stream = one(&listener).await;
            stream.write_all(KEPT.as_bytes()).await.expect("the client reads");
            streams.borrow_mut().push(stream);
        }
    }));
    (address, kept)
}

/// A request meets a socket whose end is known to the loop, but not yet to the client, so many
/// microtasks after the end. How often it was sent.
async fn sent_again(microtasks: usize) -> usize {
    let starts = Rc::new(Cell::new(0));
    let count = starts.clone();
    let _counting = HTTP_CLIENT_REQUEST_START.subscribe(move |_, _| count.set(count.get() + 1));
    let ((address, kept), client) = (closable().await, Client::new());
    finish(client.request(get(address, "/")).await.expect("a response")).await;
    starts.set(0);
    drop(kept.take());
    for _ in 0..microtasks {
        lunation::microtask().await;
    }
    let mut again = Box::pin(client.request(get(address, "/")));
    let polled = poll_fn(|cx| Poll::Ready(again.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    // Another host comes, and hosts that nobody uses are forgotten.
    drop(spawn(client.request(get(([127, 0, 0, 1], 1).into(), "/"))));
    let again = again.await;
    if starts.get() == 2 {
        assert_eq!(finish(again.expect("a response")).await, "ok");
        let shown = format!("{client:?}");
        assert!(shown.contains(&format!("\"{address}\": 1")), "{shown}");
    }
    starts.get()
}

#[test]
fn what_a_closed_socket_did_not_take_is_sent_again() {
    // With a budget of one a microtask can run between an event and the task that it wakes.
    let runtime = Runtime::builder().drain_budget(Some(1)).build().expect("a runtime");
    let retried = runtime.block_on(async {
        for microtasks in 0..50 {
            if sent_again(microtasks).await == 2 {
                return true;
            }
        }
        false
    });
    assert!(retried, "no request met the end of its socket");
}

#[test]
fn queued_requests_are_served_in_order_and_none_overtakes() {
    run(async {
        let server = start(|_| async { text("ok") }, |server| server).await;
        let client = Client::builder().max_sockets(2).build();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..9)
            .map(|number| {
                let (client, order) = (client.clone(), order.clone());
                spawn(async move {
                    let response = client.request(get(server.address, "/")).await;
                    order.borrow_mut().push(number);
                    response.expect("a response").into_body().bytes().await.expect("a body");
                })
            })
            .collect();
        lunation::immediate().await;
        // Those who leave the queue take nobody's turn along.
        tasks[3].abort();
        tasks[8].abort();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.is_err(), [3, 8].contains(&number));
        }
        let order = order.take();
        assert_eq!(order[2..], [2, 4, 5, 6, 7], "{order:?}");
    });
}

#[test]
fn dropping_the_client_closes_what_lies_idle() {
    run(async {
        let (listener, address) = listen().await;
        let server = spawn(async move {
            let mut stream = one(&listener).await;
            stream.write_all(KEPT.as_bytes()).await.expect("the client reads");
            stream.read(&mut [0]).await.expect("an end")
        });
        let client = Client::builder().idle_timeout(Duration::MAX).build();
        finish(client.request(get(address, "/")).await.expect("a response")).await;
        drop(client);
        assert_eq!(server.await.expect("no panic"), 0);
    });
}

#[test]
fn a_head_that_is_too_large_is_an_error() {
    run(async {
        let (listener, address) = listen().await;
        drop(spawn(async move {
            let mut stream = one(&listener).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.expect("the client reads");
            while stream.write_all(&[b'x'; 10_000]).await.is_ok() {}
        }));
        let error = Client::new().request(get(address, "/")).await.expect_err("it is too large");
        let text = error.to_string();
        assert!(text.contains("message head is too large"), "{text}");
    });
}

#[test]
fn channels_tell_of_a_failed_request_in_the_context_of_its_call() {
    static CALL: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    let journal = Rc::new(RefCell::new(Vec::new()));
    let channels =
        [&HTTP_CLIENT_REQUEST_CREATED, &HTTP_CLIENT_REQUEST_START, &HTTP_CLIENT_REQUEST_ERROR];
    let _noting = channels.map(|channel| {
        let journal = journal.clone();
        channel.subscribe(move |message: &ClientMessage, name| {
            assert_eq!(message.resource.is_some(), name == "http.client.request.start");
            let (path, call) = (message.uri.path(), CALL.cloned().unwrap_or("-"));
            let error = message.error.as_deref().map_or("", |_| " failed");
            journal.borrow_mut().push(format!("{name} {path}{error} @{call}"));
        })
    });
    run(async {
        let (address, _) = scripted(&[""]).await;
        let client = Client::new();
        let broken = CALL.run("broken", || client.request(get(address, "/broken")));
        let request = Request::get("/refused").body(String::new()).expect("a request");
        let refused = CALL.run("refused", || client.request(request));
        refused.await.expect_err("it has no host");
        broken.await.expect_err("it is closed");
    });
    let expected = [
        "http.client.request.created /broken @broken",
        "http.client.request.created /refused @refused",
        "http.client.request.error /refused failed @refused",
        "http.client.request.start /broken @broken",
        "http.client.request.error /broken failed @broken",
    ];
    assert_eq!(*journal.borrow(), expected);
}

#[test]
fn a_subscriber_that_panics_harms_no_request() {
    let panics = |channel: &'static Channel<ClientMessage>| {
        channel.subscribe(|_, name| resume_unwind(Box::new(name)))
    };
    let _panicking = [
        panics(&HTTP_CLIENT_REQUEST_CREATED),
        panics(&HTTP_CLIENT_REQUEST_START),
        panics(&HTTP_CLIENT_REQUEST_ERROR),
        panics(&HTTP_CLIENT_RESPONSE_FINISH),
    ];
    let told = Rc::new(RefCell::new(Vec::new()));
    let reports = told.clone();
    let builder = Runtime::builder().on_unhandled(move |failure| {
        reports.borrow_mut().push(format!("{} {}", failure.message(), failure.kind()));
        UnhandledPanic::Continue
    });
    builder.build().expect("a runtime").block_on(async {
        let (address, _) = scripted(&[KEPT, ""]).await;
        let client = Client::new();
        let response = client.request(get(address, "/")).await.expect("a response");
        assert_eq!(finish(response).await, "ok");
        client.request(get(address, "/")).await.expect_err("it is closed");
    });
    let expected = [
        "http.client.request.created ROOT",
        "http.client.request.start HTTPCLIENTREQUEST",
        "http.client.response.finish HTTPCLIENTREQUEST",
        "http.client.request.created ROOT",
        "http.client.request.start HTTPCLIENTREQUEST",
        "http.client.request.error ROOT",
    ];
    assert_eq!(*told.borrow(), expected);
}

//! Node's tests of HTTP: requests of a client and a server, and an agent that keeps sockets.

use super::support::ms;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use lunation::channels::{
    HTTP_CLIENT_REQUEST_CREATED, HTTP_CLIENT_REQUEST_START, HTTP_CLIENT_RESPONSE_FINISH,
    HTTP_SERVER_REQUEST_START, HTTP_SERVER_RESPONSE_CREATED, HTTP_SERVER_RESPONSE_FINISH,
    ServerMessage,
};
use lunation::http::{self, Client, ResponseBody};
use lunation::net::{PooledSocket, TcpListener};
use lunation::{
    AsyncHooks, AsyncId, AsyncLocalStorage, Hook, ResourceKind, ResourceRef, Runtime,
    UnhandledPanic, create_hook, execution_async_id, execution_async_resource, immediate, spawn,
    time,
};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;

use crate::support::Journal;

pub(super) type Answer = Response<Full<Bytes>>;

static STORE: AsyncLocalStorage<Rc<str>> = AsyncLocalStorage::new();

fn store() -> String {
    STORE.with(|store| store.map_or("-", |store| &**store).to_owned())
}

/// Runs `main` to its end; a failed assertion in any callback or task fails the test.
pub(super) fn run<F: Future>(main: F) -> F::Output {
    let builder = Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate);
    builder.build().expect("a runtime").block_on(main)
}

/// A server; returns its address.
pub(super) async fn start<F, R>(answer: F) -> String
where
    F: Fn(Request<Incoming>) -> R + 'static,
    R: Future<Output = Answer> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let service = service_fn(move |request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    drop(spawn(http::serve(listener, service).into_future()));
    format!("http://{address}/")
}

pub(super) fn answer(text: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(text.into()))
}

/// Reads all that is posted, then answers.
pub(super) async fn echo_nothing(request: Request<Incoming>) -> Answer {
    request.into_body().collect().await.expect("a whole request");
    answer("foobar")
}

pub(super) fn get(to: &str) -> Request<String> {
    Request::get(to).body(String::new()).expect("a request")
}

pub(super) fn post(to: &str) -> Request<String> {
    Request::post(to).body("hello world".to_owned()).expect("a request")
}

pub(super) fn socket(response: &Response<ResponseBody>) -> PooledSocket {
    response.extensions().get::<PooledSocket>().expect("every response has one").clone()
}

/// Reads the response; then the agent registers the freed socket.
pub(super) async fn finish(response: Response<ResponseBody>) {
    response.into_body().bytes().await.expect("a whole response");
    immediate().await;
}

/// Marks every resource with its id.
struct Marks;

impl AsyncHooks for Marks {
    fn init(&self, id: AsyncId, _: ResourceKind, _: AsyncId, resource: &ResourceRef) {
        resource.extensions().insert(id);
    }
}

fn marks() -> Hook {
    let hook = create_hook(Marks);
    hook.enable();
    hook
}

/// The running resource is the one that hooks were shown.
#[track_caller]
fn assert_marked() {
    let mark = execution_async_resource().extensions().get::<AsyncId>();
    assert_eq!(mark.as_deref(), Some(&execution_async_id()));
}

/// Client and server of the three tests of execution resources; `times` is how many assertions.
async fn marked_exchange(client: Client, chunks: bool) {
    let server = start(move |_| async move {
        if chunks {
            time::sleep(ms(2)).await;
        }
        assert_marked();
        answer("hello world!")
    });
    let to = server.await;
    spawn(async move {
        assert_marked();
        let response = client.request(get(&to)).await.expect("a response");
        assert_marked();
        let mut body = response.into_body();
        while let Some(chunk) = body.chunk().await {
            chunk.expect("a chunk");
            assert_marked();
        }
        assert_marked();
    })
    .await
    .expect("no panic");
}

#[test]
fn test_async_exec_resource_http() {
    // Node: async-hooks/test-async-exec-resource-http. Assertions: 4 there, 5 here: also while the
    // response is read, and in the server.
    let hook = marks();
    run(marked_exchange(Client::new(), false));
    hook.disable();
}

#[test]
fn test_async_exec_resource_http_32060() {
    // Node: async-hooks/test-async-exec-resource-http-32060. Assertions: 8 there, 5 here; left out:
    // four must-calls (a task that is joined has run).
    let hook = marks();
    run(marked_exchange(Client::new(), true));
    hook.disable();
}

#[test]
fn test_async_exec_resource_http_agent() {
    // Node: async-hooks/test-async-exec-resource-http-agent. Assertions: 4 there, 5 here.
    let hook = marks();
    run(marked_exchange(Client::builder().max_sockets(1).build(), false));
    hook.disable();
}

#[test]
fn test_async_local_storage_http() {
    // Node: async-hooks/test-async-local-storage-http. Assertions: 1 there, 2 here.
    run(async {
        let to = start(|_| async { answer("ok") }).await;
        let task = STORE.run(Rc::from("world"), || {
            spawn(async move {
                Client::new().request(get(&to)).await.expect("a response");
                store()
            })
        });
        assert_eq!(task.await.expect("no panic"), "world");
        assert_eq!(store(), "-");
    });
}

#[test]
fn test_async_local_storage_http_agent_queue() {
    // Node: async-hooks/test-async-local-storage-http-agent. Assertions: 5 there, 5 here. (Node has
    // two files of this name.) Added: the request started in its caller's store.
    const N: usize = 3;
    let served = Rc::new(Cell::new(0));
    let count = served.clone();
    run(async {
        let to = start(move |_| {
            count.set(count.get() + 1);
            async { answer("ok") }
        })
        .await;
        let client = Client::builder().max_sockets(1).build();
        let starts = Journal::default();
        let log = starts.clone();
        let started = HTTP_CLIENT_REQUEST_START.subscribe(move |_, _| log.add(store()));
        let tasks: Vec<_> = (0..N)
            .map(|i| {
                let (client, to) = (client.clone(), to.clone());
                STORE.run(Rc::from(format!("{i}")), || {
                    spawn(async move {
                        let response = client.request(get(&to)).await.expect("a response");
                        assert_eq!(store(), format!("{i}"));
                        finish(response).await;
                    })
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        drop(started);
        assert_eq!(starts.take(), "0 1 2");
        assert_eq!(served.get(), N);
    });
}

#[test]
fn test_async_local_storage_http_agent() {
    // Node: parallel/test-async-local-storage-http-agent. Assertions: 21 there, 8 here; left out:
    // must-calls (13); a body that is ended after the response has begun.
    run(async {
        let to = start(echo_nothing).await;
        let client = Client::builder().max_sockets(1).build();
        let exchange = |name: &'static str| {
            let (client, to) = (client.clone(), to.clone());
            STORE.run(Rc::from(name), || {
                spawn(async move {
                    assert_eq!(store(), name);
                    let response = client.request(post(&to)).await.expect("a response");
                    let used = socket(&response);
                    assert_eq!(store(), name);
                    let mut body = response.into_body();
                    while let Some(chunk) = body.chunk().await {
                        chunk.expect("a chunk");
                        assert_eq!(store(), name);
                    }
                    assert_eq!(store(), name);
                    immediate().await;
                    assert_eq!(store(), name);
                    used
                })
            })
        };
        let first = exchange("first").await.expect("no panic");
        let second = exchange("second").await.expect("no panic");
        assert_eq!(first, second);
        assert_eq!(store(), "-");
        assert_eq!(second.async_id(), None);
    });
}

#[test]
fn test_async_local_storage_http_multiclients() {
    // Node: parallel/test-async-local-storage-http-multiclients. Assertions: 7 there, 4 here; left
    // out: must-calls (4). Each client collects its download in its store, through a function
    // without captures.
    const CLIENTS: usize = 10;
    static DOWNLOAD: AsyncLocalStorage<RefCell<Vec<u8>>> = AsyncLocalStorage::new();
    fn on_data(chunk: &Bytes) {
        let store = DOWNLOAD.get_store().expect("a store");
        store.borrow_mut().extend_from_slice(chunk);
    }
    fn on_end() -> u8 {
        let store = DOWNLOAD.get_store().expect("a store");
        let data = store.take();
        assert_eq!(data.len(), 1 << 20);
        assert!(data.iter().all(|byte| *byte == data[0]));
        data[0]
    }
    run(async {
        let last = Cell::new(0);
        let to = start(move |_| {
            last.set(last.get() + 1);
            let digit = b'0' + (last.get() - 1) as u8 % 10;
            async move { answer(vec![digit; 1 << 20]) }
        })
        .await;
        let client = Client::new();
        let tasks: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let sent = client.request(get(&to));
                DOWNLOAD.run(RefCell::default(), || {
                    spawn(async {
                        let mut body = sent.await.expect("a response").into_body();
                        let mut chunks = 0;
                        while let Some(chunk) = body.chunk().await {
                            on_data(&chunk.expect("a chunk"));
                            chunks += 1;
                        }
                        assert!(chunks > 1, "{chunks} chunks show nothing");
                        on_end()
                    })
                })
            })
            .collect();
        let mut digits = Vec::new();
        for task in tasks {
            digits.push(task.await.expect("no panic"));
        }
        digits.sort_unstable();
        assert_eq!(digits, *b"0123456789");
    });
}

#[test]
fn test_async_local_storage_http_parser_leak() {
    // Node: parallel/test-async-local-storage-http-parser-leak. Assertions: 4 there, 2 here; left
    // out: must-calls (3). What reads responses is kept for the next one; the store of the one
    // before is not. Added: nor is that of a request that was given up.
    run(async {
        let to = start(|_| async { answer("ok") }).await;
        let (client, kept) = (Client::new(), Rc::<str>::from("kept"));
        let sent = STORE.run(kept.clone(), || client.request(get(&to)));
        finish(sent.await.expect("a response")).await;
        assert_eq!(Rc::strong_count(&kept), 1);
        drop(STORE.run(kept.clone(), || client.request(get(&to))));
        assert_eq!(Rc::strong_count(&kept), 1);
    });
}

#[test]
fn test_diagnostics_channel_http() {
    // Node: parallel/test-diagnostics-channel-http. Assertions: 16 there, 7 here (a journal); left
    // out: the classes of the objects (11), of which there are the resources.
    let journal = Journal::default();
    let client =
        [&HTTP_CLIENT_REQUEST_CREATED, &HTTP_CLIENT_REQUEST_START, &HTTP_CLIENT_RESPONSE_FINISH];
    let server =
        [&HTTP_SERVER_REQUEST_START, &HTTP_SERVER_RESPONSE_CREATED, &HTTP_SERVER_RESPONSE_FINISH];
    let note = |kind: Option<ResourceKind>, name: &str, status: Option<hyper::StatusCode>| {
        let kind = kind.map_or("-", |kind| kind.as_str());
        format!("{name}:{kind}:{}", status.map_or(0, |status| status.as_u16()))
    };
    let clients = client.map(|channel| {
        let journal = journal.clone();
        channel.subscribe(move |message, name| {
            let kind = message.resource.as_ref().map(ResourceRef::kind);
            journal.add(note(kind, name, message.status));
        })
    });
    let servers = server.map(|channel| {
        let journal = journal.clone();
        channel.subscribe(move |message, name| {
            assert!(message.socket() < message.resource.id());
            journal.add(note(Some(message.resource.kind()), name, message.status));
        })
    });
    run(async {
        let to = start(|_| async { answer("done") }).await;
        finish(Client::new().request(get(&to)).await.expect("a response")).await;
    });
    drop((clients, servers));
    let expected = "http.client.request.created:-:0 \
                    http.client.request.start:HTTPCLIENTREQUEST:0 \
                    http.server.request.start:HTTPINCOMINGMESSAGE:0 \
                    http.server.response.created:HTTPINCOMINGMESSAGE:200 \
                    http.server.response.finish:HTTPINCOMINGMESSAGE:200 \
                    http.client.response.finish:HTTPCLIENTREQUEST:200";
    assert_eq!(journal.take(), expected);
}

#[test]
fn test_diagnostics_channel_http_server_start() {
    // Node: parallel/test-diagnostics-channel-http-server-start. Assertions: 7 there, 4 here; left
    // out: must-calls (3). A comparison of four objects is one of the request.
    static MESSAGE: AsyncLocalStorage<ServerMessage> = AsyncLocalStorage::new();
    let finished = Rc::new(Cell::new(None));
    let seen = finished.clone();
    let subscriptions = [
        HTTP_SERVER_REQUEST_START.subscribe(|message, _| MESSAGE.enter_with(message.clone())),
        HTTP_SERVER_RESPONSE_FINISH.subscribe(move |message, _| {
            let store = MESSAGE.get_store().expect("the context is maintained");
            assert_eq!(store.resource.id(), message.resource.id());
            assert_eq!(store.uri, message.uri);
            assert_eq!(message.resource.id(), execution_async_id());
            seen.set(Some(message.resource.id()));
        }),
    ];
    run(async {
        let handled = Rc::new(Cell::new(None));
        let handles = handled.clone();
        let to = start(move |_| {
            handles.set(Some(execution_async_id()));
            async {
                time::sleep(ms(1)).await;
                answer("done")
            }
        })
        .await;
        finish(Client::new().request(get(&to)).await.expect("a response")).await;
        assert!(finished.get().is_some() && finished.get() == handled.get());
    });
    drop(subscriptions);
}

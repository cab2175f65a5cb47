//! HTTP: keep-alive and not, bodies read and unread, handlers that are slow or panic.

use super::fail;
use crate::world::World;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use lunation::http::{Client, Serve, serve};
use lunation::net::{TcpListener, TcpStream};
use lunation::{AbortController, AsyncLocalStorage, spawn, time, yield_now};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

static PATH: AsyncLocalStorage<String> = AsyncLocalStorage::new();

const REQUESTS: usize = 16;

type Answer = Response<Full<Bytes>>;

/// The server: an echo for POST, else what the path says.
pub fn server(
    listener: TcpListener,
) -> Serve<impl Service<Request<Incoming>, Response = Answer, Error = hyper::Error> + 'static> {
    serve(listener, service_fn(answer))
        .on_request(|parts| PATH.enter_with(parts.uri.path().to_owned()))
        .on_failure(|_| {})
}

async fn answer(request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = match path.as_str() {
        "/echo" => request.into_body().collect().await?.to_bytes(),
        "/slow" => {
            time::sleep(Duration::from_secs(5)).await;
            Bytes::new()
        }
        "/panic" => fail(),
        "/large" => vec![b'x'; 300_000].into(),
        _ => spawn(async {
            yield_now().await;
            PATH.cloned().expect("the request's path").into()
        })
        .await
        .expect("it ends"),
    };
    assert_eq!(PATH.cloned().as_ref(), Some(&path));
    Ok(Response::new(Full::new(body)))
}

fn get(server: SocketAddr, path: &str) -> Request<Full<Bytes>> {
    let request = Request::get(format!("http://{server}{path}"));
    request.body(Full::default()).expect("a valid request")
}

/// Some of them at a time, on connections that stay and on some that do not.
pub async fn requests(world: Rc<World>) {
    let single = Client::builder().keep_alive(false).build();
    let few = Client::builder().max_sockets(2).idle_timeout(Duration::from_millis(50)).build();
    let tasks: Vec<_> = (0..REQUESTS)
        .map(|n| {
            let client = [&world.client, &world.client, &single, &few][n % 4].clone();
            spawn(ask(client, world.http, n))
        })
        .collect();
    for task in tasks {
        task.await.expect("the answer is right");
    }
}

async fn ask(client: Client, server: SocketAddr, n: usize) {
    let path = format!("/{n}");
    let response = client.request(get(server, &path)).await.expect("an answer");
    assert_eq!(response.into_body().bytes().await.expect("all of it"), path);
    let sent = Bytes::from(vec![n as u8; 1000 * n]);
    let post = Request::post(format!("http://{server}/echo")).body(Full::new(sent.clone()));
    let response = client.request(post.expect("a valid request")).await.expect("an answer");
    assert_eq!(response.into_body().bytes().await.expect("all of it"), sent);
}

/// Requests that are given up, by the client or by the handler.
pub async fn broken(world: Rc<World>) {
    let client = &world.client;
    let slow = client.request(get(world.http, "/slow"));
    assert!(time::timeout(Duration::from_millis(3), slow).await.is_err());
    let failed = client.request(get(world.http, "/panic")).await.expect("an answer");
    assert_eq!(failed.status(), 500);
    drop(failed);
    let mut large = client.request(get(world.http, "/large")).await.expect("an answer");
    assert!(large.body_mut().chunk().await.is_some());
    drop(large);
    drop(client.request(get(world.http, "/never")));
    assert!(client.request(get(([127, 0, 0, 1], 1).into(), "/")).await.is_err());
    for text in ["", "GET /half HT", "nonsense\r\n\r\n", "GET /slow HTTP/1.1\r\nhost: h\r\n\r\n"] {
        let mut stream = TcpStream::connect(world.http).await.expect("the server is there");
        stream.write_all(text.as_bytes()).await.expect("it can be written");
        time::sleep(Duration::from_millis(1)).await;
        stream.set_linger(Some(Duration::ZERO)).expect("it is open");
    }
}

/// Servers that are stopped while requests run.
pub async fn servers(_: Rc<World>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let (address, stop) = (listener.local_addr().expect("it is bound"), AbortController::new());
    let signal = stop.signal();
    let stopped = async move { drop(signal.until_aborted().await) };
    let server = server(listener).with_graceful_shutdown(stopped);
    let server = spawn(server.grace_period(Duration::from_millis(20)).into_future());
    let client = Client::new();
    let slow = spawn(client.request(get(address, "/slow")));
    ask(client, address, 3).await;
    let _idle = TcpStream::connect(address).await.expect("the server is there");
    stop.abort();
    server.await.expect("it ends").expect("it was stopped");
    assert!(slow.await.expect("it ends").is_err());
}

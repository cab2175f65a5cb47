//! HTTP/1.1 servers on hyper: a greeting for GET, the request's body for POST.

use super::{monoio_runtime, tokio_runtime};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use lunation::AsyncLocalStorage;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::task::Poll;

/// A request that ends the server.
pub const END: &str = "DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n";

static REQUEST: AsyncLocalStorage<u64> = AsyncLocalStorage::new();

type Answer = Result<Response<Full<Bytes>>, hyper::Error>;

async fn answer(request: Request<Incoming>) -> Answer {
    let body = match *request.method() {
        Method::DELETE => std::process::exit(0),
        Method::POST => request.into_body().collect().await?.to_bytes(),
        _ => Bytes::from_static(b"hello, world\n"),
    };
    Ok(Response::new(Full::new(body)))
}

/// Lets the task be polled once more.
async fn once_more() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn deep(id: fn() -> u64) -> u64 {
    fn deeper(id: fn() -> u64) -> u64 {
        fn deepest(id: fn() -> u64) -> u64 {
            std::hint::black_box(id)()
        }
        std::hint::black_box(deepest as fn(fn() -> u64) -> u64)(id)
    }
    std::hint::black_box(deeper as fn(fn() -> u64) -> u64)(id)
}

async fn answer_after(request: Request<Incoming>, begin: impl Fn(), id: fn() -> u64) -> Answer {
    begin();
    if request.method() == Method::DELETE {
        std::process::exit(0);
    }
    once_more().await;
    std::hint::black_box(deep(id));
    Ok(Response::new(Full::new(Bytes::from_static(b"hello, world\n"))))
}

/// `http::serve`, with a resource for each request and its time limits.
pub fn lunation(listener: TcpListener) -> io::Result<()> {
    lunation::Runtime::new().block_on(async {
        let listener = lunation::net::TcpListener::from_std(listener)?;
        lunation::http::serve(listener, service_fn(answer)).await
    })
}

/// `http::serve` whose handler awaits something and reads a constant three calls deep.
pub fn lunation_plain(listener: TcpListener) -> io::Result<()> {
    lunation::Runtime::new().block_on(async {
        let listener = lunation::net::TcpListener::from_std(listener)?;
        let handler = service_fn(|request| answer_after(request, || (), || 1));
        lunation::http::serve(listener, handler).await
    })
}

/// The same with an id for each request in a store, which the handler sets and which is read there.
pub fn lunation_context(listener: TcpListener) -> io::Result<()> {
    thread_local!(static IDS: Cell<u64> = const { Cell::new(0) });
    let begin = || REQUEST.enter_with(IDS.replace(IDS.get() + 1));
    let read = || REQUEST.with(|id| id.copied().unwrap_or_default());
    lunation::Runtime::new().block_on(async {
        let listener = lunation::net::TcpListener::from_std(listener)?;
        let handler = service_fn(move |request| answer_after(request, begin, read));
        lunation::http::serve(listener, handler).await
    })
}

/// hyper on lunation's sockets and timer alone, without `http::serve`, with hyper's default time
/// limit for heads.
pub fn lunation_bare(listener: TcpListener) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(lunation::hyper::Timer);
    serve_on_lunation(listener, builder)
}

/// hyper on lunation as its builder is, which without a timer sets no time limits.
pub fn lunation_untimed(listener: TcpListener) -> io::Result<()> {
    serve_on_lunation(listener, http1::Builder::new())
}

fn serve_on_lunation(listener: TcpListener, builder: http1::Builder) -> io::Result<()> {
    lunation::Runtime::new().block_on(async {
        let listener = lunation::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection = builder.serve_connection(stream, service_fn(answer));
            lunation::spawn_detached(async move {
                // A client that breaks off is no concern of the benchmark.
                let _ = connection.await;
            });
        }
    })
}

/// hyper on tokio, with hyper's default time limit for heads.
pub fn tokio(listener: TcpListener) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(hyper_util::rt::TokioTimer::new());
    serve_on_tokio(listener, builder)
}

/// hyper on tokio as its builder is.
pub fn tokio_untimed(listener: TcpListener) -> io::Result<()> {
    serve_on_tokio(listener, http1::Builder::new())
}

fn serve_on_tokio(listener: TcpListener, builder: http1::Builder) -> io::Result<()> {
    let local = ::tokio::task::LocalSet::new();
    local.block_on(&tokio_runtime(), async {
        let listener = ::tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let stream = hyper_util::rt::TokioIo::new(stream);
            let connection = builder.serve_connection(stream, service_fn(answer));
            ::tokio::task::spawn_local(async move {
                let _ = connection.await;
            });
        }
    })
}

/// hyper on monoio, with hyper's default time limit for heads.
pub fn monoio(listener: TcpListener) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(monoio_compat::hyper::MonoioTimer);
    serve_on_monoio(listener, builder)
}

/// hyper on monoio as its builder is.
pub fn monoio_untimed(listener: TcpListener) -> io::Result<()> {
    serve_on_monoio(listener, http1::Builder::new())
}

fn serve_on_monoio(listener: TcpListener, builder: http1::Builder) -> io::Result<()> {
    use ::monoio::io::IntoPollIo;
    let mut runtime = monoio_runtime();
    runtime.block_on(async {
        let listener = ::monoio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let stream = monoio_compat::hyper::MonoioIo::new(stream.into_poll_io()?);
            let connection = builder.serve_connection(stream, service_fn(answer));
            drop(::monoio::spawn(async move {
                let _ = connection.await;
            }));
        }
    })
}

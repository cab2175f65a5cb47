//! An HTTP/1.1 server whose requests know who they are, without being told.
//!
//! ```text
//! cargo run --release --example http_echo -- --port 8080
//!
//! GET  /            hello
//! POST /echo        the body it was sent, at most 1 MiB
//! GET  /sleep/{ms}  answers after that time, at most a minute
//! GET  /whoami      the request's id, as four places of the code see it
//! GET  /panic       panics; the answer is 500 and the server goes on
//! ```
//!
//! The id of a request is set once, before its handler runs. Everything that the request calls,
//! awaits, spawns or schedules reads it from [`REQUEST`]: above all the log.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use lunation::net::TcpListener;
use lunation::{AsyncLocalStorage, Completion, http, set_timeout, signal, spawn, time};

/// The id of the running request.
static REQUEST: AsyncLocalStorage<u64> = AsyncLocalStorage::new();

/// Set if nothing is to be logged: all requests start from the context of the server's creation.
static QUIET: AsyncLocalStorage<()> = AsyncLocalStorage::new();

const LARGEST_BODY: usize = 1 << 20;
const LONGEST_SLEEP_MS: u64 = 60_000;

/// An HTTP/1.1 server on lunation's loop.
#[derive(Debug, Parser)]
struct Args {
    /// The port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Write no log.
    #[arg(long)]
    quiet: bool,
}

#[lunation::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "http_echo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    // From here on Ctrl-C is ours; so it is when the address is printed.
    let interrupt = signal::ctrl_c();
    let stop = async {
        if let Err(error) = interrupt.await {
            log(format_args!("Ctrl-C will not stop gracefully: {error}"));
            std::future::pending::<()>().await;
        }
        log("stopping");
    };
    let _ = writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?);

    let _quiet = args.quiet.then(|| QUIET.enter(()));
    let last_id = Cell::new(0);
    http::serve(listener, service_fn(handle))
        .on_request(move |parts| {
            last_id.set(last_id.get() + 1);
            REQUEST.enter_with(last_id.get());
            log(format_args!("{} {}", parts.method, parts.uri));
        })
        .on_failure(|failure| log(failure))
        .with_graceful_shutdown(stop)
        .await
}

/// One request. Nothing in its arguments says which.
async fn handle(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = match route(request).await {
        Ok(body) => Response::new(Full::new(body)),
        Err(failure) => failure.into_response(),
    };
    log(response.status());
    Ok(response)
}

async fn route(request: Request<Incoming>) -> Result<Bytes, Failure> {
    let (parts, body) = request.into_parts();
    let (path, method) = (parts.uri.path(), &parts.method);
    let sleep_ms = path.strip_prefix("/sleep/");
    match path {
        "/echo" => require(method, Method::POST)?,
        "/" | "/whoami" | "/panic" => require(method, Method::GET)?,
        _ if sleep_ms.is_some() => require(method, Method::GET)?,
        _ => return Err(Failure::Status(StatusCode::NOT_FOUND)),
    }
    match (path, sleep_ms) {
        (_, Some(ms)) => sleep(ms).await,
        ("/echo", _) => read(body).await,
        ("/whoami", _) => whoami().await,
        ("/panic", _) => panic!("asked to"),
        _ => Ok("hello".into()),
    }
}

async fn sleep(ms: &str) -> Result<Bytes, Failure> {
    let ms = ms.parse().ok().filter(|ms| *ms <= LONGEST_SLEEP_MS);
    let ms = ms.ok_or(Failure::Status(StatusCode::BAD_REQUEST))?;
    time::sleep(Duration::from_millis(ms)).await;
    Ok(format!("slept {ms} ms").into())
}

async fn read(body: Incoming) -> Result<Bytes, Failure> {
    // A body that says how long it is need not be read to be refused.
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(Failure::Status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Failure::Status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Err(_) => Err(Failure::Status(StatusCode::BAD_REQUEST)),
    }
}

// ---- who am I ----

async fn whoami() -> Result<Bytes, Failure> {
    let deep = first_call();
    time::sleep(Duration::from_millis(1)).await;
    let after_await = REQUEST.cloned();
    let in_task = spawn(async { REQUEST.cloned() }).await.ok().flatten();
    let (fired, completer) = Completion::new("WHOAMI".into());
    set_timeout(Duration::from_millis(1), move || completer.complete(REQUEST.cloned()));
    let in_timer = fired.await.ok().flatten();

    let seen = [deep, after_await, in_task, in_timer];
    match deep {
        Some(id) if seen == [deep; 4] => Ok(id.to_string().into()),
        _ => {
            log(format_args!("the places disagree: {seen:?}"));
            Err(Failure::Status(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

fn first_call() -> Option<u64> {
    second_call()
}

fn second_call() -> Option<u64> {
    third_call()
}

fn third_call() -> Option<u64> {
    REQUEST.cloned()
}

// ---- failures and the log ----

enum Failure {
    Status(StatusCode),
    Method(Method),
}

fn require(method: &Method, allowed: Method) -> Result<(), Failure> {
    // Hyper leaves out the body of an answer to HEAD.
    let allows = *method == allowed || (*method == Method::HEAD && allowed == Method::GET);
    if allows { Ok(()) } else { Err(Failure::Method(allowed)) }
}

impl Failure {
    fn into_response(self) -> Response<Full<Bytes>> {
        let (status, allowed) = match self {
            Failure::Status(status) => (status, None),
            Failure::Method(allowed) => (StatusCode::METHOD_NOT_ALLOWED, Some(allowed)),
        };
        let mut response = Response::new(Full::new(format!("{status}\n").into()));
        *response.status_mut() = status;
        if let Some(value) = allowed.and_then(|method| HeaderValue::from_str(method.as_str()).ok())
        {
            response.headers_mut().insert(ALLOW, value);
        }
        response
    }
}

/// One line, stamped with the running request's id.
fn log(what: impl Display) {
    if QUIET.get_store().is_some() {
        return;
    }
    // A server must not die of a closed stdout.
    let _ = match REQUEST.cloned() {
        Some(id) => writeln!(io::stdout(), "[{id}] {what}"),
        None => writeln!(io::stdout(), "[-] {what}"),
    };
}

//! A chain of middleware: the first sets the trace id, and every later one sees it, before and
//! after its awaits. Each returns what the next one returned.
//!
//! ```text
//! a1: GET /cats
//! b2: GET /dogs
//! a1: found cats
//! a1: took 7 bytes
//! b2: found dogs
//! b2: took 7 bytes
//! -: <cats/>
//! -: <dogs/>
//! ```

use lunation::{AsyncLocalStorage, immediate, spawn};

static TRACE_ID: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

fn log(message: &str) {
    println!("{}: {message}", TRACE_ID.cloned().unwrap_or("-"));
}

/// The first stage.
async fn trace<R>(id: &'static str, next: impl Future<Output = R>) -> R {
    TRACE_ID.scope(id, next).await
}

/// The second stage.
async fn logged(path: &'static str, next: impl Future<Output = String>) -> String {
    log(&format!("GET {path}"));
    let body = next.await;
    log(&format!("took {} bytes", body.len()));
    body
}

/// The last stage.
async fn find(path: &'static str) -> String {
    immediate().await;
    let name = path.trim_start_matches('/');
    log(&format!("found {name}"));
    format!("<{name}/>")
}

async fn handle(id: &'static str, path: &'static str) -> String {
    trace(id, logged(path, find(path))).await
}

#[lunation::main]
pub(crate) async fn main() {
    let requests = [spawn(handle("a1", "/cats")), spawn(handle("b2", "/dogs"))];
    let mut bodies = Vec::new();
    for request in requests {
        bodies.push(request.await.expect("no stage panics"));
    }
    for body in bodies {
        log(&body);
    }
}

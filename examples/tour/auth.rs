//! Authentication in a chain of middleware: the context begins when the user is known. Without a
//! token nobody is authenticated, and the next stage is told why.
//!
//! ```text
//! 200 profile of ann, audited as ann
//! 401 missing token, audited as -
//! 401 unknown token, audited as -
//! ```

use lunation::{AsyncLocalStorage, immediate};

static USER: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

fn user() -> &'static str {
    USER.cloned().unwrap_or("-")
}

/// A lookup that takes a turn of the loop.
async fn authenticate(token: &str) -> Result<&'static str, &'static str> {
    immediate().await;
    if token == "t1" { Ok("ann") } else { Err("unknown token") }
}

/// The first stage: `next` runs as the user, or with the error and as nobody.
async fn auth<R>(token: Option<&str>, next: impl AsyncFnOnce(Result<(), &'static str>) -> R) -> R {
    let user = match token {
        Some(token) => authenticate(token).await,
        None => Err("missing token"),
    };
    match user {
        Ok(user) => USER.scope(user, next(Ok(()))).await,
        Err(error) => next(Err(error)).await,
    }
}

/// The second stage: adds who it was.
async fn audit(next: impl Future<Output = String>) -> String {
    let answer = next.await;
    format!("{answer}, audited as {}", user())
}

/// The last stage.
async fn profile(authenticated: Result<(), &'static str>) -> String {
    immediate().await;
    match authenticated {
        Ok(()) => format!("200 profile of {}", user()),
        Err(error) => format!("401 {error}"),
    }
}

#[lunation::main]
pub(crate) async fn main() {
    for token in [Some("t1"), None, Some("t2")] {
        println!("{}", auth(token, async |result| audit(profile(result)).await).await);
    }
}

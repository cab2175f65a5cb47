//! Panics in every part of a request: the server goes on.

use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use lunation::http::Failure;
use lunation::time;

use crate::client::{Client, reply};
use crate::support::{Answer, Journal, REQUEST, run, start, stream, text};

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("the drop panics");
    }
}

/// Panics where the path says.
fn handler(journal: Journal) -> impl Fn(Request<Incoming>) -> FutureAnswer {
    move |request| {
        let journal = journal.clone();
        let path = request.uri().path().to_owned();
        assert_ne!(path, "/call", "the call panics");
        Box::pin(async move {
            let on_drop = (path == "/drop").then(|| PanicsOnDrop);
            time::sleep(Duration::from_millis(1)).await;
            // Not at the end of the scope: the compiler would leak the answer made before.
            drop(on_drop);
            match path.as_str() {
                "/future" => panic!("the future panics"),
                "/body" => stream(&["a"], &journal, true),
                _ => text("ok"),
            }
        })
    }
}

type FutureAnswer = std::pin::Pin<Box<dyn Future<Output = Answer>>>;

#[test]
fn panics_are_answered_and_told_in_the_request() {
    run(async {
        let journal = Journal::default();
        let told = journal.clone();
        let server = start(handler(journal.clone()), |server| {
            server.on_failure(move |failure| {
                if let Failure::Panic(_) = failure {
                    let text = failure.to_string();
                    let text = text.split(':').nth(1).unwrap_or_default().trim();
                    told.note(text.trim_start_matches("assertion `left != right` failed"));
                }
            })
        })
        .await;
        let mut client = Client::connect(server.address).await;
        for path in ["/call", "/future", "/drop"] {
            assert_eq!(client.get(path).await, reply(500, ""), "{path}");
        }
        assert_eq!(client.get("/").await, reply(200, "ok"));
        let told = journal.take();
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[1..], ["the future panics: Some(2)", "the drop panics: Some(3)"]);
        assert!(told[0].ends_with(": Some(1)"), "{told:?}");
    });
}

#[test]
fn a_panicking_body_ends_its_connection_only() {
    run(async {
        let journal = Journal::default();
        let server = start(handler(journal.clone()), |server| server).await;
        let mut other = Client::connect(server.address).await;
        assert_eq!(other.get("/").await, reply(200, "ok"));
        let mut client = Client::connect(server.address).await;
        client.send(&crate::client::get("/body")).await;
        assert_eq!(client.try_reply().await, None);
        let expected = ["body: Some(2)", "body: Some(2)", "drop of body: Some(2)"];
        assert_eq!(journal.take(), expected);
        assert_eq!(other.get("/").await, reply(200, "ok"));
    });
}

#[test]
fn a_panic_of_on_request_is_answered() {
    run(async {
        let server = start(
            |_| async { text("ok") },
            |server| {
                server.on_request(|parts| {
                    REQUEST.enter_with(7);
                    assert_ne!(parts.uri.path(), "/panic");
                })
            },
        )
        .await;
        let mut client = Client::connect(server.address).await;
        assert_eq!(client.get("/panic").await, reply(500, ""));
        assert_eq!(client.get("/").await, reply(200, "ok"));
    });
}

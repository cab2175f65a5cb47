//! The graceful stop, and the one that is not.

use std::future::Future;
use std::pin::Pin;

use hyper::Request;
use hyper::body::Incoming;
use lunation::net::TcpStream;
use lunation::{http, spawn};

use crate::client::{Client, get, reply};
use crate::support::{Answer, Flag, Journal, LONG, Noted, SHORT, listen, run, text};

type Handled = Pin<Box<dyn Future<Output = Answer>>>;

/// Answers `/slow` once it may.
fn handler(journal: &Journal, may: &Flag) -> impl Fn(Request<Incoming>) -> Handled + use<> {
    let (journal, may) = (journal.clone(), may.clone());
    move |request| {
        let (journal, may) = (journal.clone(), may.clone());
        Box::pin(async move {
            let _dropped = Noted(journal.clone(), "future");
            if request.uri().path() == "/slow" {
                journal.note("begun");
                may.wait().await;
            }
            text("ok")
        })
    }
}

#[test]
fn running_requests_finish() {
    run(async {
        let (listener, address) = listen().await;
        let (journal, may, stop) = (Journal::default(), Flag::default(), Flag::default());
        let service = hyper::service::service_fn(handler(&journal, &may));
        let server = http::serve(listener, service).with_graceful_shutdown(stop.clone().wait());
        let server = spawn(server.grace_period(LONG).into_future());

        let mut slow = Client::connect(address).await;
        slow.send(&get("/slow").repeat(2)).await;
        journal.expect(&["begun: None"]).await;
        let mut fresh = Client::connect(address).await;
        let mut partial = Client::connect(address).await;
        partial.send("GET / HT").await;
        let mut idle = Client::connect(address).await;
        assert_eq!(idle.get("/").await, reply(200, "ok"));
        journal.expect(&["drop of future: None"]).await;

        stop.set();
        for waiting in [&mut idle, &mut fresh, &mut partial] {
            assert_eq!(waiting.try_reply().await, None);
        }
        assert!(TcpStream::connect(address).await.is_err());
        assert!(!server.is_finished());
        may.set();
        assert_eq!(slow.reply().await, reply(200, "ok"));
        // The second had not begun.
        assert_eq!(slow.try_reply().await, None);
        server.await.expect("no panic").expect("it stops");
        assert_eq!(journal.take(), ["drop of future: None"]);
    });
}

#[test]
fn the_grace_period_ends_the_rest() {
    run(async {
        let (listener, address) = listen().await;
        let (journal, never, stop) = (Journal::default(), Flag::default(), Flag::default());
        let service = hyper::service::service_fn(handler(&journal, &never));
        let server = http::serve(listener, service)
            .with_graceful_shutdown(stop.clone().wait())
            .grace_period(SHORT);
        let server = spawn(server.into_future());
        let mut client = Client::connect(address).await;
        client.send(&get("/slow")).await;
        journal.expect(&["begun: None"]).await;
        stop.set();
        server.await.expect("no panic").expect("it stops");
        assert_eq!(journal.take(), ["drop of future: None"]);
        assert!(client.is_closed().await);
    });
}

#[test]
fn a_dropped_server_takes_its_connections_with_it() {
    run(async {
        let (listener, address) = listen().await;
        let (journal, never) = (Journal::default(), Flag::default());
        let service = hyper::service::service_fn(handler(&journal, &never));
        let server = spawn(http::serve(listener, service).into_future());
        let mut client = Client::connect(address).await;
        client.send(&get("/slow")).await;
        journal.expect(&["begun: None"]).await;
        server.abort();
        assert!(client.is_closed().await);
        journal.expect(&["drop of future: None"]).await;
        assert!(TcpStream::connect(address).await.is_err());
    });
}

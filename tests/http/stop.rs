//! The graceful stop, and the one that is not.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use lunation::net::TcpStream;
use lunation::{http, spawn, time};

use crate::client::{Client, get, reply};
use crate::support::{Answer, Journal, LONG, Noted, listen, run, text};

type Handled = Pin<Box<dyn Future<Output = Answer>>>;

/// Answers `/slow` after a while, `/never` never.
fn handler(journal: &Journal) -> impl Fn(Request<Incoming>) -> Handled + use<> {
    let journal = journal.clone();
    move |request| {
        let journal = journal.clone();
        Box::pin(async move {
            let _dropped = Noted(journal, "future");
            match request.uri().path() {
                "/slow" => time::sleep(Duration::from_millis(100)).await,
                "/never" => time::sleep(LONG).await,
                _ => {}
            }
            text("ok")
        })
    }
}

#[test]
fn running_requests_finish() {
    run(async {
        let (listener, address) = listen().await;
        let journal = Journal::default();
        let service = hyper::service::service_fn(handler(&journal));
        let stop = time::sleep(Duration::from_millis(50));
        let server = http::serve(listener, service).with_graceful_shutdown(stop);
        let server = spawn(server.into_future());

        let mut slow = Client::connect(address).await;
        slow.send(&get("/slow").repeat(2)).await;
        let mut fresh = Client::connect(address).await;
        let mut partial = Client::connect(address).await;
        partial.send("GET / HT").await;
        let mut idle = Client::connect(address).await;
        assert_eq!(idle.get("/").await, reply(200, "ok"));

        for waiting in [&mut idle, &mut fresh, &mut partial] {
            assert_eq!(waiting.try_reply().await, None);
        }
        assert!(TcpStream::connect(address).await.is_err());
        assert_eq!(slow.reply().await, reply(200, "ok"));
        // The second had not begun.
        assert_eq!(slow.try_reply().await, None);
        server.await.expect("no panic").expect("it stops");
        assert_eq!(journal.take().len(), 2);
    });
}

#[test]
fn the_grace_period_ends_the_rest() {
    run(async {
        let (listener, address) = listen().await;
        let journal = Journal::default();
        let service = hyper::service::service_fn(handler(&journal));
        let server = http::serve(listener, service)
            .with_graceful_shutdown(time::sleep(Duration::from_millis(50)))
            .grace_period(Duration::from_millis(20));
        let server = spawn(server.into_future());
        let mut client = Client::connect(address).await;
        client.send(&get("/never")).await;
        server.await.expect("no panic").expect("it stops");
        assert_eq!(journal.take(), ["drop of future: None"]);
        assert!(client.is_closed().await);
    });
}

#[test]
fn a_dropped_server_takes_its_connections_with_it() {
    run(async {
        let (listener, address) = listen().await;
        let journal = Journal::default();
        let service = hyper::service::service_fn(handler(&journal));
        let server = spawn(http::serve(listener, service).into_future());
        let mut client = Client::connect(address).await;
        client.send(&get("/never")).await;
        time::sleep(Duration::from_millis(20)).await;
        server.abort();
        assert!(client.is_closed().await);
        assert_eq!(journal.take(), ["drop of future: None"]);
        assert!(TcpStream::connect(address).await.is_err());
    });
}

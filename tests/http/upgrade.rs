//! A connection that becomes another protocol's.

use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::rt::{Read, ReadBuf, Write};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use lunation::spawn;

use crate::client::Client;
use crate::support::{Answer, Journal, REQUEST, Started, run, start, text};

/// Sends back what comes, once, and with it the request that has asked for the upgrade.
async fn echo(request: Request<Incoming>) {
    let mut connection = hyper::upgrade::on(request).await.expect("an upgrade");
    let answer = format!("{} of {:?}\r\n\r\n", read(&mut connection).await, REQUEST.cloned());
    let sent = poll_fn(|cx| Pin::new(&mut connection).poll_write(cx, answer.as_bytes())).await;
    assert_eq!(sent.expect("it writes"), answer.len());
}

/// Ends its side after the first bytes that come, and tells what comes then.
async fn half_close(request: Request<Incoming>, journal: Journal) {
    let mut connection = hyper::upgrade::on(request).await.expect("an upgrade");
    journal.note(&read(&mut connection).await);
    poll_fn(|cx| Pin::new(&mut connection).poll_shutdown(cx)).await.expect("it ends");
    journal.note(&read(&mut connection).await);
}

/// What comes next.
async fn read(connection: &mut Upgraded) -> String {
    let mut chunk = [0; 100];
    let mut buffer = ReadBuf::new(&mut chunk);
    let read = poll_fn(|cx| Pin::new(&mut *connection).poll_read(cx, buffer.unfilled())).await;
    read.expect("bytes");
    String::from_utf8(buffer.filled().to_vec()).expect("the tests send text")
}

/// The answer that ends the connection's HTTP.
fn switch() -> Answer {
    let mut response = text("")?;
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
    Ok(response)
}

/// A connection that has changed its protocol.
async fn upgrade(server: Started) -> Client {
    let mut client = Client::connect(server.address).await;
    client.send("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    assert!(client.line_block().await.expect("a head").starts_with("HTTP/1.1 101 "));
    client
}

#[test]
fn an_upgraded_connection_is_the_handlers() {
    run(async {
        let handler = async |request| {
            drop(spawn(echo(request)));
            switch()
        };
        let mut client = upgrade(start(handler, |server| server).await).await;
        client.send("moon").await;
        assert_eq!(client.line_block().await.expect("an answer"), "moon of Some(1)");
        assert!(client.is_closed().await);
    });
}

#[test]
fn an_upgraded_connection_reads_on_after_it_has_ended_its_side() {
    run(async {
        let journal = Journal::default();
        let noted = journal.clone();
        let handler = move |request| {
            drop(spawn(half_close(request, noted.clone())));
            async { switch() }
        };
        let mut client = upgrade(start(handler, |server| server).await).await;
        client.send("a").await;
        assert!(client.is_closed().await);
        client.send("b").await;
        client.finish().await;
        journal.expect(&["a: Some(1)", "b: Some(1)"]).await;
    });
}

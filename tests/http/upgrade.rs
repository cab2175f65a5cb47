//! A connection that becomes another protocol's.

use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::rt::{Read, ReadBuf, Write};
use hyper::{Request, StatusCode};
use lunation::spawn;

use crate::client::Client;
use crate::support::{Answer, REQUEST, run, start, text};

/// Sends back what comes, once, and with it the request that has asked for the upgrade.
async fn echo(request: Request<Incoming>) {
    let mut connection = hyper::upgrade::on(request).await.expect("an upgrade");
    let mut chunk = [0; 100];
    let mut buffer = ReadBuf::new(&mut chunk);
    poll_fn(|cx| Pin::new(&mut connection).poll_read(cx, buffer.unfilled())).await.expect("bytes");
    let mut answer = buffer.filled().to_vec();
    answer.extend_from_slice(format!(" of {:?}\r\n\r\n", REQUEST.cloned()).as_bytes());
    let sent = poll_fn(|cx| Pin::new(&mut connection).poll_write(cx, &answer)).await;
    assert_eq!(sent.expect("it writes"), answer.len());
}

async fn handler(request: Request<Incoming>) -> Answer {
    drop(spawn(echo(request)));
    let mut response = text("")?;
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
    Ok(response)
}

#[test]
fn an_upgraded_connection_is_the_handlers() {
    run(async {
        let server = start(handler, |server| server).await;
        let mut client = Client::connect(server.address).await;
        client.send("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
        assert!(client.line_block().await.expect("a head").starts_with("HTTP/1.1 101 "));
        client.send("moon").await;
        assert_eq!(client.line_block().await.expect("an answer"), "moon of Some(1)");
        assert!(client.is_closed().await);
    });
}

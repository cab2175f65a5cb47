//! What is not a proper request, or does not come in time.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use lunation::http::Serve;
use lunation::{spawn, time};

use crate::client::{Client, get, post, reply};
use crate::support::{Answer, LONG, SHORT, Started, run, start, text};

/// Reads the body of a POST to `/read`, and of no other.
async fn handler(request: Request<Incoming>) -> Answer {
    if request.uri().path() == "/read" {
        request.into_body().collect().await.expect("a whole body");
    }
    text("ok")
}

/// A server with limits for heads and for idle connections.
async fn server(header: Duration, idle: Duration) -> Started {
    start(handler, |server| server.header_timeout(header).idle_timeout(idle)).await
}

#[test]
fn malformed_requests_are_answered() {
    run(async {
        let server = server(LONG, LONG).await;
        for bad in ["nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n"] {
            let mut client = Client::connect(server.address).await;
            client.send(bad).await;
            assert_eq!(client.reply().await, reply(400, ""), "{bad:?}");
            assert!(client.is_closed().await, "{bad:?}");
        }
        let mut client = Client::connect(server.address).await;
        let cookie = format!("Cookie: {}\r\n", "x".repeat(1000));
        client.send(&format!("GET / HTTP/1.1\r\n{}\r\n", cookie.repeat(1000))).await;
        assert_eq!(client.reply().await.status, 431);
    });
}

#[test]
fn a_slow_head_ends_the_connection() {
    run(async {
        let server = server(SHORT, LONG).await;
        // The first request of a connection, a later one, one in the same segment as another, one
        // whose head's last byte is missing, and one that comes while another runs.
        let starts = [
            vec!["GET / HT"],
            vec!["G"],
            vec!["GET / HTTP/1.1\r\nHost: test\r\n\r"],
            vec!["GET / HTTP/1.1\r\n\r\n", "GET / HT"],
            vec!["GET / HTTP/1.1\r\n\r\nGET / HT"],
            vec!["GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET"],
            vec!["POST /read HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "GET / HT"],
        ];
        for start in starts {
            let mut client = Client::connect(server.address).await;
            for part in &start {
                client.send(part).await;
                time::sleep(SHORT / 6).await;
            }
            let requests = start.concat().matches("\r\n\r\n").count();
            for _ in 0..requests {
                assert_eq!(client.reply().await, reply(200, "ok"), "{start:?}");
            }
            assert!(client.is_closed().await, "{start:?}");
        }
    });
}

#[test]
fn single_bytes_do_not_keep_a_head_alive() {
    run(async {
        let server = server(SHORT, LONG).await;
        // Within a head, and where empty lines may stand before one.
        for (start, next) in [("GET / HTTP/1.1\r\nX: ", ["x", "x"]), ("", ["\r", "\n"])] {
            let mut client = Client::connect(server.address).await;
            client.send(start).await;
            let mut sent = 0;
            while client.try_send(next[sent % 2]).await.is_ok() {
                sent += 1;
                assert!(sent < 1000, "the connection is still open");
                time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
}

#[test]
fn idle_connections_have_a_limit_of_their_own() {
    run(async {
        let patient = server(SHORT, LONG).await;
        let mut client = Client::connect(patient.address).await;
        for part in [get("/"), post("/read", "x"), get("/")] {
            time::sleep(SHORT * 3).await;
            client.send(&part).await;
            assert_eq!(client.reply().await, reply(200, "ok"), "{part:?}");
        }

        let impatient = server(LONG, SHORT).await;
        for requests in 0..3 {
            let mut client = Client::connect(impatient.address).await;
            for _ in 0..requests {
                assert_eq!(client.get("/").await, reply(200, "ok"));
            }
            assert!(client.is_closed().await);
        }
    });
}

#[test]
fn the_idle_limit_counts_again_after_a_head_that_was_slow() {
    run(async {
        let server = server(LONG, SHORT).await;
        let mut client = Client::connect(server.address).await;
        client.send("GET / HTTP/1.1\r\n").await;
        time::sleep(SHORT * 3).await;
        client.send("\r\n").await;
        assert_eq!(client.reply().await, reply(200, "ok"));
        assert!(client.is_closed().await);
    });
}

#[test]
fn what_is_left_of_a_body_after_the_response_counts_as_a_head() {
    async fn early(request: Request<Incoming>) -> Answer {
        drop(spawn(request.into_body().collect()));
        text("ok")
    }
    run(async {
        let limits = |server: Serve<_>| server.header_timeout(SHORT).idle_timeout(LONG);
        let server = start(early, limits).await;
        let begin = "POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\n";
        // The rest comes in time, and with it the next request; then it does not.
        let mut client = Client::connect(server.address).await;
        client.send(&format!("{begin}{}", "x".repeat(10))).await;
        assert_eq!(client.reply().await, reply(200, "ok"));
        client.send(&format!("{}{begin}y", "x".repeat(10))).await;
        assert_eq!(client.reply().await, reply(200, "ok"));
        client.send("y").await;
        assert!(client.is_closed().await);
    });
}

#[test]
fn a_slow_body_is_no_slow_head() {
    run(async {
        let server = server(SHORT, SHORT).await;
        let mut client = Client::connect(server.address).await;
        client.send("POST /read HTTP/1.1\r\nContent-Length: 2\r\n\r\nx").await;
        time::sleep(SHORT * 3).await;
        client.send("y").await;
        assert_eq!(client.reply().await, reply(200, "ok"));
    });
}

#[test]
fn an_answer_reaches_a_client_that_is_still_sending() {
    run(async {
        let server = server(LONG, LONG).await;
        let mut client = Client::connect(server.address).await;
        // More than the buffers between the two hold: it can end only if the server reads it.
        client.send(&post("/refused", &"x".repeat(32 << 20))).await;
        assert_eq!(client.reply().await, reply(200, "ok"));
        assert!(client.is_closed().await);
    });
}

//! Looking up host names.

use crate::support::Journal;
use lunation::net::{TcpListener, TcpStream, lookup_host};
use lunation::{AsyncHooks, AsyncId, ResourceKind, ResourceRef, Runtime, create_hook};
use std::error::Error;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};

struct Kinds(Journal);

impl AsyncHooks for Kinds {
    fn init(&self, _: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.0.add(kind);
    }
}

#[test]
fn a_literal_address_needs_no_resource() {
    let journal = Journal::default();
    let hook = create_hook(Kinds(journal.clone()));
    hook.enable();
    let found = Runtime::new().block_on(async {
        let mut found = lookup_host("127.0.0.1:80").await?;
        found.extend(lookup_host(String::from("[::1]:81")).await?);
        found.extend(lookup_host(("10.0.0.1", 82)).await?);
        found.extend(lookup_host((String::from("::1"), 83)).await?);
        found.extend(lookup_host(SocketAddr::from((Ipv6Addr::LOCALHOST, 84))).await?);
        Ok::<_, io::Error>(found.iter().map(SocketAddr::to_string).collect::<Vec<_>>())
    });
    hook.disable();
    let expected = ["127.0.0.1:80", "[::1]:81", "10.0.0.1:82", "[::1]:83", "[::1]:84"];
    assert_eq!(
        (found.expect("addresses"), journal.take()),
        (expected.map(String::from).into(), String::new())
    );
}

#[test]
fn a_name_is_one_request_and_can_be_connected_to() {
    let journal = Journal::default();
    let hook = create_hook(Kinds(journal.clone()));
    Runtime::new().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        hook.enable();
        let found = lookup_host(("localhost", port)).await.expect("every host has it");
        hook.disable();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == port));
        let stream = TcpStream::connect(&found[..]).await.expect("it listens");
        assert_eq!(stream.peer_addr().expect("connected").port(), port);
    });
    assert_eq!(journal.take(), "GETADDRINFOREQWRAP");
}

#[test]
fn errors_name_the_host_and_the_loop_goes_on() {
    Runtime::new().block_on(async {
        for (host, text) in [
            ("localhost", "lookup localhost: no port"),
            ("localhost:http", "lookup localhost:http: invalid port"),
            ("localhost:65536", "lookup localhost:65536: invalid port"),
            ("", "lookup : no port"),
        ] {
            let error = lookup_host(host).await.expect_err(host);
            assert_eq!(
                (error.kind(), error.to_string()),
                (io::ErrorKind::InvalidInput, text.into())
            );
        }
        let nul = lookup_host("a\0b:1").await.expect_err("no such name");
        assert_eq!(nul.kind(), io::ErrorKind::InvalidInput);
        // RFC 6761: `.invalid` never exists.
        let error = lookup_host("lunation.invalid:80").await.expect_err("no such host");
        assert!(error.to_string().starts_with("lookup lunation.invalid:80: "), "{error}");
        let source = error.get_ref().and_then(Error::source).expect("the system's error");
        assert!(source.is::<io::Error>());
        assert!(lookup_host("localhost:1").await.is_ok());
    });
}

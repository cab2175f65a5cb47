//! Node's tests of what the thread pool does: files and look-ups.

use super::activity::Activities;
use super::support::async_script;
use lunation::net::lookup_host;
use lunation::{AsyncId, fs};
use std::future::Future;

/// Runs `main`, in which one request of `kind` is made by the root; it is told whether the
/// request is over.
fn one_request<F: Future>(kind: &'static str, request: impl FnOnce() -> F) {
    let seen = Activities::enabled();
    async_script(async {
        let request = request();
        request.await;
        assert_eq!(seen.of(kind).len(), 1);
        assert_eq!(seen.nth(kind, 0).trigger, AsyncId::ROOT);
        assert_eq!(seen.counts(kind, 0)[..3], [1, 1, 1]);
    });
    seen.disable();
    assert_eq!(seen.counts(kind, 0), [1, 1, 1, 1, 0]);
}

#[test]
fn test_fsreqcallback_access() {
    // Node: async-hooks/test-fsreqcallback-access. Assertions: 6 there, 5 here; left out: kind and
    // an id that is a number (2: types). DIFFERENCE: who waits goes on after the request's
    // `after`. Added: the trigger.
    one_request("FSREQCALLBACK", || async {
        assert!(fs::exists("Cargo.toml").await.expect("no error"));
    });
}

#[test]
fn test_fsreqcallback_read_file() {
    // Node: async-hooks/test-fsreqcallback-readFile. Assertions: 9 there, 5 here; left out: kind
    // and an id that is a number (2: types), the requests before the last (3). DIFFERENCE: reading
    // a whole file is one request, as in Node 26, where 25 chains four; who waits goes on after
    // its `after`.
    one_request("FSREQCALLBACK", || async {
        assert!(!fs::read("Cargo.toml").await.expect("no error").is_empty());
    });
}

#[test]
fn test_graph_fsreq_read_file() {
    // Node: async-hooks/test-graph.fsreq-readFile. Assertions: 2 there, 3 here; left out: none.
    // DIFFERENCE: one request each, as in Node 26, where 25 chains four. Added: a second file,
    // which the root reads too: it is no child of the first.
    let seen = Activities::enabled();
    async_script(async {
        let (first, second) = (fs::read("Cargo.toml").await, fs::read("Cargo.toml").await);
        assert_eq!(first.expect("no error"), second.expect("no error"));
    });
    seen.disable();
    assert_eq!(seen.graph(&["FSREQCALLBACK"]), "1:FSREQCALLBACK 2:FSREQCALLBACK");
}

#[test]
fn test_getaddrinforeqwrap() {
    // Node: async-hooks/test-getaddrinforeqwrap. Assertions: 7 there, 5 here; left out: kind and
    // an id that is a number (2: types). DIFFERENCE: who waits goes on after the request's
    // `after`. A name that never exists needs no network.
    one_request("GETADDRINFOREQWRAP", || async {
        assert!(lookup_host("lunation.invalid:80").await.is_err());
    });
}

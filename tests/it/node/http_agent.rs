//! Node's tests of the agent that keeps a client's sockets, and of the graph of an exchange.

use super::activity::Activities;
use super::http::{answer, echo_nothing, finish, get, post, run, socket, start};
use lunation::http::Client;
use lunation::{AsyncHooks, AsyncId, create_hook, spawn};
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn test_graph_http() {
    // Node: async-hooks/test-graph.http. Assertions: 5 there, 7 here (a graph of 8 nodes); left
    // out: must-calls (4), Timeout, which is no resource here, and SHUTDOWNWRAP: the end comes with
    // the test's. DIFFERENCE: there is no callback of listening that the client could be triggered
    // by: it is by who asks.
    let seen = Activities::enabled();
    run(async {
        let to = start(|_| async { answer("") }).await;
        finish(Client::new().request(get(&to)).await.expect("a response")).await;
    });
    seen.disable();
    let node = |kind, nth| {
        let node = seen.nth(kind, nth);
        (node.id, node.trigger)
    };
    let (server, root) = (node("TCPSERVERWRAP", 0), AsyncId::ROOT);
    let (client, accepted) = (node("TCPWRAP", 0), node("TCPWRAP", 1));
    assert_eq!((server.1, client.1, accepted.1), (root, root, server.0));
    assert_eq!(node("TCPCONNECTWRAP", 0).1, client.0);
    assert_eq!(node("HTTPCLIENTREQUEST", 0).1, root);
    assert_eq!(node("HTTPINCOMINGMESSAGE", 0).1, accepted.0);
    for kind in ["TCPSERVERWRAP", "TCPCONNECTWRAP", "HTTPCLIENTREQUEST", "HTTPINCOMINGMESSAGE"] {
        assert_eq!(seen.of(kind).len(), 1, "{kind}");
        let [init, before, after, destroy, _] = seen.counts(kind, 0);
        assert_eq!((init, destroy, before), (1, 1, after), "{kind}");
    }
    assert_eq!(seen.of("TCPWRAP").len(), 2);
}

/// Two requests on one socket, one after the other or both at once; the ids the socket had.
async fn reuse(client: &Client, to: &str, at_once: bool) -> [AsyncId; 2] {
    let first = client.request(post(to));
    let second = at_once.then(|| spawn(client.request(post(to))));
    let first = first.await.expect("a response");
    let used = socket(&first);
    let first_id = used.async_id().expect("it is in use");
    finish(first).await;
    let second = match second {
        Some(second) => second.await.expect("no panic"),
        None => {
            assert_eq!(used.async_id(), None);
            client.request(post(to)).await
        }
    };
    let second = second.expect("a response");
    assert_eq!(socket(&second), used);
    let second_id = used.async_id().expect("it is in use");
    finish(second).await;
    [first_id, second_id]
}

/// Both lives of the socket are told as those of two resources.
fn assert_reuse(at_once: bool) {
    let seen = Activities::enabled();
    let ids = run(async {
        let to = start(echo_nothing).await;
        let client = Client::builder().max_sockets(1).build();
        reuse(&client, &to, at_once).await
    });
    seen.disable();
    assert!(ids[0] < ids[1]);
    let sockets: Vec<_> =
        seen.of("TCPWRAP").into_iter().filter(|it| ids.contains(&it.id)).collect();
    assert_eq!(sockets.len(), 2);
    for socket in &sockets {
        let [init, before, after, destroy, _] = socket.counts;
        assert_eq!((init, destroy, before), (1, 1, after), "{}", socket.id);
    }
    // One place opens it, another one takes it again: these are two resources.
    assert_ne!(sockets[0].resource.location(), sockets[1].resource.location());
}

#[test]
fn test_http_agent_handle_reuse_serial() {
    // Node: async-hooks/test-http-agent-handle-reuse-serial. Assertions: 21 there, 6 here; left
    // out: must-calls (12), the wrapper of the handle (1); a body that is ended after the response
    // has begun.
    assert_reuse(false);
}

#[test]
fn test_http_agent_handle_reuse_parallel() {
    // Node: async-hooks/test-http-agent-handle-reuse-parallel. Assertions: 15 there, 5 here; left
    // out: must-calls (8), the wrapper of the handle (1).
    assert_reuse(true);
}

#[test]
fn test_async_hooks_http_agent() {
    // Node: parallel/test-async-hooks-http-agent. Assertions: 16 there, 3 here; left out:
    // must-calls (11); a body that is ended after the response has begun.
    run(async {
        let to = start(echo_nothing).await;
        let [first, second] = reuse(&Client::builder().max_sockets(1).build(), &to, false).await;
        assert!(first < second);
    });
}

/// Notes the ids of ended resources.
struct Ended(Rc<RefCell<Vec<AsyncId>>>);

impl AsyncHooks for Ended {
    fn destroy(&self, id: AsyncId) {
        self.0.borrow_mut().push(id);
    }
}

#[test]
fn test_async_hooks_http_agent_destroy() {
    // Node: parallel/test-async-hooks-http-agent-destroy. Assertions: 16 there, 3 here; left out:
    // must-calls (12); a body that is ended after the response has begun.
    let ended = Rc::new(RefCell::new(Vec::new()));
    let hook = create_hook(Ended(ended.clone()));
    hook.enable();
    run(async {
        let to = start(echo_nothing).await;
        let client = Client::builder().max_sockets(1).build();
        let first = client.request(post(&to)).await.expect("a response");
        let used = socket(&first);
        let id = used.async_id().expect("it is in use");
        assert!(!ended.borrow().contains(&id));
        finish(first).await;
        assert_eq!(used.async_id(), None);
        finish(client.request(post(&to)).await.expect("a response")).await;
        assert!(ended.borrow().contains(&id));
    });
    hook.disable();
}

//! More of Node's `test/parallel/test-timers-*`.

use super::activity::{Activities, DESTROY};
use super::support::{async_script, ms, script, script_with_handler, throw};
use crate::support::{Journal, paused};
use lunation::net::{TcpListener, TcpStream};
use lunation::{
    AsyncLocalStorage, Immediate, Timeout, clear_immediate, set_immediate, set_interval,
    set_timeout, spawn, time,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// An interval that clears itself in its first call.
fn interval_once(period: Duration, call: impl Fn() + 'static) {
    let own: Rc<RefCell<Option<Timeout>>> = Rc::default();
    let itself = own.clone();
    let interval = set_interval(period, move || {
        itself.take().expect("set below").clear();
        call();
    });
    *own.borrow_mut() = Some(interval);
}

#[test]
fn test_timers() {
    // Node: parallel/test-timers. Assertions: 5 there, 11 here; left out: inputs that are no
    // durations, and those beyond 2^31 ms, which are waited for here.
    let trace = script(|j| {
        for delay in [0, 100, 500, 1000].map(Duration::from_micros) {
            set_timeout(delay, j.adds("timeout"));
            interval_once(delay, j.adds("interval"));
        }
        set_timeout(ms(2), j.adds("all"));
        set_timeout(ms(10), j.adds("last"));
        interval_once(ms(10), j.adds("interval"));
    });
    let pairs = ["timeout interval"; 4].join(" ");
    assert_eq!(trace, format!("{pairs} all last interval"));
}

#[test]
fn test_timers_reset_process_domain_on_throw() {
    // Node: parallel/test-timers-reset-process-domain-on-throw. Assertions: 2 there, 2 here; left
    // out: none. A store stands for the domain.
    static DOMAIN: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    let journal = Journal::default();
    let j = journal.clone();
    let handler = move |_: &lunation::Unhandled| j.add(format_args!("{:?}", DOMAIN.cloned()));
    let trace = script_with_handler(&journal, handler, |j| {
        set_timeout(ms(50), || {
            DOMAIN.enter_with("domain");
            throw("err3 is not defined")
        });
        let journal = j.clone();
        set_timeout(ms(50), move || journal.add(format_args!("{:?}", DOMAIN.cloned())));
    });
    assert_eq!(trace, "Some(\"domain\") None");
}

#[test]
fn test_timers_setimmediate_infinite_loop() {
    // Node: parallel/test-timers-setimmediate-infinite-loop. Assertions: 3 there, 1 here; left
    // out: none (a journal without the cleared ones).
    let trace = script(|j| {
        let victims: Rc<RefCell<Vec<Immediate>>> = Rc::default();
        let (journal, others) = (j.clone(), victims.clone());
        set_immediate(move || {
            others.borrow().iter().for_each(clear_immediate);
            journal.add("first");
        });
        victims.borrow_mut().push(set_immediate(j.adds("never")));
        victims.borrow_mut().push(set_immediate(j.adds("never")));
    });
    assert_eq!(trace, "first");
}

#[test]
fn test_timers_destroyed() {
    // Node: parallel/test-timers-destroyed. Assertions: 8 there, 4 here; left out: none. The
    // destroy event stands for the private flag.
    let (j, seen, runtime) = (Journal::default(), Activities::enabled(), paused());
    runtime.enter(|| {
        let cleared = set_timeout(ms(1), j.adds("never"));
        set_timeout(ms(1), j.adds("timeout"));
        let interval = set_interval(ms(1), j.adds("never"));
        set_interval(ms(1), j.adds("interval")).unref();
        set_timeout(ms(1), j.adds("keeps"));
        cleared.clear();
        interval.clear();
        runtime.run_to_idle();
    });
    assert_eq!(j.take(), "timeout interval keeps");
    let destroyed = seen.of("Timeout").into_iter().map(|it| it.counts[DESTROY]);
    assert_eq!(destroyed.collect::<Vec<_>>(), [1, 1, 1, 0, 1]);
    seen.disable();
}

#[test]
fn test_timers_dispose() {
    // Node: parallel/test-timers-dispose. Assertions: 6 there, 3 here; left out: none. DIFFERENCE:
    // disposing is `clear`, and nothing is disposed of by dropping its handle.
    let seen = Activities::enabled();
    let trace = script(|j| {
        set_timeout(ms(10), j.adds("never")).clear();
        set_interval(ms(10), j.adds("never")).clear();
        set_immediate(j.adds("never")).clear();
        drop(set_timeout(ms(10), j.adds("dropped")));
    });
    seen.disable();
    assert_eq!(trace, "dropped");
    for nth in [0, 1] {
        assert_eq!(seen.counts("Timeout", nth), [1, 0, 0, 1, 0]);
    }
    assert_eq!(seen.counts("Immediate", 0), [1, 0, 0, 1, 0]);
}

#[test]
fn test_timers_socket_timeout_removes_other_socket_unref_timer() {
    // Node: parallel/test-timers-socket-timeout-removes-other-socket-unref-timer. Assertions: 0
    // there, 3 here; left out: none. `time::timeout` is a socket's timeout here.
    async_script(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let clients: Vec<_> = (0..2)
            .map(|_| {
                spawn(async move {
                    let mut client = TcpStream::connect(address).await.expect("a connection");
                    client.read(&mut [0; 8]).await.expect("no error")
                })
            })
            .collect();
        let (mut first, _) = listener.accept().await.expect("a client");
        let (mut second, _) = listener.accept().await.expect("a client");
        let later = spawn(async move {
            time::timeout(ms(50), second.read(&mut [0; 8])).await.expect("not in time").is_ok()
        });
        assert!(time::timeout(ms(1), first.read(&mut [0; 8])).await.is_err());
        later.abort();
        drop(first);
        for client in clients {
            assert_eq!(client.await.expect("no panic"), 0);
        }
        assert!(later.await.expect_err("aborted").is_cancelled());
    });
}

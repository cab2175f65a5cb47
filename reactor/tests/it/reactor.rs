//! The reactor's own rules: stale events, wakers that re-enter it.

use std::cell::RefCell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use lunation_context::ResourceKind;
use lunation_reactor::net::TcpStream;
use lunation_reactor::{Interest, Reactor, Registration};

use crate::support::{Rig, std_pair, would_block};

#[test]
fn an_event_for_a_reused_slot_is_dropped() {
    let rig = Rig::new();
    let (doomed, mut peer) = rig.pair();
    peer.write_all(b"x").unwrap();
    rig.reactor.wait(None).unwrap();
    // The event is collected; now its source goes and another takes the slot.
    drop(doomed);
    let (quiet, _quiet_peer) = std_pair();
    quiet.set_nonblocking(true).unwrap();
    let source = mio::net::TcpStream::from_std(quiet);
    let kind = ResourceKind::User("QUIET");
    let quiet = Registration::new(source, Interest::READABLE, kind).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(quiet.poll_readable(&mut cx).is_pending());
    assert_eq!(rig.dispatch(), 0, "nothing left but the stale event");
    assert!(would_block(&quiet.try_io(Interest::READABLE, |_| Ok(()))));
    assert_eq!(rig.reactor.waiting(), 1);
}

#[test]
fn an_event_nobody_waits_for_is_kept_as_readiness() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    peer.write_all(b"x").unwrap();
    rig.reactor.wait(None).unwrap();
    assert_eq!(rig.dispatch(), 0, "nobody was woken");
    assert_eq!(stream.try_read(&mut [0]).unwrap(), 1);
}

#[test]
fn left_over_events_come_first_and_wait_does_not_sleep() {
    let rig = Rig::new();
    let (_one, mut one_peer) = rig.blocked_pair();
    one_peer.write_all(b"x").unwrap();
    rig.reactor.wait(None).unwrap();
    rig.reactor.wait(None).unwrap();
    assert!(rig.reactor.has_events());
    rig.dispatch();
    assert!(!rig.reactor.has_events());
}

thread_local! {
    static JOURNAL: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static VICTIM: RefCell<Option<TcpStream>> = const { RefCell::new(None) };
}

/// Uses the reactor in every way it can when it is woken or dropped.
struct Meddler(&'static str);

impl Meddler {
    fn waker(name: &'static str) -> Waker {
        Waker::from(Arc::new(Meddler(name)))
    }

    fn meddle(&self, what: &str) {
        JOURNAL.with_borrow_mut(|journal| journal.push(format!("{what} {}", self.0)));
        let victim = VICTIM.take();
        drop(victim);
        let reactor = Reactor::current().unwrap();
        let (ours, _peer) = std_pair();
        let stream = TcpStream::from_std(ours).unwrap();
        let _ = stream.try_read(&mut [0]);
        assert!(stream.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(reactor.waiting() >= 1);
        reactor.wait(Some(Duration::ZERO)).unwrap();
        reactor.wake_yielded();
    }
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        self.meddle("wake");
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.meddle("drop");
    }
}

fn journal() -> Vec<String> {
    JOURNAL.take()
}

#[test]
fn a_replaced_waker_may_use_the_reactor_in_its_drop() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    for name in ["first", "second"] {
        let waker = Meddler::waker(name);
        let mut cx = Context::from_waker(&waker);
        assert!(stream.poll_read_ready(&mut cx).is_pending());
        assert!(stream.poll_read_ready(&mut cx).is_pending());
    }
    assert_eq!(journal(), ["drop first"]);
    peer.write_all(b"x").unwrap();
    while journal().is_empty() {
        rig.reactor.wait(None).unwrap();
        rig.dispatch();
    }
}

#[test]
fn a_woken_task_may_drop_the_socket_it_was_woken_for() {
    let rig = Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    let waker = Meddler::waker("victim");
    assert!(stream.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    peer.write_all(b"x").unwrap();
    rig.reactor.wait(None).unwrap();
    VICTIM.set(Some(stream));
    rig.dispatch();
    assert_eq!(journal(), ["wake victim", "drop victim"]);
    assert_eq!(rig.reactor.waiting(), 0);
}

#[test]
fn a_dropped_socket_drops_its_waker_outside_of_borrows() {
    let rig = Rig::new();
    let (stream, _peer) = rig.blocked_pair();
    assert!(stream.poll_read_ready(&mut Context::from_waker(&Meddler::waker("w"))).is_pending());
    drop(stream);
    assert_eq!(journal(), ["drop w"]);
    let (stream, _peer) = rig.blocked_pair();
    assert!(stream.poll_read_ready(&mut Context::from_waker(&Meddler::waker("v"))).is_pending());
    let reactor: Rc<Reactor> = rig.reactor.clone();
    let entered = reactor.enter();
    JOURNAL.take();
    drop(stream);
    assert_eq!(journal(), ["drop v"]);
    drop(entered);
}

/// A reactor without sources does not ask the system for nothing, but takes what the notifier left
/// there: a host that sleeps in its own selector would be woken for ever.
#[test]
#[cfg(unix)]
fn its_descriptor_is_readable_until_a_notification_was_looked_for() {
    use mio::unix::SourceFd;
    use std::os::fd::AsRawFd;

    let rig = Rig::new();
    let is_readable = || {
        let mut host = mio::Poll::new().unwrap();
        let fd = rig.reactor.as_raw_fd();
        host.registry().register(&mut SourceFd(&fd), mio::Token(0), Interest::READABLE).unwrap();
        let mut events = mio::Events::with_capacity(1);
        host.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    };
    for _ in 0..2 {
        assert!(!is_readable());
        let notifier = rig.reactor.notifier();
        std::thread::spawn(move || notifier.notify()).join().unwrap();
        assert!(is_readable());
        rig.reactor.wait(Some(Duration::ZERO)).unwrap();
        assert!(!is_readable());
        rig.reactor.wait(Some(Duration::ZERO)).unwrap();
    }
    rig.reactor.notifier().notify();
    // Does not sleep.
    rig.reactor.wait(None).unwrap();
    assert!(!is_readable());
}

/// Streams for which somebody waits, and their peers.
fn awaited(rig: &Rig) -> Vec<(TcpStream, std::net::TcpStream)> {
    let streams: Vec<_> = (0..4).map(|_| rig.blocked_pair()).collect();
    for ((stream, _), name) in streams.iter().zip(["0", "1", "2", "3"]) {
        let waker = Meddler::waker(name);
        assert!(stream.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
    }
    streams
}

fn wakes() -> Vec<String> {
    journal().into_iter().filter(|line| line.starts_with("wake")).collect()
}

/// Those who are woken look for more events meanwhile.
#[test]
fn events_that_were_not_handed_out_come_first_the_next_time() {
    let rig = Rig::new();
    let mut streams = awaited(&rig);
    streams[..3].iter_mut().for_each(|(_, peer)| peer.write_all(b"x").unwrap());
    rig.reactor.wait(None).unwrap();
    assert_eq!(rig.dispatch_at_most(1), 1);
    assert!(rig.reactor.has_events());
    assert_eq!(rig.dispatch_at_most(1), 1);
    assert_eq!(wakes(), ["wake 0", "wake 1"]);
    streams[3].1.write_all(b"x").unwrap();
    for next in ["wake 2", "wake 3"] {
        rig.reactor.wait(None).unwrap();
        rig.dispatch();
        assert_eq!(wakes(), [next]);
    }
    assert!(!rig.reactor.has_events());
}

#[test]
fn a_panic_between_events_loses_none() {
    let rig = Rig::new();
    let mut streams = awaited(&rig);
    streams[..3].iter_mut().for_each(|(_, peer)| peer.write_all(b"x").unwrap());
    rig.reactor.wait(None).unwrap();
    let reactor = AssertUnwindSafe(&rig.reactor);
    catch_unwind(|| reactor.dispatch(|| panic!("after the first"))).unwrap_err();
    assert_eq!(wakes(), ["wake 0"]);
    rig.dispatch();
    assert_eq!(wakes(), ["wake 1", "wake 2"]);
}

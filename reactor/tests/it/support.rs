//! A loop for one future, and a few pairs of sockets.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lunation_reactor::net::TcpStream;
use lunation_reactor::{EnterGuard, Notifier, Reactor, budget};

pub(crate) const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A reactor that is entered, and the loop around it.
pub(crate) struct Rig {
    pub(crate) reactor: Rc<Reactor>,
    pub(crate) polls: Cell<usize>,
    _entered: EnterGuard,
}

struct Woken {
    flag: AtomicBool,
    notifier: Notifier,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        self.notifier.notify();
    }
}

impl Rig {
    pub(crate) fn new() -> Rig {
        let reactor = Reactor::new().unwrap();
        let entered = reactor.enter();
        Rig { reactor, polls: Cell::new(0), _entered: entered }
    }

    /// Polls `future` until it is ready; one poll per wake-up.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let woken = Woken { flag: AtomicBool::new(true), notifier: self.reactor.notifier() };
        let woken = Arc::new(woken);
        let waker = Waker::from(woken.clone());
        loop {
            if woken.flag.swap(false, Ordering::SeqCst) {
                budget::next_poll();
                self.polls.set(self.polls.get() + 1);
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    return output;
                }
            } else {
                self.reactor.wait(None).unwrap();
                self.dispatch();
                self.reactor.wake_yielded();
            }
        }
    }

    /// Takes in and hands out the events that are there.
    pub(crate) fn turn(&self) {
        self.reactor.wait(Some(Duration::ZERO)).unwrap();
        self.dispatch();
    }

    /// Hands out the events that were taken in, and returns how many have woken anybody.
    pub(crate) fn dispatch(&self) -> usize {
        self.dispatch_at_most(usize::MAX)
    }

    /// The same, no more than `limit`, which is not 0.
    pub(crate) fn dispatch_at_most(&self, limit: usize) -> usize {
        let mut count = 0;
        self.reactor.dispatch(|| {
            count += 1;
            count < limit
        });
        count
    }

    /// A registered stream and its peer, a blocking one.
    pub(crate) fn pair(&self) -> (TcpStream, std::net::TcpStream) {
        let (ours, peer) = std_pair();
        (TcpStream::from_std(ours).unwrap(), peer)
    }

    /// The same, after the readiness that is assumed of a fresh stream was disproved.
    pub(crate) fn blocked_pair(&self) -> (TcpStream, std::net::TcpStream) {
        let (ours, peer) = self.pair();
        self.turn();
        assert!(would_block(&ours.try_read(&mut [0])));
        (ours, peer)
    }
}

/// A folder for the paths of Unix sockets, removed at the end.
#[cfg(unix)]
pub(crate) struct Place(std::path::PathBuf);

#[cfg(unix)]
impl Place {
    pub(crate) fn new() -> Place {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("lunation-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir(&folder).unwrap();
        Place(folder)
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

#[cfg(unix)]
impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Two connected streams of the standard library.
pub(crate) fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(ANY_PORT).unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, peer)
}

/// An address at which nobody listens.
pub(crate) fn dead_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind(ANY_PORT).unwrap();
    listener.local_addr().unwrap()
}

pub(crate) fn would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Both outputs.
pub(crate) async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut left, mut right) = (None, None);
    poll_fn(move |cx| {
        poll_into(&mut left, a.as_mut(), cx);
        poll_into(&mut right, b.as_mut(), cx);
        if left.is_none() || right.is_none() {
            return Poll::Pending;
        }
        Poll::Ready((left.take().unwrap(), right.take().unwrap()))
    })
    .await
}

fn poll_into<F: Future>(slot: &mut Option<F::Output>, future: Pin<&mut F>, cx: &mut Context<'_>) {
    if slot.is_none()
        && let Poll::Ready(output) = future.poll(cx)
    {
        *slot = Some(output);
    }
}

/// Polls once with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

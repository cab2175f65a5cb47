//! How long a connection may wait for a request's head: long between requests, short within one.
//!
//! Hyper has one limit for both, counted from the moment it begins to wait. It asks its timer for
//! a sleep then and polls it whenever the head is not complete; so the distinction can be made
//! here, by a sleep that ends earlier once a part of a head is there.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use lunation_executor::{HyperTimer, time};

/// What the bytes read so far say. All parts of a connection share it; they are on one thread, but
/// hyper wants its timer to be `Sync`.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What was read last is no whole head, but a part of one.
    partial: AtomicBool,
    /// What is read next belongs to a request's body (or comes after it).
    in_body: AtomicBool,
}

impl Progress {
    /// Notes whether the bytes read so far end within a head.
    pub(super) fn read_head(&self, partial: bool) {
        self.partial.store(partial, Relaxed);
    }

    /// A request has arrived; its body may follow.
    pub(super) fn begin_request(&self, has_body: bool) {
        if has_body {
            self.partial.store(false, Relaxed);
            self.in_body.store(true, Relaxed);
        }
    }

    /// Hyper waits for the next head.
    fn begin_head(&self) {
        self.in_body.store(false, Relaxed);
    }

    /// Whether what is read may be a body, so that its end says nothing about heads.
    pub(super) fn in_body(&self) -> bool {
        self.in_body.load(Relaxed)
    }

    fn has_partial_head(&self) -> bool {
        self.partial.load(Relaxed)
    }

    /// Whether the peer may still be sending something that nobody will read.
    pub(super) fn is_unfinished(&self) -> bool {
        self.in_body() || self.has_partial_head()
    }
}

/// Hyper's timer for one connection. Hyper uses it for its header timeout alone.
#[derive(Debug)]
pub(super) struct HeadTimer {
    pub(super) progress: Arc<Progress>,
    /// How long a head may take from its first byte.
    pub(super) limit: Duration,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        HyperTimer.sleep(duration)
    }

    fn sleep_until(&self, idle: Instant) -> Pin<Box<dyn Sleep>> {
        self.progress.begin_head();
        let started = self.progress.has_partial_head();
        let sleep = if started { time::sleep(self.limit) } else { time::sleep_until(idle) };
        let (progress, limit) = (self.progress.clone(), self.limit);
        Box::pin(HeadSleep { progress, limit, started, sleep })
    }

    fn now(&self) -> Instant {
        time::now()
    }
}

/// Ends when a connection was idle for too long, or the head that has begun took too long.
#[derive(Debug)]
struct HeadSleep {
    progress: Arc<Progress>,
    limit: Duration,
    /// The head has begun, `sleep` ends with its limit.
    started: bool,
    sleep: time::Sleep,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.started && self.progress.has_partial_head() {
            self.started = true;
            let deadline = time::now() + self.limit;
            Pin::new(&mut self.sleep).reset(deadline);
        }
        Pin::new(&mut self.sleep).poll(cx)
    }
}

impl Sleep for HeadSleep {}

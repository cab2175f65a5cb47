//! How long a connection may wait for a request's head: long between requests, short within one.
//!
//! Hyper has one limit for both and arms a sleep for each head. Here both limits of a connection
//! share one sleep, which is moved only when it ends too late; when it ends too early it is armed
//! again. Hyper is given a timer whose sleeps never end: asking for one tells that it begins to
//! wait for a head.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use lunation_executor::time;

/// What the bytes read so far say. All parts of a connection share it; they are on one thread, but
/// hyper wants its timer to be `Sync`.
#[derive(Debug)]
pub(super) struct Progress {
    /// What was read last is no whole head, but a part of one.
    partial: AtomicBool,
    /// What is read next belongs to a request's body (or comes after it).
    in_body: AtomicBool,
    /// No request is being answered.
    waits: AtomicBool,
    /// A wait, or the head that ends it, has begun: another limit counts.
    changed: AtomicBool,
}

impl Progress {
    /// That of a connection which waits for its first byte.
    pub(super) fn new() -> Progress {
        Progress {
            partial: AtomicBool::new(false),
            in_body: AtomicBool::new(false),
            waits: AtomicBool::new(true),
            changed: AtomicBool::new(true),
        }
    }

    /// Notes whether the bytes read so far end within a head.
    pub(super) fn read_head(&self, partial: bool) {
        if partial && !self.has_partial_head() {
            self.changed.store(true, Relaxed);
        }
        self.partial.store(partial, Relaxed);
    }

    /// A request has arrived; its body may follow.
    pub(super) fn begin_request(&self, has_body: bool) {
        self.waits.store(false, Relaxed);
        if has_body {
            self.partial.store(false, Relaxed);
            self.in_body.store(true, Relaxed);
        }
    }

    /// Hyper waits for the next head.
    fn begin_head(&self) {
        self.in_body.store(false, Relaxed);
        self.waits.store(true, Relaxed);
        self.changed.store(true, Relaxed);
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

/// The limits of one connection.
#[derive(Debug)]
pub(super) struct Limits {
    /// How long a head may take from its first byte.
    header: Duration,
    /// How long a connection may wait for a head to begin.
    idle: Duration,
    /// When the present wait has taken too long.
    deadline: Instant,
    sleep: time::Sleep,
    /// When the sleep ends, once it was armed.
    alarm: Option<Instant>,
}

impl Limits {
    pub(super) fn new(header: Duration, idle: Duration) -> Limits {
        let deadline = time::now() + idle;
        Limits { header, idle, deadline, sleep: time::sleep_until(deadline), alarm: None }
    }

    /// Ready when the peer has taken too long. To be polled after the connection.
    pub(super) fn poll_exceeded(&mut self, progress: &Progress, cx: &mut Context<'_>) -> Poll<()> {
        if !progress.waits.load(Relaxed) {
            return Poll::Pending;
        }
        if progress.changed.load(Relaxed) {
            progress.changed.store(false, Relaxed);
            let now = time::now();
            let limit = if progress.has_partial_head() { self.header } else { self.idle };
            self.deadline = now + limit;
            // The usual case: the sleep ends before, and will be armed again then.
            if self.alarm.is_some_and(|alarm| now < alarm && alarm <= self.deadline) {
                return Poll::Pending;
            }
            Pin::new(&mut self.sleep).reset(self.deadline);
        }
        while Pin::new(&mut self.sleep).poll(cx).is_ready() {
            if time::now() >= self.deadline {
                return Poll::Ready(());
            }
            Pin::new(&mut self.sleep).reset(self.deadline);
        }
        self.alarm = self.sleep.deadline();
        Poll::Pending
    }
}

/// Hyper's timer for one connection. Hyper uses it for its header timeout alone.
#[derive(Debug)]
pub(super) struct HeadTimer {
    pub(super) progress: Arc<Progress>,
    /// Hyper reckons the ends of its sleeps by it, which do not count.
    pub(super) made: Instant,
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.made)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.progress.begin_head();
        // Of no size, so that nothing is allocated.
        Box::pin(Never)
    }

    fn now(&self) -> Instant {
        self.made
    }
}

/// Never ends: see [`Limits`].
#[derive(Debug)]
struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Never {}

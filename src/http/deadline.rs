//! How long a connection may wait for a request's head: long between requests, short within one.
//!
//! Hyper has one limit for both, and it costs a second pass through all of hyper per request. Here
//! both limits of a connection share one sleep, which is moved only when it ends too late; when it
//! ends too early it is armed again.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lunation_executor::time;

use crate::http::progress::Progress;

/// How long a connection may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// A head, from its first byte.
    pub(super) header: Duration,
    /// For a head to begin.
    pub(super) idle: Duration,
}

/// When a connection has waited too long.
#[derive(Debug)]
pub(super) struct Deadline {
    /// When the present wait, or the head that ends it, has begun.
    since: Instant,
    is_head: bool,
    sleep: time::Sleep,
    /// Whether the sleep wakes the connection, and not later than the idle limit demands.
    armed: bool,
}

impl Deadline {
    /// Goes on from the wait for the first byte, which would have ended with `sleep`.
    pub(super) fn new(sleep: time::Sleep) -> Deadline {
        Deadline { since: time::now(), is_head: false, sleep, armed: false }
    }

    /// Ready when the peer has taken too long. To be polled after the connection, when that is not
    /// busy.
    #[inline]
    pub(super) fn poll_exceeded(
        &mut self,
        progress: &Progress,
        limits: Limits,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if progress.has_changed() {
            self.since = time::now();
            self.is_head = progress.has_partial_head();
            // The usual case: the sleep ends before, and will be armed again then.
            if self.armed && !self.is_head && self.sleep.deadline() > Some(self.since) {
                return Poll::Pending;
            }
            self.armed = false;
        }
        self.poll_sleep(if self.is_head { limits.header } else { limits.idle }, cx)
    }

    #[cold]
    #[inline(never)]
    fn poll_sleep(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let ends = self.since + limit;
        if !self.armed {
            Pin::new(&mut self.sleep).reset(ends);
            self.armed = !self.is_head;
        }
        while Pin::new(&mut self.sleep).poll(cx).is_ready() {
            if time::now() >= ends {
                return Poll::Ready(());
            }
            Pin::new(&mut self.sleep).reset(ends);
        }
        Poll::Pending
    }
}

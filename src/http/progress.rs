//! How far a connection is: between requests, within a head, within an answer.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// The end of a head, or what may stand before one: an empty line.
const EMPTY_LINE: [u8; 3] = *b"\n\r\n";

/// What the parts of a connection tell each other. All are on one thread, but hyper may give the
/// stream away, with this in it, and wants that to be `Send`.
#[derive(Debug)]
pub(super) struct Progress {
    /// The last three bytes that were read, except for those of bodies.
    tail: AtomicU32,
    /// A request is being answered: its flow lives.
    answering: AtomicBool,
    /// A response waits for the peer to read.
    blocked: AtomicBool,
    /// What is read while the request is answered is its body, or comes after it.
    in_body: AtomicBool,
    /// The last request had a body, of which nobody knows whether it was read to its end.
    had_body: AtomicBool,
    /// A head has begun since the last request: what may be empty lines before one included.
    in_head: AtomicBool,
    /// A wait, or the head that ends it, has begun: another limit counts.
    changed: AtomicBool,
}

impl Progress {
    /// That of a connection which waits for its first byte.
    pub(super) fn new() -> Progress {
        Progress {
            tail: AtomicU32::new(number(EMPTY_LINE)),
            answering: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            in_body: AtomicBool::new(false),
            had_body: AtomicBool::new(false),
            in_head: AtomicBool::new(false),
            changed: AtomicBool::new(false),
        }
    }

    /// Notes what was read.
    #[inline]
    pub(super) fn read(&self, bytes: &[u8]) {
        if self.in_body.load(Relaxed) {
            return;
        }
        let before = self.tail.load(Relaxed);
        let tail = match bytes.last_chunk() {
            Some(last) => number(*last),
            None => bytes.iter().fold(before, |tail, byte| tail << 8 | u32::from(*byte)),
        };
        self.tail.store(tail, Relaxed);
        if ends_head(before) && !ends_head(tail) && !self.in_head.load(Relaxed) {
            self.in_head.store(true, Relaxed);
            self.changed.store(true, Relaxed);
        }
    }

    /// Notes whether a response waits for the peer.
    #[inline]
    pub(super) fn note_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Relaxed);
    }

    /// A request has arrived; its body may follow.
    #[inline]
    pub(super) fn begin_request(&self, has_body: bool) {
        self.answering.store(true, Relaxed);
        self.in_body.store(has_body, Relaxed);
        self.had_body.store(has_body, Relaxed);
        if has_body {
            self.tail.store(number(EMPTY_LINE), Relaxed);
        }
    }

    /// The flow of a request has ended. What comes from now on belongs to the next head.
    #[inline]
    pub(super) fn end_request(&self) {
        self.answering.store(false, Relaxed);
        self.in_body.store(false, Relaxed);
        self.in_head.store(self.has_partial_head(), Relaxed);
        self.changed.store(true, Relaxed);
    }

    /// The connection is another protocol's from now on, or over: nothing of it is a request.
    pub(super) fn hand_over(&self) {
        self.tail.store(number(EMPTY_LINE), Relaxed);
        self.in_body.store(true, Relaxed);
        self.had_body.store(false, Relaxed);
    }

    /// Hyper has come to rest. If no request runs, its body was read.
    pub(super) fn note_idle(&self) {
        if !self.is_busy() {
            self.had_body.store(false, Relaxed);
        }
    }

    /// Whether a request is being answered.
    #[inline]
    pub(super) fn is_answering(&self) -> bool {
        self.answering.load(Relaxed)
    }

    /// Whether a request is being answered, or its response not written yet.
    #[inline]
    pub(super) fn is_busy(&self) -> bool {
        self.is_answering() || self.blocked.load(Relaxed)
    }

    /// Whether another limit counts than when this was asked last.
    #[inline]
    pub(super) fn has_changed(&self) -> bool {
        let changed = self.changed.load(Relaxed);
        self.changed.store(false, Relaxed);
        changed
    }

    /// Whether the bytes that were read end within a head.
    pub(super) fn has_partial_head(&self) -> bool {
        !ends_head(self.tail.load(Relaxed))
    }

    /// Whether the peer may still be sending something that nobody will read.
    pub(super) fn is_unfinished(&self) -> bool {
        self.had_body.load(Relaxed) || self.has_partial_head()
    }
}

fn number([first, second, third]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, first, second, third])
}

/// Whether a head has ended with these bytes. It does with an empty line; so do the empty lines
/// that may stand before one.
fn ends_head(tail: u32) -> bool {
    matches!(tail.to_be_bytes(), [_, _, b'\n', b'\n'] | [_, b'\n', b'\r', b'\n'])
}

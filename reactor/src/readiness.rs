//! Readiness of a source: what the last edges said and no operation has disproved since.

use std::ops::BitOr;

use mio::Interest;
use mio::event::Event;

/// Whether a short transfer proves that the kernel's buffer is empty (or full) and that the next
/// change will be an event. True of the edge-triggered selectors epoll and kqueue; elsewhere mio
/// renews interest only after a `WouldBlock`.
const SHORT_TRANSFER_IS_EDGE: bool = cfg!(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "illumos",
    target_os = "ios",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "redox",
    target_os = "tvos",
    target_os = "visionos",
    target_os = "watchos",
));

/// The two directions in which a task can wait.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// For data, a connection, or the end of either.
    Read,
    /// For room, or for the result of a connect.
    Write,
}

/// [`Direction::Read`], where the compiler is to know it.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Reading;

/// [`Direction::Write`], likewise.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Writing;

impl From<Reading> for Direction {
    #[inline]
    fn from(_: Reading) -> Direction {
        Direction::Read
    }
}

impl From<Writing> for Direction {
    #[inline]
    fn from(_: Writing) -> Direction {
        Direction::Write
    }
}

/// What is known of a source's readiness. tokio's `Ready`.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Ready(u8);

impl Ready {
    /// Nothing known.
    pub(crate) const NONE: Ready = Ready(0);
    const READ: Ready = Ready(1);
    const WRITE: Ready = Ready(2);
    const READ_CLOSED: Ready = Ready(4);
    const WRITE_CLOSED: Ready = Ready(8);
    const ERROR: Ready = Ready(16);
    const READS: Ready = Ready(Self::READ.0 | Self::READ_CLOSED.0);
    const WRITES: Ready = Ready(Self::WRITE.0 | Self::WRITE_CLOSED.0);
    /// Assumed of a fresh socket: trying costs less than waiting for the first event.
    pub(crate) const BOTH: Ready = Ready(Self::READ.0 | Self::WRITE.0);

    /// Whether nothing is known.
    pub fn is_empty(self) -> bool {
        self == Ready::NONE
    }

    /// Whether reading is worth a try: for data, or for the end.
    pub fn is_readable(self) -> bool {
        self.meets(Self::READS)
    }

    /// Whether writing is worth a try: there is room, or an error to be told.
    pub fn is_writable(self) -> bool {
        self.meets(Self::WRITES)
    }

    /// Whether the peer has finished, or the reading half was shut down.
    pub fn is_read_closed(self) -> bool {
        self.meets(Self::READ_CLOSED)
    }

    /// Whether the connection has ended, or the writing half was shut down.
    pub fn is_write_closed(self) -> bool {
        self.meets(Self::WRITE_CLOSED)
    }

    /// Whether an error waits to be told by the next operation.
    pub fn is_error(self) -> bool {
        self.meets(Self::ERROR)
    }

    /// What of this concerns `interest`; errors always do.
    pub(crate) fn concerning(self, interest: Interest) -> Ready {
        let pick = |wanted: bool, bits: Ready| if wanted { bits } else { Ready::NONE };
        let reads = pick(interest.is_readable(), Self::READS);
        let writes = pick(interest.is_writable(), Self::WRITES);
        Ready(self.0 & (reads | writes | Self::ERROR).0)
    }

    /// What `event` says. A close or an error makes its direction ready: trying will tell.
    #[inline]
    pub(crate) fn of(event: &Event) -> Ready {
        let ready = Ready::NONE.or(event.is_readable(), Self::READ);
        let ready = ready.or(event.is_writable(), Self::WRITE);
        if event.is_read_closed() || event.is_write_closed() || event.is_error() {
            return ready.or_ends(event);
        }
        ready
    }

    #[cold]
    #[inline(never)]
    fn or_ends(self, event: &Event) -> Ready {
        self.or(event.is_read_closed(), Self::READ | Self::READ_CLOSED)
            .or(event.is_write_closed(), Self::WRITE | Self::WRITE_CLOSED)
            .or(event.is_error(), Self::BOTH | Self::ERROR)
    }

    /// With `bits` if that `holds`.
    #[inline]
    fn or(self, holds: bool, bits: Ready) -> Ready {
        if holds { self | bits } else { self }
    }

    /// The bit of one direction.
    pub(crate) fn only(direction: Direction) -> Ready {
        match direction {
            Direction::Read => Self::READ,
            Direction::Write => Self::WRITE,
        }
    }

    /// Whether `direction` is ready.
    pub(crate) fn has(self, direction: Direction) -> bool {
        self.meets(Self::only(direction))
    }

    /// Without `direction`, after a `WouldBlock`. The close flags stay: they never become untrue.
    #[must_use]
    pub(crate) fn without(self, direction: Direction) -> Ready {
        Ready(self.0 & !Self::only(direction).0)
    }

    /// Whether `direction` is ready no more after a transfer that was shorter than asked, without
    /// another system call. It is still if the source was closed or failed: that edge has been
    /// delivered already, no other follows, so it must be tried until it says so itself.
    #[inline]
    pub(crate) fn ends_with_short(self, direction: Direction) -> bool {
        let closed = match direction {
            Direction::Read => Self::READ_CLOSED | Self::ERROR,
            Direction::Write => Self::WRITE_CLOSED | Self::ERROR,
        };
        SHORT_TRANSFER_IS_EDGE && !self.meets(closed)
    }

    /// As a number, to be kept.
    #[inline]
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// From [`bits`](Self::bits).
    #[inline]
    pub(crate) fn from_bits(bits: u8) -> Ready {
        Ready(bits)
    }

    fn meets(self, other: Ready) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Ready {
    type Output = Ready;

    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

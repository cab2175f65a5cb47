//! Readiness of a source: what the last edges said and no operation has disproved since.

use std::ops::BitOr;

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

/// A set of readiness bits.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Readiness(u8);

impl Readiness {
    /// Nothing known.
    pub(crate) const NONE: Readiness = Readiness(0);
    const READ: Readiness = Readiness(1);
    const WRITE: Readiness = Readiness(2);
    const READ_CLOSED: Readiness = Readiness(4);
    const WRITE_CLOSED: Readiness = Readiness(8);
    const ERROR: Readiness = Readiness(16);
    /// Assumed of a fresh socket: trying costs less than waiting for the first event.
    pub(crate) const BOTH: Readiness = Readiness(Self::READ.0 | Self::WRITE.0);

    /// What `event` says. A close or an error makes its direction ready: trying will tell.
    pub(crate) fn of(event: &Event) -> Readiness {
        let mut all = Readiness::NONE;
        let mut add = |holds: bool, bits: Readiness| {
            if holds {
                all = all | bits;
            }
        };
        add(event.is_readable(), Self::READ);
        add(event.is_writable(), Self::WRITE);
        add(event.is_read_closed(), Self::READ | Self::READ_CLOSED);
        add(event.is_write_closed(), Self::WRITE | Self::WRITE_CLOSED);
        add(event.is_error(), Self::BOTH | Self::ERROR);
        all
    }

    /// The bit of one direction.
    pub(crate) fn only(direction: Direction) -> Readiness {
        match direction {
            Direction::Read => Self::READ,
            Direction::Write => Self::WRITE,
        }
    }

    /// Whether `direction` is ready.
    pub(crate) fn has(self, direction: Direction) -> bool {
        self.meets(Self::only(direction))
    }

    /// Forgets `direction` after a `WouldBlock`. The close flags stay: they never become untrue.
    pub(crate) fn clear(&mut self, direction: Direction) {
        self.0 &= !Self::only(direction).0;
    }

    /// Forgets `direction` after a transfer that was shorter than asked, without another system
    /// call. Not once the source was closed or failed: that edge has been delivered already, no
    /// other follows, so the direction must be tried until it says so itself.
    pub(crate) fn clear_after_short(&mut self, direction: Direction) {
        let closed = match direction {
            Direction::Read => Self::READ_CLOSED | Self::ERROR,
            Direction::Write => Self::WRITE_CLOSED | Self::ERROR,
        };
        if SHORT_TRANSFER_IS_EDGE && !self.meets(closed) {
            self.clear(direction);
        }
    }

    fn meets(self, other: Readiness) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Readiness {
    type Output = Readiness;

    fn bitor(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }
}

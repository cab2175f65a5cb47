//! Nominal time: was a run with the real clock on time (FORMAT.md, section 7)?
//!
//! This orders nothing and delays nothing: it only measures how far a run was from the times its
//! program names.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The nominal time of a run and how far the runtime's clock was from it, in milliseconds of the
/// program.
#[derive(Debug)]
pub(super) struct OnTime {
    start: OnceCell<Instant>,
    /// How many times longer than written every duration is.
    scale: u32,
    /// 0 in main; in a timer callback its nominal deadline; in any other callback that of the last
    /// timer.
    now_ms: Cell<u64>,
    drift: Cell<Duration>,
}

/// The nominal deadline of one timer.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadline(Rc<Cell<u64>>);

impl OnTime {
    pub(super) fn new(scale: u32) -> OnTime {
        OnTime {
            start: OnceCell::new(),
            scale,
            now_ms: Cell::new(0),
            drift: Cell::new(Duration::ZERO),
        }
    }

    /// Main begins.
    pub(super) fn begin(&self) {
        self.start.get_or_init(lunation::time::now);
    }

    /// The duration to ask the runtime for.
    pub(super) fn duration(&self, ms: u64) -> Duration {
        Duration::from_millis(ms) * self.scale
    }

    /// A timer begins to wait.
    pub(super) fn arm(&self, deadline: &Deadline, ms: u64) {
        deadline.0.set(self.now_ms.get() + ms);
    }

    /// A timer's callback begins.
    pub(super) fn fire(&self, deadline: &Deadline) {
        self.now_ms.set(deadline.0.get());
        self.check();
    }

    /// Any callback begins.
    pub(super) fn check(&self) {
        let start = *self.start.get_or_init(lunation::time::now);
        let elapsed = lunation::time::now().duration_since(start) / self.scale;
        let apart = elapsed.abs_diff(Duration::from_millis(self.now_ms.get()));
        self.drift.set(self.drift.get().max(apart));
    }

    pub(super) fn drift(&self) -> Duration {
        self.drift.get()
    }
}

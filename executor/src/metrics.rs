//! What a runtime counts.

use crate::event_loop::EventLoop;

/// Counters and lengths of a runtime at one moment. Tokio: `RuntimeMetrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Turns of the loop so far.
    pub turns: u64,
    /// Polls of tasks so far, that of main included.
    pub polls: u64,
    /// Drains of the tick and microtask queues that found something to do, so far.
    pub drains: u64,
    /// Turns so far whose drains used up [`Builder::drain_budget`](crate::Builder::drain_budget).
    pub budget_hits: u64,
    /// Times so far that an I/O operation was put off because its task had done 128 of them in one
    /// poll.
    pub io_budget_hits: u64,
    /// Ticks in the queue.
    pub ticks_queued: usize,
    /// Microtasks in the queue, polls of tasks included. These and the ticks are counted when you
    /// ask, which takes a look at each.
    pub microtasks_queued: usize,
    /// Immediates that have not run.
    pub immediates_queued: usize,
    /// Tasks that have not ended.
    pub live_tasks: usize,
    /// Timers that have not fired, those of sleeping futures included.
    pub live_timers: usize,
    /// Blocking jobs whose results have not come back.
    pub live_jobs: usize,
    /// Guards of `AsyncLocalStorage::enter` that were dropped in a foreign flow, on this thread.
    pub misplaced_guards: u64,
}

impl EventLoop {
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics {
            turns: self.turns.get(),
            polls: self.core.polls.get(),
            drains: self.core.drains.get(),
            budget_hits: self.core.budget.hits(),
            io_budget_hits: self.reactor.budget_hits(),
            ticks_queued: self.core.ticks.count(),
            microtasks_queued: self.core.microtasks.count(),
            immediates_queued: self.immediates.pending(),
            live_tasks: self.core.live_tasks.get(),
            live_timers: self.timers.borrow().len(),
            live_jobs: self.jobs.get(),
            misplaced_guards: lunation_context::misplaced_guards(),
        }
    }
}

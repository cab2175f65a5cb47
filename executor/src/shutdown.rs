//! The end of a runtime: everything is dropped, unrun, each in its own resource.

use crate::event_loop::{EventLoop, RuntimeEvent};
use crate::immediates::Entry;
use crate::job::Timer;
use crate::task::cell;
use crate::task::inbox::Message;
use crate::task::waker;
use lunation_context::hooks;

impl EventLoop {
    /// Drops all futures, then queued closures, then timers, until nothing is left: what their
    /// destructors create meanwhile is dropped too. Inside the loop; `Core::close` follows outside.
    pub(crate) fn shut_down(&self) {
        self.core.begin_closing();
        self.discard_all();
        self.guarded(|| self.reactor.close());
        hooks::flush_destroys();
        // Sources, hooks and the handlers of failures are user code too.
        self.discard_all();
        for event in [RuntimeEvent::BeforeExit, RuntimeEvent::Exit] {
            self.guarded(|| self.events.remove_all(&event));
        }
        let handlers = self.core.failures.set_handlers(None);
        self.guarded(|| drop(handlers));
        self.discard_all();
        // Hooks may queue something when they hear of that. It is silent, so this comes to an end.
        loop {
            hooks::flush_destroys();
            if !self.discard_all() {
                break;
            }
        }
    }

    /// False if nothing was left.
    fn discard_all(&self) -> bool {
        let mut any = false;
        let mut progress = true;
        while progress {
            self.guarded(|| progress = self.discard_some());
            any |= progress;
        }
        any
    }

    /// False if nothing was left.
    fn discard_some(&self) -> bool {
        cell::cancel_all(&self.core);
        let mut any = false;
        while self.core.discard_one() {
            any = true;
        }
        any || self.discard_immediate()
            || self.discard_closer()
            || self.discard_timers()
            || self.discard_completions()
            || self.discard_message()
            || self.discard_failure()
    }

    fn discard_immediate(&self) -> bool {
        match self.immediates.pop() {
            Some(Entry::Call(job)) => job.discard(),
            Some(wait) => drop(wait),
            None => return false,
        }
        true
    }

    fn discard_closer(&self) -> bool {
        let closer = self.closers.borrow_mut().pop();
        closer.map(|job| job.discard()).is_some()
    }

    fn discard_timers(&self) -> bool {
        let timers = self.timers.borrow_mut().take_all();
        let any = !timers.is_empty();
        for timer in timers {
            match timer {
                Timer::Call(job) => self.guarded(|| job.discard()),
                Timer::Wake(waker) => self.guarded(|| drop(waker)),
            }
        }
        any
    }

    fn discard_completions(&self) -> bool {
        let completions = self.completions.take();
        let any = !completions.is_empty();
        for (_, completion) in completions {
            self.guarded(|| completion.discard());
        }
        any
    }

    fn discard_message(&self) -> bool {
        match self.core.inbox.pop() {
            Some(Message::Task(message)) => waker::accept(message, &self.core),
            Some(Message::Post(callback)) => drop(callback),
            Some(Message::Done(_, value)) => drop(value),
            Some(Message::Nudge) => {}
            None => return false,
        }
        true
    }

    fn discard_failure(&self) -> bool {
        let failed = !self.core.failures.is_empty();
        if failed {
            self.core.failures.handle_next();
        }
        failed
    }
}

//! The poll hook: what a frame has entered and left around everything that runs in it.
//!
//! While a flow runs, the hook in its frame is entered. It is a store like any other, so it is
//! inherited, captured and dropped with the frame.

use std::fmt;
use std::rc::Rc;

use crate::boxes::Entry;
use crate::current::{settle, with_current, with_flow, with_settled};
use crate::frame::FrameSlot;
use crate::hooks::{abort_on_panic, note_poll_hook};
use crate::key::{Key, index_of};
use crate::value::{Policy, Value};

/// Called around every poll, callback and drop that runs in a frame which holds it.
///
/// For what keeps a thread-wide "current" of its own: tracing spans, OpenTelemetry contexts,
/// embedded engines. A panic in it aborts the process.
pub trait PollHook {
    /// The flow begins to run on this thread.
    fn enter(&self);
    /// The flow stops running on this thread.
    fn leave(&self);
}

impl fmt::Debug for dyn PollHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dyn PollHook")
    }
}

static POLL_HOOK: Key<Rc<dyn PollHook>> = Key::new();

/// The hook in a live frame.
fn hook_in(frame: &FrameSlot) -> Option<Rc<dyn PollHook>> {
    frame.find(&POLL_HOOK).and_then(|value| value.get().cloned())
}

/// Sets the poll hook of the current frame, for the rest of this flow and for all that inherits
/// from it, and returns the one before. `None` takes it away.
///
/// The flow is running: the old hook is left and the new one entered at once.
pub fn set_poll_hook(hook: Option<Rc<dyn PollHook>>) -> Option<Rc<dyn PollHook>> {
    if !settle() {
        return None;
    }
    note_poll_hook();
    leave_poll_hook();
    let number = POLL_HOOK.get();
    // Settled again: the hook may have changed what is current.
    let old = with_settled(|flow| {
        let old = hook_in(&flow.frame);
        let policy = Policy::PLAIN;
        let value = hook.map(|hook| Value::new(&POLL_HOOK, &policy, Some(hook), Entry::BASE));
        let replaced = flow.frame.set(index_of(number), value.map(Value::into_raw));
        drop(replaced);
        old
    });
    enter_poll_hook();
    old.flatten()
}

/// Enters the hook of the current frame.
#[cold]
#[inline(never)]
pub(crate) fn enter_poll_hook() {
    if let Some(hook) = with_flow(|flow| hook_in(&flow.frame)) {
        with_current(|current| {
            abort_on_panic("enter", || current.id_and_kind(), || hook.enter());
        });
    }
}

/// Leaves the hook of the current frame.
#[cold]
#[inline(never)]
pub(crate) fn leave_poll_hook() {
    if let Some(hook) = with_flow(|flow| hook_in(&flow.frame)) {
        with_current(|current| {
            abort_on_panic("leave", || current.id_and_kind(), || hook.leave());
        });
    }
}

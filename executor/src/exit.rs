//! The end of a run to idle, as events: Node's `process.on('beforeExit')` and `'exit'`.

use crate::current;
use crate::event_loop::{EventLoop, RuntimeEvent};
use lunation_context::{Activation, EventEmitter, Frame};
use std::rc::Rc;

/// The events of the runtime this thread is inside of. Node: `process.on`.
///
/// Listeners run as the root (id 1) in the empty context, whatever was current when they were
/// added; use [`EventEmitter::on_bound`] to keep that. One that panics is a failure of the root
/// ([`Builder::on_unhandled`](crate::Builder::on_unhandled)), and those after it are not called.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use lunation_executor::{Runtime, RuntimeEvent, runtime_events, set_immediate};
/// use std::{cell::RefCell, rc::Rc};
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// let runtime = Runtime::new();
/// let (more, last) = (log.clone(), log.clone());
/// runtime.enter(|| {
///     runtime_events().once(RuntimeEvent::BeforeExit, move |_| {
///         more.borrow_mut().push("idle");
///         set_immediate(move || more.borrow_mut().push("more"));
///     });
///     runtime_events().on(RuntimeEvent::Exit, move |_| last.borrow_mut().push("exit"));
/// });
/// runtime.run_to_idle();
/// assert_eq!(*log.borrow(), ["idle", "more", "exit"]);
/// ```
#[track_caller]
pub fn runtime_events() -> Rc<EventEmitter<RuntimeEvent>> {
    current::current().events.clone()
}

impl EventLoop {
    /// Calls the listeners of an event.
    pub(crate) fn emit(&self, event: RuntimeEvent) {
        let events = self.events.clone();
        let root = Activation::root(Frame::empty());
        root.run_silent(|| {
            self.core.guard(&root, || {
                events.emit(&event, &());
            });
        });
    }
}

//! Node's tests of the option `trackPromises`: hooks that get no events of tasks.

use super::activity::Activities;
use super::support::{NamedEvents, async_script};
use lunation::{
    AsyncHooks, AsyncId, ResourceKind, create_hook, execution_async_id, immediate, set_immediate,
    spawn, trigger_async_id,
};
use std::cell::Cell;
use std::rc::Rc;

/// The whole life of a task, and of an immediate that it makes.
fn live() {
    async_script(async {
        let task = spawn(async {
            let task = execution_async_id();
            set_immediate(move || assert_eq!(trigger_async_id(), task));
            immediate().await;
            drop(spawn(async {}));
            1729
        });
        assert_eq!(task.await.expect("no panic"), 1729);
    });
}

#[test]
fn test_track_promises_false() {
    // Node: async-hooks/test-track-promises-false. Assertions: 1 there, 7 here; left out: none.
    // Added: what is not a task is seen, and has the task as its trigger.
    let events = NamedEvents::new(false);
    events.enable();
    async_script(async { spawn(async { 1729 }).await.expect("no panic") });
    assert_eq!(events.journal().take(), "");
    live();
    events.disable();
    assert_eq!(
        events.journal().take(),
        "Immediate.init Immediate.before Immediate.after Immediate.destroy"
    );
}

#[test]
fn test_track_promises_false_check() {
    // Node: async-hooks/test-track-promises-false-check. Assertions: 1 there, 8 here; left out:
    // none. Node looks for its promise hooks; here the events of tasks are told while a hook that
    // wants them is enabled, and to that one only.
    let [without, with] = [false, true].map(NamedEvents::new);
    without.enable();
    let task = || async_script(async { spawn(async { 1729 }).await.expect("no panic") });
    task();
    with.enable();
    task();
    with.disable();
    task();
    without.disable();
    assert_eq!(without.journal().take(), "");
    let trace = with.journal().take();
    assert_eq!(trace, "TASK.init TASK.before TASK.resolve TASK.after TASK.destroy");
}

/// Counts what it is asked and what it is told.
struct Resolved {
    asked: Rc<Cell<u32>>,
    told: Rc<Cell<u32>>,
    tracks_tasks: bool,
}

impl AsyncHooks for Resolved {
    fn promise_resolve(&self, _: AsyncId) {
        self.told.set(self.told.get() + 1);
    }

    fn tracks_tasks(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.tracks_tasks
    }
}

#[test]
fn test_track_promises_validation() {
    // Node: async-hooks/test-track-promises-validation. Assertions: 2 there, 2 here; left out: what
    // is not a boolean (1: types). DIFFERENCE: promise_resolve without the events of tasks is no
    // error, as a trait's method is always there: it is never called. The option is asked once.
    for (tracks_tasks, expected) in [(false, 0), (true, 2)] {
        let [asked, told] = [(); 2].map(|()| Rc::<Cell<u32>>::default());
        let hooks = Resolved { asked: asked.clone(), told: told.clone(), tracks_tasks };
        let hook = create_hook(hooks);
        assert_eq!(asked.get(), 1);
        hook.enable().disable().enable();
        live();
        hook.disable();
        assert_eq!((asked.get(), told.get()), (1, expected));
    }
}

#[test]
fn test_track_promises_true() {
    // Node: async-hooks/test-track-promises-true. Assertions: 3 there, 7 here; left out: none. The
    // first hook says so, the collector says nothing.
    let events = NamedEvents::new(true);
    let seen = Activities::enabled();
    events.enable();
    let id = async_script(async { spawn(async { 1729 }).async_id() });
    events.disable();
    seen.disable();
    let [task] = seen.of("TASK").try_into().ok().expect("one task");
    assert_eq!((task.kind, task.resource.id()), (ResourceKind::Task, id));
    assert_eq!(
        events.journal().take(),
        "TASK.init TASK.before TASK.resolve TASK.after TASK.destroy"
    );
}

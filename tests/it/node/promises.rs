//! Node's tests of hooks and promises. A task is here what a chain of promises is there: one
//! resource from its spawning to its end, whose polls are the continuations.

use super::activity::Activities;
use super::support::{async_script, ms, script};
use lunation::{
    AbortController, AsyncHooks, AsyncId, Hook, ResourceKind, ResourceRef, create_hook,
    execution_async_id, hooks, immediate, microtask, set_timeout, spawn, task, trigger_async_id,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Spawns what `then` is given: its trigger is the task that it waits for.
fn then<F: Future + 'static>(parent: AsyncId, future: F) -> lunation::JoinHandle<F::Output> {
    task::Builder::new().trigger(parent).spawn(future)
}

#[test]
fn test_promise() {
    // Node: async-hooks/test-promise. Assertions: 16 there, 8 here; left out: ids that are numbers
    // and types (4). DIFFERENCE: the parent runs in a microtask, not in the call, so that it has
    // before and after; and both have an end.
    let seen = Activities::enabled();
    async_script(async {
        let in_parent = seen.clone();
        let parent = spawn(async move {
            assert_eq!(in_parent.of("TASK").len(), 2);
            assert_eq!(in_parent.counts("TASK", 0), [1, 1, 0, 0, 0]);
            5
        });
        let (id, in_child) = (parent.async_id(), seen.clone());
        let child = then(id, async move {
            assert_eq!(parent.await.expect("no panic"), 5);
            assert_eq!(in_child.of("TASK").len(), 2);
            assert_eq!(in_child.counts("TASK", 0), [1, 1, 1, 0, 1]);
            assert_eq!(in_child.counts("TASK", 1), [1, 1, 0, 0, 0]);
        });
        child.await.expect("no panic");
        immediate().await;
    });
    seen.disable();
    let [parent, child] = seen.of("TASK").try_into().ok().expect("two tasks");
    assert_eq!((parent.trigger, child.trigger), (AsyncId::ROOT, parent.id));
    assert_eq!([parent.counts, child.counts], [[1, 1, 1, 1, 1]; 2]);
}

/// Notes events of tasks that are older than the hook.
#[derive(Clone, Default)]
struct Unknown(Rc<RefCell<Vec<(&'static str, AsyncId)>>>);

impl AsyncHooks for Unknown {
    fn init(&self, id: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.0.borrow_mut().push(("init", id));
    }

    fn before(&self, id: AsyncId) {
        self.0.borrow_mut().push(("before", id));
    }

    fn after(&self, id: AsyncId) {
        self.0.borrow_mut().push(("after", id));
    }
}

#[test]
fn test_promise_chain_promise_before_init_hooks() {
    // Node: async-hooks/test-promise.chain-promise-before-init-hooks. Assertions: 7 there, 3 here;
    // left out: ids that are numbers and types (2).
    let unknown = Unknown::default();
    let hook = create_hook(unknown.clone());
    let id = async_script(async {
        let parent = std::future::ready(5);
        let child = spawn(async move { assert_eq!(parent.await, 5) });
        let id = child.async_id();
        hook.enable();
        child.await.expect("no panic");
        hook.disable();
        id
    });
    assert_eq!(*unknown.0.borrow(), [("before", id), ("after", id)]);
}

#[test]
fn test_promise_promise_before_init_hooks() {
    // Node: async-hooks/test-promise.promise-before-init-hooks. Assertions: 9 there, 5 here; left
    // out: ids that are numbers and types (2). The parent's id is known here.
    let (seen, parent) = async_script(async {
        let parent = spawn(async { 5 });
        let (id, seen) = (parent.async_id(), Activities::enabled());
        let in_child = seen.clone();
        let child = then(id, async move {
            assert_eq!(parent.await.expect("no panic"), 5);
            assert_eq!(in_child.of("TASK").len(), 1);
            assert_eq!(in_child.counts("TASK", 0), [1, 1, 0, 0, 0]);
        });
        child.await.expect("no panic");
        (seen, id)
    });
    seen.disable();
    assert_eq!(seen.nth("TASK", 0).trigger, parent);
    assert_eq!(seen.counts("TASK", 0)[..3], [1, 1, 1]);
}

#[test]
fn test_track_promises_default() {
    // Node: async-hooks/test-track-promises-default. Assertions: 3 there, 2 here; left out: none.
    // The resource of a task has its id.
    let seen = Activities::enabled();
    let id = async_script(async { spawn(async { 1729 }).async_id() });
    seen.disable();
    let [task] = seen.of("TASK").try_into().ok().expect("one task");
    assert_eq!(task.kind, ResourceKind::Task);
    assert_eq!((task.id, task.resource.id()), (id, id));
}

#[test]
fn test_async_hooks_async_await() {
    // Node: parallel/test-async-hooks-async-await. Assertions: 3 there, 3 here; left out: none.
    // What an async function starts, before its await and after it, hangs off the function.
    let seen = Activities::enabled();
    async_script(async {
        let main = spawn(async {
            let nested = async {
                spawn(async {});
            };
            spawn(nested).await.expect("no panic");
            spawn(async {});
        });
        main.await.expect("no panic");
    });
    seen.disable();
    let tasks = seen.of("TASK");
    assert_eq!(tasks[0].id, tasks[1].trigger);
    assert_eq!(tasks[0].id, tasks[3].trigger);
    assert_eq!(tasks[1].id, tasks[2].trigger);
}

struct Nothing;
impl AsyncHooks for Nothing {}

#[test]
fn test_async_hooks_correctly_switch_promise_hook() {
    // Node: parallel/test-async-hooks-correctly-switch-promise-hook. Assertions: 1 there, 2 here;
    // left out: none. A second hook changes nothing for the first.
    let seen = Activities::enabled();
    let second = create_hook(Nothing);
    second.enable();
    async_script(async {
        spawn(async { spawn(async {}).await }).await.expect("no panic").expect("no panic");
    });
    second.disable();
    seen.disable();
    // The outer one waits once.
    assert_eq!(seen.counts("TASK", 0), [1, 2, 2, 1, 1]);
    assert_eq!(seen.counts("TASK", 1), [1, 1, 1, 1, 1]);
}

/// Counts the calls of one event.
#[derive(Clone, Default)]
struct Counter {
    inits: Rc<Cell<usize>>,
    afters: Rc<Cell<usize>>,
}

impl AsyncHooks for Counter {
    fn init(&self, _: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
        if kind == ResourceKind::Task {
            self.inits.set(self.inits.get() + 1);
        }
    }

    fn after(&self, _: AsyncId) {
        self.afters.set(self.afters.get() + 1);
    }
}

#[test]
fn test_async_hooks_enable_before_promise_resolve() {
    // Node: parallel/test-async-hooks-enable-before-promise-resolve. Assertions: 4 there, 3 here;
    // left out: none (the journal counts the call). An abort stands for the promise.
    let counter = Counter::default();
    let hook = Rc::new(create_hook(counter.clone()));
    let enabled = hook.clone();
    let trace = script(|j| {
        let (controller, timer) = (AbortController::new(), Rc::new(Cell::new(AsyncId::ROOT)));
        let (promise, initial) = (controller.signal().until_aborted(), timer.clone());
        set_timeout(ms(1), move || {
            initial.set(execution_async_id());
            enabled.enable();
            controller.abort();
        });
        let journal = j.clone();
        spawn(async move {
            promise.await;
            let id = execution_async_id();
            journal.add(format_args!("{} {}", id != timer.get(), id.get() > 0));
        });
    });
    hook.disable();
    assert_eq!(trace, "true true");
    assert_eq!(counter.afters.get(), 2);
}

#[test]
fn test_async_hooks_enable_disable_enable() {
    // Node: parallel/test-async-hooks-enable-disable-enable. Assertions: 2 there, 2 here; left out:
    // none. DIFFERENCE: a task has its own id from its first line on, and keeps it across awaits.
    let [first, second]: [Hook; 2] = std::array::from_fn(|_| create_hook(Counter::default()));
    first.enable().disable().enable();
    second.enable();
    async_script(async {
        let main = spawn(async {
            let initial = execution_async_id();
            assert_ne!(initial, AsyncId::ROOT);
            microtask().await;
            assert_eq!(execution_async_id(), initial);
        });
        main.await.expect("no panic");
    });
    first.disable();
    second.disable();
}

#[test]
fn test_async_hooks_enabledhooksexits() {
    // Node: parallel/test-async-hooks-enabledhooksexits. Assertions: 4 there, 4 here; left out:
    // none.
    assert!(!hooks::enabled());
    let hook = create_hook(Nothing);
    assert!(!hooks::enabled());
    hook.enable();
    assert!(hooks::enabled());
    hook.disable();
    assert!(!hooks::enabled());
}

#[test]
fn test_async_hooks_promise_enable_disable() {
    // Node: parallel/test-async-hooks-promise-enable-disable. Assertions: 5 there, 3 here; left
    // out: none (a task that never ran would not be joined).
    let counter = Counter::default();
    let hook = Rc::new(create_hook(counter.clone()));
    hook.enable().disable().disable();
    async_script(async {
        let (enabled, first) = (hook.clone(), spawn(async { 42 }));
        let second = spawn(async move {
            let value = first.await.expect("no panic");
            enabled.enable().enable();
            let promise = spawn(async move { value });
            enabled.disable();
            promise.await
        });
        assert_eq!(second.await.expect("no panic").expect("no panic"), 42);
        hook.enable();
        let promise = spawn(async { 42 });
        hook.disable();
        assert_eq!(promise.await.expect("no panic"), 42);
    });
    assert_eq!(counter.inits.get(), 2);
}

#[test]
fn test_async_hooks_promise_triggerid() {
    // Node: parallel/test-async-hooks-promise-triggerid. Assertions: 9 there, 5 here; left out:
    // none. DIFFERENCE: the parent has before and after too.
    let seen = Activities::enabled();
    async_script(async {
        let parent = spawn(async { 42 });
        let (first, inner) = (parent.async_id(), seen.clone());
        let child = then(first, async move {
            parent.await.expect("no panic");
            assert_eq!(execution_async_id(), inner.nth("TASK", 1).id);
            assert_eq!(trigger_async_id(), first);
            spawn(async { 10 });
        });
        child.await.expect("no panic");
    });
    seen.disable();
    let [parent, child, last] = seen.of("TASK").try_into().ok().expect("three tasks");
    assert_eq!(parent.trigger, AsyncId::ROOT);
    assert_eq!((child.trigger, last.trigger), (parent.id, child.id));
    assert_eq!(child.counts[..3], [1, 1, 1]);
}

#[test]
fn test_async_hooks_promise() {
    // Node: parallel/test-async-hooks-promise. Assertions: 11 there, 3 here; left out: the fields
    // of the resource that only a promise has (4: parent, promise).
    let seen = Activities::enabled();
    let ids = async_script(async {
        let first = spawn(async { 42 });
        let second = then(first.async_id(), async {});
        [first.async_id(), second.async_id()]
    });
    seen.disable();
    let [first, second] = seen.of("TASK").try_into().ok().expect("two tasks");
    assert_eq!((first.trigger, second.trigger), (AsyncId::ROOT, first.id));
    assert_eq!([first.id, second.id], ids);
    assert_eq!([first.resource.id(), second.resource.id()], ids);
}

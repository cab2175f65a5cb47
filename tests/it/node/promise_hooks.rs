//! Node's tests of `v8.promiseHooks`: the same four events, of tasks, by async hooks that look at
//! nothing else. A promise's parent is a task's trigger.

use super::support::{async_script, throw};
use crate::support::Journal;
use lunation::{
    AsyncHooks, AsyncId, Hook, JoinHandle, ResourceKind, ResourceRef, create_hook, immediate,
    microtask, spawn, task,
};
use std::cell::RefCell;
use std::collections::HashMap;

/// Adds the events of tasks that are asked for, under the tasks' names in their order.
struct TaskHooks {
    journal: Journal,
    events: &'static [&'static str],
    names: RefCell<HashMap<AsyncId, char>>,
}

impl TaskHooks {
    fn enabled(journal: &Journal, events: &'static [&'static str]) -> Hook {
        let (journal, names) = (journal.clone(), RefCell::default());
        let hook = create_hook(TaskHooks { journal, events, names });
        hook.enable();
        hook
    }

    fn name(&self, id: AsyncId) -> Option<char> {
        self.names.borrow().get(&id).copied()
    }

    fn note(&self, id: AsyncId, event: &str) {
        if let Some(name) = self.name(id).filter(|_| self.events.contains(&event)) {
            self.journal.add(format_args!("{event}({name})"));
        }
    }
}

impl AsyncHooks for TaskHooks {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, _: &ResourceRef) {
        if kind != ResourceKind::Task {
            return;
        }
        let name = ('a'..).nth(self.names.borrow().len()).expect("few tasks");
        self.names.borrow_mut().insert(id, name);
        if self.events.contains(&"init") {
            let parent = self.name(trigger).unwrap_or('-');
            self.journal.add(format_args!("init({name},{parent})"));
        }
    }

    fn before(&self, id: AsyncId) {
        self.note(id, "before");
    }

    fn after(&self, id: AsyncId) {
        self.note(id, "after");
    }

    fn destroy(&self, id: AsyncId) {
        self.note(id, "destroy");
    }

    fn promise_resolve(&self, id: AsyncId) {
        self.note(id, "resolve");
    }
}

/// `parent.then(f)`.
fn then<T: 'static>(parent: JoinHandle<T>, f: impl FnOnce() + 'static) -> JoinHandle<()> {
    task::Builder::new().trigger(parent.async_id()).spawn(async move {
        parent.await.expect("no panic");
        f();
    })
}

#[test]
fn test_promise_hook_create_hook() {
    // Node: parallel/test-promise-hook-create-hook. Assertions: 9 there, 15 here; left out: none.
    // A task runs once more than a promise: it begins to wait for its parent.
    let journal = Journal::default();
    let hook = TaskHooks::enabled(&journal, &["init", "before", "after", "resolve"]);
    let (first, second) = (journal.clone(), journal.clone());
    async_script(async {
        let parent = spawn(async {});
        let child = then(parent, move || first.add("child"));
        let grandchild = then(child, move || {
            second.add("grandchild");
            hook.disable();
        });
        grandchild.await.expect("no panic");
    });
    assert_eq!(
        journal.take(),
        "init(a,-) init(b,a) init(c,b) before(a) resolve(a) after(a) \
         before(b) child resolve(b) after(b) before(c) grandchild"
    );
}

#[test]
fn test_promise_hook_on_init() {
    // Node: parallel/test-promise-hook-on-init. Assertions: 7 there, 3 here; left out: none (the
    // journal counts the calls).
    let journal = Journal::default();
    let hook = TaskHooks::enabled(&journal, &["init"]);
    async_script(async {
        let parent = spawn(async {});
        assert_eq!(journal.take(), "init(a,-)");
        let child = then(parent, || ());
        assert_eq!(journal.take(), "init(b,a)");
        hook.disable();
        drop(spawn(async {}));
        assert_eq!(journal.take(), "");
        child.await.expect("no panic");
    });
}

#[test]
fn test_promise_hook_on_before() {
    // Node: parallel/test-promise-hook-on-before. Assertions: 5 there, 2 here; left out: that a
    // hook is no async function (2: types).
    let journal = Journal::default();
    let hook = TaskHooks::enabled(&journal, &["before"]);
    let j = journal.clone();
    async_script(async {
        let promise = spawn(async move {
            assert_eq!(j.take(), "before(a)");
            hook.disable();
        });
        assert_eq!(journal.take(), "");
        then(promise, || ()).await.expect("no panic");
    });
}

#[test]
fn test_promise_hook_on_after() {
    // Node: parallel/test-promise-hook-on-after. Assertions: 4 there, 3 here; left out: none (the
    // journal counts the calls).
    let journal = Journal::default();
    let hook = TaskHooks::enabled(&journal, &["after"]);
    let [first, second] = [(); 2].map(|()| journal.clone());
    async_script(async {
        let promise = spawn(async move { assert_eq!(first.take(), "") });
        let next = then(promise, move || {
            assert_eq!(second.take(), "after(a)");
            hook.disable();
        });
        assert_eq!(journal.take(), "");
        next.await.expect("no panic");
    });
}

#[test]
fn test_promise_hook_on_resolve() {
    // Node: parallel/test-promise-hook-on-resolve. Assertions: 7 there, 7 here; left out: none (the
    // journal counts the calls). DIFFERENCE: a task that panics, Node's rejected promise, or that
    // is aborted resolves to nothing: what its end tells is destroy.
    let journal = Journal::default();
    let hook = TaskHooks::enabled(&journal, &["resolve", "destroy"]);
    async_script(async {
        let resolved = spawn(immediate());
        microtask().await;
        assert_eq!(journal.take(), "");
        resolved.await.expect("no panic");
        assert_eq!(journal.take(), "resolve(a)");
        let rejected = spawn(async { throw::<()>("rejected") });
        assert!(rejected.await.expect_err("a panic").is_panic());
        let aborted = spawn(immediate());
        aborted.abort();
        assert!(aborted.await.expect_err("aborted").is_cancelled());
        immediate().await;
        assert_eq!(journal.take(), "destroy(a) destroy(b) destroy(c)");
    });
    hook.disable();
}

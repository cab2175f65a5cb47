//! Hook events: order, counts, contexts, and what a hook may do while it is called.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::rc::Rc;

use lunation_context::{
    Activation, AsyncHooks, AsyncId, AsyncLocalStorage, AsyncResource, Hook, Resource,
    ResourceKind, ResourceRef, create_hook, execution_async_id, hooks, snapshot,
};

use crate::support::{Journal, YieldOnce, poll_once};

static CONTEXT: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

/// Notes every event with its name, execution id and store.
struct Noting {
    name: &'static str,
    journal: Journal,
}

impl Noting {
    fn hook(name: &'static str, journal: &Journal) -> Hook {
        create_hook(Noting { name, journal: journal.clone() })
    }

    fn note(&self, event: &str, id: AsyncId) {
        let (exec, store) = (execution_async_id(), CONTEXT.cloned().unwrap_or("-"));
        self.journal.note(format!("{}{event} {id} exec {exec} {store}", self.name));
    }
}

impl AsyncHooks for Noting {
    fn init(&self, id: AsyncId, kind: ResourceKind, trigger: AsyncId, resource: &ResourceRef) {
        assert_eq!((resource.id(), resource.trigger_id(), resource.kind()), (id, trigger, kind));
        self.note(&format!("init {kind} trigger {trigger}"), id);
    }
    fn before(&self, id: AsyncId) {
        self.note("before", id);
    }
    fn after(&self, id: AsyncId) {
        self.note("after", id);
    }
    fn destroy(&self, id: AsyncId) {
        self.note("destroy", id);
    }
    fn promise_resolve(&self, id: AsyncId) {
        self.note("resolve", id);
    }
}

/// Calls a closure for each event.
struct Calling<F: Fn(&str, AsyncId)>(F);

impl<F: Fn(&str, AsyncId)> AsyncHooks for Calling<F> {
    fn init(&self, id: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.0("init", id);
    }
    fn before(&self, id: AsyncId) {
        self.0("before", id);
    }
    fn after(&self, id: AsyncId) {
        self.0("after", id);
    }
    fn destroy(&self, id: AsyncId) {
        self.0("destroy", id);
    }
}

fn calling(f: impl Fn(&str, AsyncId) + 'static) -> Hook {
    create_hook(Calling(f))
}

#[test]
fn events_of_a_task_and_their_contexts() {
    let journal = Journal::default();
    let hook = Noting::hook("", &journal);
    hook.enable();
    let site = Location::caller();
    let task = CONTEXT.run("creator", || Activation::create(ResourceKind::Task, site));
    task.run(|| {
        CONTEXT.enter_with("task");
        journal.note("poll");
    });
    task.run(|| {
        task.resolve_and_end();
        journal.note("done");
    });
    hooks::flush_destroys();
    hook.disable();
    #[rustfmt::skip]
    assert_eq!(journal.take(), [
        "init TASK trigger 1 2 exec 1 creator",
        "before 2 exec 2 creator", "poll", "after 2 exec 2 task",
        "before 2 exec 2 task", "resolve 2 exec 2 task", "done", "after 2 exec 2 task",
        "destroy 2 exec 0 -",
    ]);
    task.run(|| ());
    task.end();
    assert!(!hooks::enabled());
    assert!(journal.take().is_empty());
}

/// Notes kinds and events, of tasks or without them.
struct Tracking(bool, Journal);

impl AsyncHooks for Tracking {
    fn init(&self, _: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.1.note(format!("{} {kind}", self.0));
    }
    fn before(&self, _: AsyncId) {
        self.1.note(format!("{} before", self.0));
    }
    fn destroy(&self, _: AsyncId) {
        self.1.note(format!("{} destroy", self.0));
    }
    fn promise_resolve(&self, _: AsyncId) {
        self.1.note(format!("{} resolve", self.0));
    }
    fn tracks_tasks(&self) -> bool {
        self.0
    }
}

#[test]
fn hooks_without_tasks() {
    let journal = Journal::default();
    let [with, without] = [true, false].map(|all| create_hook(Tracking(all, journal.clone())));
    let live = || {
        let task = Activation::create(ResourceKind::Task, Location::caller());
        task.run(|| AsyncResource::new("X").run_in_async_scope(|| ()));
        task.resolve_and_end();
        hooks::flush_destroys();
        journal.take()
    };
    without.enable();
    assert_eq!(live(), ["false X", "false before", "false destroy"]);
    with.enable();
    #[rustfmt::skip]
    assert_eq!(live(), [
        "true TASK", "true before",
        "false X", "true X", "false before", "true before",
        "true resolve",
        "false destroy", "true destroy", "true destroy",
    ]);
    without.disable();
    with.disable();
}

#[test]
fn nested_and_panicking_calls() {
    let journal = Journal::default();
    let (x, y) = (AsyncResource::new("X"), AsyncResource::new("Y"));
    let hook = Noting::hook("", &journal);
    hook.enable();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        x.run_in_async_scope(|| {
            y.run_in_async_scope(|| x.run_in_async_scope(|| panic!("expected")))
        })
    }));
    hook.disable();
    assert!(unwound.is_err());
    #[rustfmt::skip]
    assert_eq!(journal.take(), [
        "before 2 exec 2 -", "before 3 exec 3 -", "before 2 exec 2 -",
        "after 2 exec 2 -", "after 3 exec 3 -", "after 2 exec 2 -",
    ]);
}

#[test]
fn hooks_are_called_in_the_order_of_enabling_and_once() {
    let journal = Journal::default();
    let (a, b) = (Noting::hook("a:", &journal), Noting::hook("b:", &journal));
    b.enable().enable();
    a.enable();
    b.enable();
    let resource = AsyncResource::new("R");
    b.disable().disable();
    b.enable();
    resource.run_in_async_scope(|| ());
    a.disable();
    b.disable();
    #[rustfmt::skip]
    assert_eq!(journal.take(), [
        "b:init R trigger 1 2 exec 1 -", "a:init R trigger 1 2 exec 1 -",
        "a:before 2 exec 2 -", "b:before 2 exec 2 -",
        "a:after 2 exec 2 -", "b:after 2 exec 2 -",
    ]);
}

#[test]
fn enabled_and_disabled_inside_a_callback() {
    let journal = Journal::default();
    let hook = Noting::hook("", &journal);
    let resource = AsyncResource::new("R");
    resource.run_in_async_scope(|| {
        hook.enable();
    });
    assert_eq!(journal.take(), ["after 2 exec 2 -"]);
    resource.run_in_async_scope(|| {
        hook.disable();
    });
    assert_eq!(journal.take(), ["before 2 exec 2 -"]);
}

#[test]
fn changes_inside_an_emission_wait_for_its_end() {
    let journal = Journal::default();
    let inner = Noting::hook("inner:", &journal);
    let (note, enable) = (journal.clone(), inner.clone());
    let outer = calling(move |event, id| {
        note.note(format!("outer:{event} {id}"));
        if event == "before" {
            enable.enable();
        }
        if event == "after" {
            enable.disable();
        }
    });
    outer.enable();
    AsyncResource::new("R").run_in_async_scope(|| journal.note("run"));
    hooks::flush_destroys();
    outer.disable();
    #[rustfmt::skip]
    assert_eq!(journal.take(), [
        "outer:init 2", "outer:before 2", "run", "outer:after 2", "inner:after 2 exec 2 -",
        "outer:destroy 2",
    ]);
}

#[test]
fn a_hook_may_disable_itself() {
    let journal = Journal::default();
    let own: Rc<RefCell<Option<Hook>>> = Rc::default();
    let (note, me) = (journal.clone(), Rc::clone(&own));
    let hook = calling(move |event, id| {
        note.note(format!("{event} {id}"));
        if let Some(hook) = me.take() {
            hook.disable();
        }
    });
    hook.enable();
    own.replace(Some(hook));
    drop(AsyncResource::new("R"));
    drop(AsyncResource::new("S"));
    hooks::flush_destroys();
    assert_eq!(journal.take(), ["init 2"]);
}

#[test]
fn changes_wait_for_the_outermost_emission() {
    let journal = Journal::default();
    let own: Rc<RefCell<Option<Hook>>> = Rc::default();
    let (nested, inner) = (AsyncResource::new("NESTED"), Noting::hook("inner:", &journal));
    let (note, me, enable) = (journal.clone(), Rc::clone(&own), inner.clone());
    let hook = calling(move |event, id| {
        note.note(format!("{event} {id}"));
        if let Some(hook) = me.take() {
            hook.disable();
            drop(hook);
            enable.enable();
            nested.run_in_async_scope(|| ());
            note.note("still enabled");
        }
    });
    hook.enable();
    own.replace(Some(hook));
    AsyncResource::new("R").run_in_async_scope(|| journal.note("run"));
    inner.disable();
    #[rustfmt::skip]
    assert_eq!(journal.take(), [
        "init 3", "before 2", "after 2", "still enabled",
        "inner:before 3 exec 3 -", "run", "inner:after 3 exec 3 -",
    ]);
}

#[test]
fn resources_of_hook_callbacks_are_silent_for_life() {
    let journal = Journal::default();
    let kept: Rc<RefCell<Vec<AsyncResource>>> = Rc::default();
    let (note, keep) = (journal.clone(), Rc::clone(&kept));
    let hook = calling(move |event, id| {
        note.note(format!("{event} {id}"));
        if event == "init" {
            keep.borrow_mut().push(AsyncResource::new("SILENT"));
        }
    });
    hook.enable();
    drop(AsyncResource::new("R"));
    let silent = kept.take().pop().expect("made in init");
    let child = silent.run_in_async_scope(|| AsyncResource::new("CHILD"));
    let grandchild = child.run_in_async_scope(|| snapshot());
    grandchild.run(|| ());
    let mut scope = pin!(silent.scope(YieldOnce::default()));
    assert!(poll_once(scope.as_mut()).is_pending());
    hook.disable();
    let unwatched = silent.run_in_async_scope(|| AsyncResource::new("UNWATCHED"));
    hook.enable();
    silent.run_in_async_scope(|| ());
    unwatched.run_in_async_scope(|| ());
    drop((silent, child, grandchild, unwatched));
    hooks::flush_destroys();
    hook.disable();
    // Disabling cleared the queue; R's destroy was in it.
    assert_eq!(journal.take(), ["init 2"]);
}

#[test]
fn destroys_are_queued_and_flushed_together() {
    let journal = Journal::default();
    let late: Rc<RefCell<Option<AsyncResource>>> = Rc::default();
    let (note, drop_late) = (journal.clone(), Rc::clone(&late));
    let hook = calling(move |event, id| {
        if event == "destroy" {
            note.note(format!("destroy {id} exec {}", execution_async_id()));
            drop(drop_late.take());
        }
    });
    AsyncResource::new("BEFORE").emit_destroy();
    hook.enable();
    late.replace(Some(AsyncResource::new("LATE")));
    let twice = AsyncResource::new("TWICE");
    twice.emit_destroy().emit_destroy();
    twice.run_in_async_scope(|| journal.note("usable"));
    drop(twice);
    drop(AsyncResource::builder("MANUAL").manual_destroy(true).build());
    let resource = Resource::create(ResourceKind::Timeout, Location::caller());
    resource.destroy();
    resource.destroy();
    journal.note("flush");
    hooks::flush_destroys();
    hooks::flush_destroys();
    hook.disable();
    assert_eq!(
        journal.take(),
        ["usable", "flush", "destroy 4 exec 0", "destroy 6 exec 0", "destroy 3 exec 0"]
    );
}

#[test]
fn a_bound_function_keeps_its_resource() {
    let journal = Journal::default();
    let hook = Noting::hook("", &journal);
    let resource = AsyncResource::new("R");
    hook.enable();
    let bound = resource.bind(|| ());
    drop(resource);
    hooks::flush_destroys();
    assert!(journal.take().is_empty());
    drop(bound);
    hooks::flush_destroys();
    hook.disable();
    assert_eq!(journal.take(), ["destroy 2 exec 0 -"]);
}

#[test]
fn a_scope_reports_its_polls_not_its_drop() {
    let journal = Journal::default();
    let hook = Noting::hook("", &journal);
    let resource = AsyncResource::new("R");
    hook.enable();
    {
        let mut scope = pin!(resource.scope(YieldOnce::default()));
        assert!(poll_once(scope.as_mut()).is_pending());
        assert!(poll_once(scope.as_mut()).is_ready());
        drop(resource);
        let mut unfinished = pin!(AsyncResource::new("S").scope(YieldOnce::default()));
        assert!(poll_once(unfinished.as_mut()).is_pending());
    }
    hooks::flush_destroys();
    hook.disable();
    #[rustfmt::skip]
    assert_eq!(journal.take(), [
        "before 2 exec 2 -", "after 2 exec 2 -", "before 2 exec 2 -", "after 2 exec 2 -",
        "init S trigger 1 3 exec 1 -", "before 3 exec 3 -", "after 3 exec 3 -",
        "destroy 3 exec 0 -", "destroy 2 exec 0 -",
    ]);
}

#[test]
fn the_destroys_of_a_flush_reach_who_is_enabled_then() {
    let journal = Journal::default();
    let next = Noting::hook("next:", &journal);
    let own: Rc<RefCell<Option<Hook>>> = Rc::default();
    let (note, me, enable) = (journal.clone(), Rc::clone(&own), next.clone());
    let hook = calling(move |event, id| {
        if event == "destroy" {
            note.note(format!("destroy {id}"));
            me.take().expect("once").disable();
            enable.enable();
        }
    });
    hook.enable();
    own.replace(Some(hook));
    drop([AsyncResource::new("R"), AsyncResource::new("S")]);
    hooks::flush_destroys();
    next.disable();
    assert_eq!(journal.take(), ["destroy 2", "next:destroy 3 exec 0 -"]);
}

/// Keeps, or marks, what `init` shows of every third resource.
struct Keeping(Rc<RefCell<Vec<ResourceRef>>>);

impl AsyncHooks for Keeping {
    fn init(&self, id: AsyncId, _: ResourceKind, _: AsyncId, resource: &ResourceRef) {
        assert_eq!(resource.extensions().get::<AsyncId>(), None);
        match id.get() % 3 {
            0 => self.0.borrow_mut().push(resource.clone()),
            1 => _ = resource.extensions().insert(id),
            _ => {}
        }
    }
}

#[test]
fn what_init_shows_is_the_resources_own() {
    let kept = Rc::default();
    let hook = create_hook(Keeping(Rc::clone(&kept)));
    hook.enable();
    let site = Location::caller();
    let made: Vec<_> = (0..9).map(|_| Activation::create(ResourceKind::Timeout, site)).collect();
    hook.disable();
    for resource in &made {
        let (id, described) = (resource.id(), resource.existing_resource());
        assert_eq!(described.is_some(), id.get() % 3 != 2, "{id}");
        assert_eq!(resource.resource().id(), id);
        let marked = resource.resource().extensions().get::<AsyncId>();
        assert_eq!(marked.as_deref(), Some(&id).filter(|id| id.get() % 3 == 1));
        resource.resource().extensions().insert(id.get());
    }
    let kept = kept.take();
    let ids: Vec<_> = kept.iter().map(|resource| resource.id().get()).collect();
    assert_eq!(ids, [3, 6, 9]);
    for resource in kept {
        assert_eq!(*resource.extensions().get::<u64>().expect("attached"), resource.id().get());
    }
}

#[test]
fn the_root_and_the_loop_are_no_news() {
    let journal = Journal::default();
    let hook = Noting::hook("", &journal);
    hook.enable();
    Activation::of_loop().run(|| {
        let made = AsyncResource::builder("BY_LOOP").trigger(AsyncId::LOOP).build();
        assert_eq!(made.trigger_async_id(), AsyncId::LOOP);
    });
    hook.disable();
    assert_eq!(journal.take(), ["init BY_LOOP trigger 0 2 exec 0 -"]);
}

#[test]
fn a_dropped_hook_may_use_hooks() {
    let dropped = Rc::new(Cell::new(false));
    struct InDrop(Rc<Cell<bool>>);
    impl AsyncHooks for InDrop {}
    impl Drop for InDrop {
        fn drop(&mut self) {
            create_hook(Calling(|_, _| ())).enable().disable();
            self.0.set(true);
        }
    }
    let hook = create_hook(InDrop(Rc::clone(&dropped)));
    hook.enable().disable();
    drop(hook);
    assert!(dropped.get());
    let other: Rc<RefCell<Option<Hook>>> = Rc::default();
    let hook = create_hook(InDrop(Rc::new(Cell::new(false))));
    hook.enable();
    other.replace(Some(hook));
    let last = other.take();
    if let Some(last) = &last {
        last.disable();
    }
}

//! `EventEmitter` and `EventEmitterAsyncResource`.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use lunation_context::{
    AsyncHooks, AsyncId, AsyncLocalStorage, AsyncResource, EventEmitter, EventEmitterAsyncResource,
    ListenerId, ResourceKind, ResourceRef, create_hook, execution_async_id, hooks,
};

use crate::support::{Counted, Journal, OnDrop};

type Emitter = EventEmitter<&'static str>;

/// A listener that notes its name.
fn notes(journal: &Journal, name: &'static str) -> impl Fn(&()) + 'static + use<> {
    let journal = journal.clone();
    move |()| journal.note(name)
}

#[test]
fn listeners_are_called_in_order() {
    let (journal, emitter) = (Journal::default(), Emitter::new());
    assert!(!emitter.emit("a", &()));
    emitter.on("a", notes(&journal, "1"));
    emitter.once("a", notes(&journal, "once"));
    emitter.prepend("a", notes(&journal, "0"));
    emitter.prepend_once("a", notes(&journal, "first"));
    emitter.on("b", notes(&journal, "b"));
    assert!(emitter.emit("a", &()) && emitter.emit("a", &()));
    assert_eq!(journal.take(), ["first", "0", "1", "once", "0", "1"]);
    assert_eq!((emitter.listener_count("a"), emitter.listener_count("c")), (2, 0));
}

#[test]
fn listeners_get_the_argument_by_reference() {
    #[derive(PartialEq, Eq, Hash, Clone, Debug)]
    enum On {
        Data,
        End,
    }
    let (journal, emitter) = (Journal::default(), EventEmitter::<On, str>::new());
    let log = journal.clone();
    emitter.on(On::Data, move |text| log.note(text));
    assert!(emitter.emit(&On::Data, "bytes"));
    assert!(!emitter.emit(&On::End, ""));
    assert_eq!(journal.take(), ["bytes"]);
    assert_eq!(emitter.event_names(), [On::Data]);
}

#[test]
fn names_are_in_the_order_of_their_first_listeners() {
    let emitter = Emitter::new();
    let first = emitter.on("z", |()| ());
    emitter.on("b", |()| ());
    emitter.on("a", |()| ());
    emitter.on("z", |()| ());
    assert!(emitter.off("z", first));
    assert_eq!(emitter.event_names(), ["z", "b", "a"]);
    emitter.remove_all("b");
    emitter.once("a", |()| ());
    emitter.on("b", |()| ());
    assert_eq!(emitter.event_names(), ["z", "a", "b"]);
}

#[test]
fn off_removes_one_listener_of_that_event() {
    let (journal, emitter) = (Journal::default(), Emitter::new());
    let first = emitter.on("a", notes(&journal, "first"));
    let second = emitter.on("a", notes(&journal, "second"));
    assert!(!emitter.off("b", first), "of another event");
    assert!(emitter.off("a", first));
    assert!(!emitter.off("a", first), "gone already");
    emitter.emit("a", &());
    assert_eq!(journal.take(), ["second"]);
    assert!(emitter.off("a", second));
    assert!(!emitter.emit("a", &()));
    assert!(emitter.event_names().is_empty());
}

#[test]
fn changes_during_an_emit_count_from_the_next_one_on() {
    let (journal, emitter) = (Journal::default(), Rc::new(Emitter::new()));
    let (log, inner) = (journal.clone(), Rc::downgrade(&emitter));
    let victim: Rc<Cell<Option<ListenerId>>> = Rc::default();
    let target = Rc::clone(&victim);
    emitter.once("a", move |()| {
        let emitter = inner.upgrade().expect("it emits");
        emitter.on("a", notes(&log, "added"));
        emitter.off("a", target.get().expect("set below"));
        log.note(format!("changed, {} left", emitter.listener_count("a")));
    });
    victim.set(Some(emitter.on("a", notes(&journal, "removed"))));
    emitter.emit("a", &());
    assert_eq!(journal.take(), ["changed, 1 left", "removed"]);
    emitter.emit("a", &());
    assert_eq!(journal.take(), ["added"]);
}

#[test]
fn a_once_listener_never_runs_twice() {
    let (journal, emitter) = (Journal::default(), Rc::new(Emitter::new()));
    let (log, inner, depth) = (journal.clone(), Rc::downgrade(&emitter), Cell::new(0));
    emitter.on("a", move |()| {
        let emitter = inner.upgrade().expect("it emits");
        log.note(format!("each, {} there", emitter.listener_count("a")));
        if depth.replace(depth.get() + 1) == 0 {
            // The inner emit takes the once listener away from the outer one.
            emitter.emit("a", &());
        }
    });
    let (log, inner) = (journal.clone(), Rc::downgrade(&emitter));
    emitter.once("a", move |()| {
        let emitter = inner.upgrade().expect("it emits");
        log.note(format!("once, {} there", emitter.listener_count("a")));
        emitter.emit("a", &());
    });
    emitter.emit("a", &());
    let expected = ["each, 2 there", "each, 2 there", "once, 1 there", "each, 1 there"];
    assert_eq!(journal.take(), expected);
}

#[test]
fn a_panic_ends_the_emit_and_goes_to_its_caller() {
    let (journal, emitter) = (Journal::default(), Emitter::new());
    emitter.on("a", notes(&journal, "first"));
    emitter.once("a", |()| resume_unwind(Box::new("expected")));
    emitter.on("a", notes(&journal, "last"));
    let unwound = catch_unwind(AssertUnwindSafe(|| emitter.emit("a", &())));
    assert_eq!(unwound.expect_err("it panics").downcast_ref(), Some(&"expected"));
    assert!(emitter.emit("a", &()));
    assert_eq!(journal.take(), ["first", "first", "last"]);
}

#[test]
fn listeners_run_in_the_context_of_the_emit() {
    // Node: `e=run('ctor',()=>new EventEmitter()); run('on',()=>e.on('x',p)); run('emit', ..)`.
    let (journal, a) = (Journal::default(), Rc::new(AsyncLocalStorage::new()));
    let notes = |what: &'static str| {
        let (journal, a) = (journal.clone(), Rc::clone(&a));
        move |(): &()| journal.note(format!("{what}={}", a.cloned().unwrap_or("-")))
    };
    let plain = a.run("ctor", Emitter::new);
    let with_resource = a.run("ctor", || EventEmitterAsyncResource::<&str>::new("E"));
    a.run("on", || {
        plain.on("x", notes("plain"));
        plain.on_bound("x", notes("bound"));
        with_resource.on("x", notes("resource"));
    });
    a.run("emit", || (plain.emit("x", &()), with_resource.emit("x", &())));
    assert_eq!(journal.take(), ["plain=emit", "bound=on", "resource=ctor"]);
}

#[test]
fn what_a_listener_sets_stays_for_the_next_and_after_the_emit() {
    // Node C.9: `second listener=L1`, `after emit=L1`; a resource keeps it to itself.
    let (journal, a) = (Journal::default(), Rc::new(AsyncLocalStorage::new()));
    let plain = Emitter::new();
    let with_resource = EventEmitterAsyncResource::<&str>::new("E");
    for emitter in [&plain, &*with_resource] {
        let (store, log) = (Rc::clone(&a), journal.clone());
        emitter.on("x", move |()| {
            log.note(store.cloned().unwrap_or("-"));
            store.enter_with("set");
        });
        let (store, log) = (Rc::clone(&a), journal.clone());
        emitter.on("x", move |()| log.note(store.cloned().unwrap_or("-")));
        emitter.emit("x", &());
        journal.note(format!("after={}", a.cloned().unwrap_or("-")));
        a.enter_with("-");
    }
    assert_eq!(journal.take(), ["-", "set", "after=set", "-", "set", "after=-"]);
}

/// Notes every event of user resources and bound functions.
struct Watch(Journal, Rc<RefCell<Vec<AsyncId>>>);

impl Watch {
    fn note(&self, what: &str, id: AsyncId) {
        let known = self.1.borrow();
        let number = known.iter().position(|other| *other == id).expect("init came first");
        self.0.note(format!("{what} {number}"));
    }
}

impl AsyncHooks for Watch {
    fn init(&self, id: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.1.borrow_mut().push(id);
        self.note(&format!("init {kind}"), id);
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
}

#[test]
fn every_emit_of_a_resource_is_a_scope() {
    let journal = Journal::default();
    let hook = create_hook(Watch(journal.clone(), Rc::default()));
    hook.enable();
    let outer = AsyncResource::new("OUTER");
    let resource = AsyncResource::builder("E").trigger(outer.async_id()).build();
    let emitter = EventEmitterAsyncResource::<&str>::with_resource(resource);
    assert_eq!(emitter.trigger_async_id(), outer.async_id());
    assert_eq!(emitter.resource().kind().as_str(), "E");
    emitter.emit("nobody", &());
    let (log, id) = (journal.clone(), emitter.async_id());
    emitter.on("x", move |()| log.note(format!("in it: {}", execution_async_id() == id)));
    emitter.emit_destroy().emit_destroy();
    emitter.emit("x", &());
    drop(emitter);
    hooks::flush_destroys();
    hook.disable();
    let expected = [
        "init OUTER 0",
        "init E 1",
        "before 1",
        "after 1",
        "before 1",
        "in it: true",
        "after 1",
        "destroy 1",
    ];
    assert_eq!(journal.take(), expected);
}

#[test]
fn dropping_an_emitter_ends_its_resource_and_its_bound_listeners() {
    let journal = Journal::default();
    let hook = create_hook(Watch(journal.clone(), Rc::default()));
    hook.enable();
    let emitter = EventEmitterAsyncResource::<&str>::new("E");
    emitter.on_bound("x", |()| ());
    emitter.emit("x", &());
    drop(emitter);
    let manual = AsyncResource::builder("MANUAL").manual_destroy(true).build();
    drop(EventEmitterAsyncResource::<&str>::with_resource(manual));
    hooks::flush_destroys();
    hook.disable();
    let mut seen = journal.take();
    seen[6..].sort();
    let expected = [
        "init E 0",
        "init bound-anonymous-fn 1",
        "before 0",
        "before 1",
        "after 1",
        "after 0",
        "destroy 0",
        "destroy 1",
        "init MANUAL 2",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn dropped_listeners_may_use_the_emitter() {
    let (drops, emitter) = (Rc::new(Cell::new(0)), Rc::new(Emitter::new()));
    let guard = || {
        let (emitter, counted) = (Rc::downgrade(&emitter), Counted::new(&drops));
        OnDrop(move || {
            let _counted = &counted;
            if let Some(emitter) = emitter.upgrade() {
                emitter.on("dropped", |()| ());
                emitter.emit("x", &());
            }
        })
    };
    let kept = guard();
    let first = emitter.on("x", move |()| {
        let _kept = &kept;
    });
    let kept = guard();
    emitter.once("x", move |()| drop(kept));
    let kept = guard();
    emitter.on("y", move |()| {
        let _kept = &kept;
    });
    assert!(emitter.off("x", first));
    emitter.emit("x", &());
    emitter.remove_all("y");
    assert_eq!((drops.get(), emitter.listener_count("dropped")), (3, 3));
}

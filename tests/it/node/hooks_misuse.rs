//! Node's tests of an async hook stack that has become corrupted. DIFFERENCE in all of them: what
//! aborts Node cannot be written here, since a resource is entered by a call that leaves it; what
//! comes nearest harms nobody.

use super::support::{NamedEvents, script, throw};
use crate::support::Journal;
use lunation::context::misplaced_guards;
use lunation::{
    AsyncId, AsyncLocalStorage, AsyncResource, execution_async_id, hooks, set_immediate,
};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// Runs a script under a hook that adds all events; they must have left the root current.
fn events_of(main: impl FnOnce(&Journal)) -> String {
    let events = NamedEvents::new(true);
    events.enable();
    let journal = events.journal();
    script(|_| {
        main(&journal);
        assert_eq!(execution_async_id(), AsyncId::ROOT);
    });
    events.disable();
    journal.take()
}

/// Init, a call, destroy: as it should be, in all of the originals.
fn proper(journal: &Journal) {
    let resource = AsyncResource::new("event1");
    resource.run_in_async_scope(|| journal.add("first"));
    resource.emit_destroy();
}

/// Adds whether the resource is the running one.
fn note_inside(journal: &Journal, resource: &AsyncResource) {
    journal.add(execution_async_id() == resource.async_id());
}

#[test]
fn test_emit_before_on_destroyed() {
    // Node: async-hooks/test-emit-before-on-destroyed. Assertions: 4 there, 21 here; left out: the
    // exit of the child with its message (3). DIFFERENCE: a destroyed resource may be entered,
    // before the hooks have heard of its end and after that; each before has its after.
    let trace = events_of(|journal| {
        proper(journal);
        let (j, second) = (journal.clone(), AsyncResource::new("event2"));
        second.emit_destroy();
        second.run_in_async_scope(|| note_inside(&j, &second));
        set_immediate(move || {
            let immediate = execution_async_id();
            second.run_in_async_scope(|| note_inside(&j, &second));
            j.add(execution_async_id() == immediate);
        });
    });
    assert_eq!(
        trace,
        "event1.init event1.before first event1.after event2.init event2.before true event2.after \
         Immediate.init event1.destroy event2.destroy \
         Immediate.before event2.before true event2.after true Immediate.after Immediate.destroy"
    );
}

#[test]
fn test_emit_after_on_destroyed() {
    // Node: async-hooks/test-emit-after-on-destroyed. Assertions: 5 there, 15 here; left out: the
    // exit of the child with its message (4). DIFFERENCE: a resource that is destroyed while it
    // runs, and even one whose end is told meanwhile, is left as any other.
    let trace = events_of(|journal| {
        proper(journal);
        let second = AsyncResource::new("event2");
        second.run_in_async_scope(|| {
            second.emit_destroy();
            hooks::flush_destroys();
            note_inside(journal, &second);
        });
        let third = AsyncResource::new("event3");
        third.run_in_async_scope(|| note_inside(journal, &third));
    });
    assert_eq!(
        trace,
        "event1.init event1.before first event1.after \
         event2.init event2.before event1.destroy event2.destroy true event2.after \
         event3.init event3.before true event3.after event3.destroy"
    );
}

#[test]
fn test_improper_order() {
    // Node: async-hooks/test-improper-order. Assertions: 5 there, 13 here; left out: the exit of
    // the child with its message (4). DIFFERENCE: an after without its before is there when the
    // hook was enabled inside, and is told as such; guards may be dropped in any order and place.
    let events = NamedEvents::new(true);
    let journal = events.journal();
    let resource = AsyncResource::new("event1");
    resource.run_in_async_scope(|| events.enable());
    proper(&journal);
    assert_eq!(execution_async_id(), AsyncId::ROOT);
    events.disable();
    assert_eq!(journal.take(), "older.after event1.init event1.before first event1.after");

    static STORES: [AsyncLocalStorage<&str>; 2] = [const { AsyncLocalStorage::new() }; 2];
    let note =
        || journal.add(format_args!("{:?}", STORES.each_ref().map(AsyncLocalStorage::cloned)));
    let (first, second) = (STORES[0].enter("a"), STORES[1].enter("b"));
    let third = STORES[0].enter("c");
    drop(first);
    note();
    drop(second);
    note();
    drop(third);
    note();
    assert_eq!(journal.take(), r#"[Some("c"), Some("b")] [Some("c"), None] [None, None]"#);

    let reports = misplaced_guards();
    let taken = Cell::new(None);
    resource.run_in_async_scope(|| taken.set(Some(STORES[0].enter("inside"))));
    let _outside = STORES[0].enter("outside");
    drop(taken.take());
    note();
    assert_eq!(journal.take(), r#"[Some("outside"), None]"#);
    assert_eq!(misplaced_guards(), reports + 1);
}

/// A future that is ready at its second poll.
fn twice(journal: &Journal, name: &'static str) -> impl Future<Output = ()> + use<> {
    let (journal, polled) = (journal.clone(), Cell::new(false));
    poll_fn(move |_| {
        journal.add(name);
        if polled.replace(true) { Poll::Ready(()) } else { Poll::Pending }
    })
}

fn poll(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn test_improper_unwind() {
    // Node: async-hooks/test-improper-unwind. Assertions: 5 there, 31 here; left out: the exit of
    // the child with its message (4). DIFFERENCE: a panic leaves what it crosses, the inner one
    // first; and of two that are entered by polls, the outer one may end first.
    let trace = events_of(|journal| {
        let [one, two] = ["event1", "event2"].map(AsyncResource::new);
        one.run_in_async_scope(|| two.run_in_async_scope(|| journal.add("proper")));
        let unwinding = || one.run_in_async_scope(|| two.run_in_async_scope(|| throw::<()>("out")));
        let thrown = catch_unwind(AssertUnwindSafe(unwinding)).expect_err("a panic");
        assert_eq!(thrown.downcast_ref(), Some(&"out"));
        assert_eq!(execution_async_id(), AsyncId::ROOT);
        one.run_in_async_scope(|| {
            let unwinding = || two.run_in_async_scope(|| throw::<()>("into"));
            catch_unwind(AssertUnwindSafe(unwinding)).expect_err("a panic");
            note_inside(journal, &one);
        });

        let mut inner = pin!(two.scope(twice(journal, "inner")));
        {
            let mut outer = pin!(one.scope(async { assert!(!poll(inner.as_mut())) }));
            assert!(poll(outer.as_mut()));
        }
        journal.add("ended");
        assert!(poll(inner.as_mut()));
    });
    let call = "event1.before event2.before event2.after event1.after";
    assert_eq!(
        trace,
        format!(
            "event1.init event2.init event1.before event2.before proper event2.after event1.after \
             {call} event1.before event2.before event2.after true event1.after \
             event1.before event2.before inner event2.after \
             event1.after ended \
             event2.before inner event2.after event2.destroy event1.destroy"
        )
    );
}

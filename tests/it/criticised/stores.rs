//! Rows 2 to 5, 20: how far a value reaches.

use super::{VALUE, note, notes};
use crate::support::{Journal, paused};
use lunation::{
    AsyncLocalStorage, AsyncResource, EventEmitter, EventEmitterAsyncResource, Snapshot, immediate,
    microtask, set_immediate, spawn,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

#[test]
fn row_02_a_value_reaches_neither_caller_nor_later_callbacks() {
    // C.9; in Node the caller sees what is set before the callee's first await, and then for ever.
    static OTHER: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

    async fn callee(journal: &Journal) {
        let _value = VALUE.enter("callee");
        note(journal, "before");
        microtask().await;
        note(journal, "after");
    }

    async fn caller(j: &Journal) {
        callee(j).await;
        note(j, "caller");
        let in_task = notes(j, "task");
        let task = spawn(async move {
            VALUE.enter_with("set");
            microtask().await;
            in_task();
        });
        microtask().await;
        note(j, "spawner");
        task.await.expect("no panic");
        note(j, "joined");
        let child = notes(j, "child");
        set_immediate(move || {
            VALUE.enter_with("callback");
            set_immediate(child);
        });
        set_immediate(notes(j, "sibling"));
        immediate().await;
        immediate().await;
    }

    let expected = "before=callee after=callee caller=- spawner=- task=set joined=- sibling=- \
                    child=callback";
    let journal = Journal::default();
    paused().block_on(caller(&journal));
    assert_eq!(journal.take(), expected);
    // The presence of another store changes nothing.
    paused().block_on(OTHER.scope(1, caller(&journal)));
    assert_eq!(journal.take(), expected);
}

#[test]
fn row_03_a_guard_sets_a_value_for_the_rest_of_a_block() {
    async fn fallible(journal: &Journal) -> Result<(), ()> {
        let _outer = VALUE.enter("outer");
        {
            let _inner = VALUE.enter("inner");
            microtask().await;
            note(journal, "in");
        }
        note(journal, "out");
        let _late = VALUE.enter("late");
        Err(())?;
        unreachable!("left by `?`")
    }

    let journal = Journal::default();
    paused().block_on(async {
        assert_eq!(fallible(&journal).await, Err(()));
        note(&journal, "returned");
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _value = VALUE.enter("unwound");
            resume_unwind(Box::new("panic"))
        }));
        assert!(panicked.is_err());
        note(&journal, "caught");
        let (a, b) = (VALUE.enter("a"), VALUE.enter("b"));
        drop(a); // out of order
        note(&journal, "b");
        drop(b);
        note(&journal, "none");
    });
    assert_eq!(journal.take(), "in=inner out=outer returned=- caught=- b=b none=-");
}

#[test]
fn row_04_calls_of_a_resource_start_afresh_and_its_scope_goes_on() {
    let journal = Journal::default();
    paused().block_on(async {
        let resource = VALUE.run("captured", || AsyncResource::new("QUERY"));
        for _ in 0..2 {
            resource.run_in_async_scope(|| {
                note(&journal, "call");
                VALUE.enter_with("of a call");
            });
        }
        resource
            .scope(async {
                VALUE.enter_with("of the scope");
                microtask().await;
                note(&journal, "scope");
            })
            .await;
        resource.run_in_async_scope(|| note(&journal, "call"));
    });
    assert_eq!(journal.take(), "call=captured call=captured scope=of the scope call=captured");
}

#[test]
fn row_05_a_listener_chooses_its_context() {
    let journal = Journal::default();
    paused().enter(|| {
        let emitter = EventEmitter::<&str>::new();
        let (on, on_bound) = (notes(&journal, "on"), notes(&journal, "on_bound"));
        VALUE.run("added", || {
            emitter.on("event", move |()| on());
            emitter.on_bound("event", move |()| on_bound());
        });
        VALUE.run("emitted", || emitter.emit("event", &()));

        let resource = notes(&journal, "resource");
        let emitter = VALUE.run("made", || EventEmitterAsyncResource::<&str>::new("EMITTER"));
        VALUE.run("added", || emitter.on("event", move |()| resource()));
        VALUE.run("emitted", || emitter.emit("event", &()));
    });
    assert_eq!(journal.take(), "on=emitted on_bound=added resource=made");
}

#[test]
fn row_20_a_generator_runs_where_it_is_asked_or_where_it_was_made() {
    fn values() -> impl Iterator<Item = &'static str> {
        std::iter::repeat_with(|| VALUE.cloned().unwrap_or("-"))
    }

    let made = VALUE.run("made", || {
        let (here, mut values) = (Snapshot::capture(), values());
        std::iter::repeat_with(move || here.run(|| values.next()))
    });
    let pairs = VALUE.run("asked", || values().zip(made.flatten()).take(2).collect::<Vec<_>>());
    assert_eq!(pairs, [("asked", "made"), ("asked", "made")]);
}

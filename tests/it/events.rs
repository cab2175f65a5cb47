//! Diagnostics channels and emitters inside of a runtime: where their failures go, and what tasks
//! carry.

use crate::support::Journal;
use lunation::diagnostics_channel::{Channel, TracingChannel, tracing_channel};
use lunation::{
    AsyncLocalStorage, EventEmitter, Runtime, UnhandledPanic, execution_async_id, microtask,
    next_tick, set_immediate, spawn,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

/// Panics without the message of the panic hook.
fn fail<R>(text: &'static str) -> R {
    resume_unwind(Box::new(text))
}

/// A runtime whose handler writes down what it gets and where it runs.
fn recording(journal: &Journal, answer: UnhandledPanic) -> Runtime {
    let journal = journal.clone();
    Runtime::builder()
        .start_paused(true)
        .on_unhandled(move |failure| {
            assert_eq!(execution_async_id(), failure.id());
            let (kind, text) = (failure.kind().as_str(), failure.message());
            journal.add(format_args!("{kind}:{text}@{}", STORE.cloned().unwrap_or("-")));
            answer
        })
        .build()
        .expect("a runtime")
}

#[test]
fn a_failing_subscriber_is_unhandled_at_once_in_the_resource_that_publishes() {
    static CHANNEL: Channel<str> = Channel::new("test");
    let journal = Journal::default();
    CHANNEL.subscribe(|message, _| fail(if message == "m" { "main" } else { "s" })).detach();
    let runtime = recording(&journal, UnhandledPanic::Continue);
    let publish = |journal: &Journal| {
        let journal = journal.clone();
        move || {
            CHANNEL.publish("x");
            journal.add("published");
        }
    };
    runtime.enter(publish(&journal));
    runtime.block_on(async {
        CHANNEL.publish("m");
        STORE.run("tick", || next_tick(publish(&journal)));
        STORE.run("immediate", || set_immediate(publish(&journal)));
        let publish = publish(&journal);
        STORE.run("task", || spawn(async move { publish() })).await.expect("it goes on");
    });
    runtime.run_to_idle();
    let expected = "ROOT:s@- published ROOT:main@- TickObject:s@tick published TASK:s@task \
                    published Immediate:s@immediate published";
    assert_eq!(journal.take(), expected);
}

#[test]
fn a_failing_subscriber_can_leave_the_loop() {
    static CHANNEL: Channel<u32> = Channel::new("test");
    CHANNEL.subscribe(|_, _| fail("out")).detach();
    let journal = Journal::default();
    let runtime = recording(&journal, UnhandledPanic::Propagate);
    let out = |f: &mut dyn FnMut()| {
        let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("propagated");
        assert_eq!(payload.downcast_ref(), Some(&"out"));
        journal.add("left");
    };
    out(&mut || runtime.enter(|| CHANNEL.publish(&1)));
    out(&mut || runtime.block_on(async { CHANNEL.publish(&1) }));
    runtime.enter(|| {
        set_immediate(|| CHANNEL.publish(&1));
        set_immediate(journal.adds("later"));
    });
    out(&mut || runtime.run_to_idle());
    runtime.run_to_idle();
    assert_eq!(journal.take(), "ROOT:out@- left ROOT:out@- left Immediate:out@- left later");
}

#[test]
fn the_handler_is_that_of_the_runtime_one_is_inside_of() {
    static CHANNEL: Channel<u32> = Channel::new("test");
    CHANNEL.subscribe(|_, _| fail("s")).detach();
    let (one, two) = (Journal::default(), Journal::default());
    let outer = recording(&one, UnhandledPanic::Continue);
    let inner = recording(&two, UnhandledPanic::Continue);
    outer.enter(|| {
        inner.enter(|| CHANNEL.publish(&1));
        CHANNEL.publish(&2);
    });
    assert_eq!((one.take(), two.take()), ("ROOT:s@-".to_owned(), "ROOT:s@-".to_owned()));
    let former = lunation::context::set_failure_handler(None);
    assert!(former.is_none(), "outside of a runtime there is none");
}

#[test]
fn bound_stores_follow_what_the_operation_starts() {
    static REQUEST: Channel<&str> = Channel::new("test");
    let journal = Journal::default();
    REQUEST.bind_store(&STORE, |name| *name);
    let runtime = recording(&journal, UnhandledPanic::Continue);
    runtime.block_on(async {
        let note = |journal: &Journal, what: &'static str| {
            journal.add(format_args!("{what}={}", STORE.cloned().unwrap_or("-")));
        };
        let j = journal.clone();
        let task = REQUEST.run_stores(&"r1", || {
            spawn(async move {
                note(&j, "task");
                microtask().await;
                note(&j, "later");
            })
        });
        note(&journal, "main");
        task.await.expect("it ends");
        let guard = REQUEST.enter_stores(&"r2");
        microtask().await;
        note(&journal, "guard");
        drop(guard);
        note(&journal, "after");
    });
    assert_eq!(journal.take(), "main=- task=r1 later=r1 guard=r2 after=-");
}

#[test]
fn a_traced_future_in_a_task() {
    static QUERY: TracingChannel<&str, u32, ()> = tracing_channel!("test.query");
    let journal = Journal::default();
    QUERY.start().bind_store(&STORE, |trace| *trace.context());
    let events = [QUERY.start(), QUERY.end(), QUERY.async_start(), QUERY.async_end()];
    let _subscriptions = events.map(|channel| {
        let journal = journal.clone();
        channel.subscribe(move |_, name| {
            let event = name.rsplit(':').next().unwrap_or_default();
            journal.add(format_args!("{event}@{}", execution_async_id().get() > 1));
        })
    });
    let runtime = recording(&journal, UnhandledPanic::Continue);
    let result = runtime.block_on(async {
        let j = journal.clone();
        spawn(QUERY.trace_future("q", async move {
            microtask().await;
            j.add(STORE.cloned().unwrap_or("-"));
            Ok(3)
        }))
        .await
    });
    assert_eq!(result.expect("it ends"), Ok(3));
    assert_eq!(journal.take(), "start@true end@true q asyncStart@true asyncEnd@true");
}

#[test]
fn a_panic_of_a_listener_is_that_of_the_callback_that_emits() {
    let journal = Journal::default();
    let runtime = recording(&journal, UnhandledPanic::Continue);
    runtime.enter(|| {
        let emitter = EventEmitter::<&str>::new();
        emitter.on("x", |()| fail("listener"));
        STORE.run("emit", || set_immediate(move || assert!(emitter.emit("x", &()))));
    });
    runtime.run_to_idle();
    assert_eq!(journal.take(), "Immediate:listener@emit");
}

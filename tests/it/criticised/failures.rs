//! Rows 14, 16, 17: what surrounds a failure.

use super::{VALUE, ms, note};
use crate::support::{HookEvents, Journal};
use lunation::{
    AsyncResource, Completion, ResourceKind, Runtime, UnhandledPanic, create_hook,
    execution_async_id, next_tick, queue_close, queue_microtask, set_immediate, set_timeout, spawn,
    trigger_async_id,
};
use std::panic::resume_unwind;

/// Panics without the message of the panic hook.
fn fail() {
    resume_unwind(Box::new("failed"));
}

/// A runtime that calls `handler` for each failure and goes on.
fn handling(handler: impl Fn(&lunation::Unhandled) + 'static) -> Runtime {
    let builder = Runtime::builder().start_paused(true).on_unhandled(move |failure| {
        handler(failure);
        UnhandledPanic::Continue
    });
    builder.build().expect("a runtime")
}

/// Puts `callback` into each phase and queue of the loop; a task too.
fn everywhere(mut callback: impl FnMut(&'static str) -> Box<dyn FnOnce()>) {
    next_tick(callback("tick"));
    queue_microtask(callback("micro"));
    let task = callback("task");
    drop(spawn(async move { task() }));
    let completed = callback("completion");
    let (completion, completer) = Completion::<()>::new(ResourceKind::User("IO"));
    completion.on_complete(move |_| completed());
    completer.complete(());
    set_immediate(callback("immediate"));
    queue_close(ResourceKind::User("Close"), callback("close"));
    set_timeout(ms(1), callback("timer"));
}

#[test]
fn row_14_a_failure_is_reported_with_its_context() {
    let journal = Journal::default();
    let handled = journal.clone();
    let runtime = handling(move |failure| {
        let (id, trigger) = (failure.id(), failure.trigger_id().get());
        // The handler runs in the resource that failed.
        assert_eq!((execution_async_id(), trigger_async_id()), (id, failure.trigger_id()));
        assert!(failure.location().file().ends_with("failures.rs"));
        note(&handled, failure.kind().as_str());
        handled.add(format_args!("by-{trigger}"));
    });
    runtime.enter(|| {
        everywhere(|place| {
            VALUE.enter_with(place);
            Box::new(fail)
        });
        VALUE.enter_with("in main");
        next_tick(|| {
            // What is set later counts: the value at the failure.
            VALUE.enter_with("in the tick");
            fail();
        });
    });
    runtime.run_to_idle();
    let expected = "TickObject=tick by-1 TickObject=in the tick by-1 Microtask=micro by-1 \
                    TASK=task by-1 IO=completion by-1 Immediate=immediate by-1 Close=close by-1 \
                    Timeout=timer by-1";
    assert_eq!(journal.take(), expected);
}

#[test]
fn row_16_there_is_one_after_for_each_before() {
    // D.6: after follows the handler; a scope that is left by a panic has it at once.
    let journal = Journal::default();
    let handled = journal.clone();
    let runtime = handling(move |_| handled.add("handler"));
    let hook = create_hook(HookEvents(journal.clone()));
    runtime.enter(|| {
        everywhere(|_| Box::new(fail));
        let scope = AsyncResource::new("R");
        set_immediate(move || scope.run_in_async_scope(fail));
        hook.enable();
    });
    runtime.run_to_idle();
    hook.disable();
    let events = journal.take().replace(" destroy", "");
    let callback = "before handler after";
    let expected = [
        callback,                            // tick
        callback,                            // microtask
        "before after handler",              // task: when the drain has ended
        callback,                            // completion
        callback,                            // immediate
        "before before after handler after", // the scope in an immediate
        callback,                            // close
        callback,                            // timer
    ];
    assert_eq!(events, expected.join(" "));
}

#[test]
fn row_17_what_a_failed_callback_has_queued_comes_next() {
    let journal = Journal::default();
    let handled = journal.clone();
    let runtime = handling(move |_| handled.add("handler"));
    runtime.enter(|| {
        for name in ["one", "two"] {
            everywhere(|place| {
                let j = journal.clone();
                Box::new(move || {
                    let (tick, micro) = (j.clone(), j.clone());
                    next_tick(move || tick.add(format_args!("{place}.{name}.tick")));
                    queue_microtask(move || micro.add(format_args!("{place}.{name}.micro")));
                    fail();
                })
            });
        }
    });
    runtime.run_to_idle();
    let each =
        |place: &str, name: &str| format!("handler {place}.{name}.tick {place}.{name}.micro");
    let phases = [("completion", ["one", "two"]), ("immediate", ["one", "two"])];
    // Close callbacks: the last issued comes first.
    let phases = phases.into_iter().chain([("close", ["two", "one"]), ("timer", ["one", "two"])]);
    let expected: Vec<_> =
        phases.flat_map(|(place, names)| names.map(|name| each(place, name))).collect();
    let all = journal.take();
    let (_queues, in_phases) = all.split_at(all.find("handler completion").expect("it ran"));
    assert_eq!(in_phases, expected.join(" "));
}

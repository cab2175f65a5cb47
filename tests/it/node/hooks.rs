//! Node's `test/async-hooks`: what hooks are told about timers, ticks, microtasks and tasks.

use super::activity::{Activities, Activity, RESOLVE};
use super::support::{async_script, ms, script, script_with_handler, throw};
use crate::support::Journal;
use lunation::{
    AsyncId, AsyncResource, Timeout, execution_async_id, immediate, microtask, next_tick,
    queue_microtask, set_immediate, set_interval, set_timeout, spawn, time, trigger_async_id,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

#[test]
fn test_immediate() {
    // Node: async-hooks/test-immediate. Assertions: 20 there, 14 here; left out: ids that are
    // numbers (4: types). Added: the second's trigger is the first.
    let seen = Activities::enabled();
    let trace = script(|j| {
        let (j, activities) = (j.clone(), seen.clone());
        set_immediate(move || {
            let counts = |nth| activities.counts("Immediate", nth);
            assert_eq!(activities.of("Immediate").len(), 1);
            assert_eq!(counts(0), [1, 1, 0, 0, 0]);
            let (journal, later) = (j.clone(), activities.clone());
            set_immediate(move || {
                assert_eq!(later.counts("Immediate", 0), [1, 1, 1, 1, 0]);
                assert_eq!(later.counts("Immediate", 1), [1, 1, 0, 0, 0]);
                journal.add("second");
            });
            assert_eq!(activities.of("Immediate").len(), 2);
            assert_eq!((counts(0), counts(1)), ([1, 1, 0, 0, 0], [1, 0, 0, 0, 0]));
            j.add("first");
        });
        assert_eq!(seen.of("Immediate").len(), 1);
        assert_eq!(seen.counts("Immediate", 0), [1, 0, 0, 0, 0]);
        assert_eq!(seen.nth("Immediate", 0).trigger, AsyncId::ROOT);
    });
    seen.disable();
    assert_eq!(trace, "first second");
    assert_eq!(seen.counts("Immediate", 0), [1, 1, 1, 1, 0]);
    assert_eq!(seen.counts("Immediate", 1), [1, 1, 1, 1, 0]);
    assert_eq!(seen.nth("Immediate", 1).trigger, seen.nth("Immediate", 0).id);
}

#[test]
fn test_timers_set_timeout() {
    // Node: async-hooks/test-timers.setTimeout. Assertions: 17 there, 13 here; left out: ids that
    // are numbers (2: types). Added: the first is destroyed when the second fires, which Node's
    // test leaves open; a cleared timer is destroyed without having run.
    let seen = Activities::enabled();
    let trace = script(|j| {
        let (j, activities) = (j.clone(), seen.clone());
        set_timeout(ms(100), move || {
            let counts = |nth| activities.counts("Timeout", nth);
            assert_eq!(counts(0), [1, 1, 0, 0, 0]);
            let long: Rc<RefCell<Option<Timeout>>> = Rc::default();
            let (journal, later, victim) = (j.clone(), activities.clone(), long.clone());
            let second = set_timeout(ms(100), move || {
                assert_eq!(later.of("Timeout").len(), 3);
                assert_eq!(later.counts("Timeout", 0), [1, 1, 1, 1, 0]);
                assert_eq!(later.counts("Timeout", 1), [1, 1, 0, 0, 0]);
                victim.borrow().as_ref().expect("set below").clear();
                journal.add("second");
            });
            second.unref();
            assert_eq!(activities.of("Timeout").len(), 2);
            assert_eq!((counts(0), counts(1)), ([1, 1, 0, 0, 0], [1, 0, 0, 0, 0]));
            let journal = j.clone();
            let year = std::time::Duration::from_secs(365 * 86_400);
            *long.borrow_mut() = Some(set_timeout(year, move || journal.add("never")));
            j.add("first");
        });
        assert_eq!(seen.of("Timeout").len(), 1);
        assert_eq!(seen.counts("Timeout", 0), [1, 0, 0, 0, 0]);
    });
    seen.disable();
    assert_eq!(trace, "first second");
    assert_eq!(seen.counts("Timeout", 0), [1, 1, 1, 1, 0]);
    assert_eq!(seen.counts("Timeout", 1), [1, 1, 1, 1, 0]);
    assert_eq!(seen.counts("Timeout", 2), [1, 0, 0, 1, 0]);
}

#[test]
fn test_timers_set_interval() {
    // Node: async-hooks/test-timers.setInterval. Assertions: 12 there, 9 here; left out: ids that
    // are numbers (2: types). Added: the handler runs between before and after.
    let (journal, seen) = (Journal::default(), Activities::enabled());
    let (j, in_handler) = (journal.clone(), seen.clone());
    let handler = move |failure: &lunation::Unhandled| {
        assert_eq!(in_handler.counts("Timeout", 0), [1, 1, 0, 0, 0]);
        j.add(failure.message());
    };
    let trace = script_with_handler(&journal, handler, |j| {
        let own: Rc<RefCell<Option<Timeout>>> = Rc::default();
        let (j, activities, handle) = (j.clone(), seen.clone(), own.clone());
        let calls = Cell::new(0);
        let interval = set_interval(ms(100), move || {
            calls.set(calls.get() + 1);
            j.add(calls.get());
            if calls.get() == 1 {
                j.add(activities.counts("Timeout", 0) == [1, 1, 0, 0, 0]);
                throw::<()>("Error");
            }
            j.add(activities.counts("Timeout", 0) == [1, 2, 1, 0, 0]);
            handle.take().expect("set below").clear();
        });
        *own.borrow_mut() = Some(interval);
        assert_eq!(seen.of("Timeout").len(), 1);
        assert_eq!(seen.counts("Timeout", 0), [1, 0, 0, 0, 0]);
    });
    seen.disable();
    assert_eq!(trace, "1 true Error 2 true");
    assert_eq!(seen.counts("Timeout", 0), [1, 2, 2, 1, 0]);
}

#[test]
fn test_queue_microtask() {
    // Node: async-hooks/test-queue-microtask. Assertions: 4 there, 3 here; left out: none.
    let seen = Activities::enabled();
    let trace = script(|j| {
        let (journal, root) = (j.clone(), execution_async_id());
        queue_microtask(move || journal.add(trigger_async_id() == root));
    });
    seen.disable();
    assert_eq!(trace, "true");
    assert_eq!(seen.counts("Microtask", 0), [1, 1, 1, 1, 0]);
    assert_eq!(seen.of("Microtask").len(), 1);
}

#[test]
fn test_nexttick_default_trigger() {
    // Node: async-hooks/test-nexttick-default-trigger. Assertions: 4 there, 3 here; left out: none.
    let seen = Activities::enabled();
    let trace = script(|j| {
        let (journal, root) = (j.clone(), execution_async_id());
        next_tick(move || journal.add(trigger_async_id() == root));
    });
    seen.disable();
    assert_eq!(trace, "true");
    assert_eq!(seen.counts("TickObject", 0), [1, 1, 1, 1, 0]);
    assert_eq!(seen.of("TickObject").len(), 1);
}

#[test]
fn test_emit_init() {
    // Node: async-hooks/test-emit-init. Assertions: 10 there, 6 here; left out: the counters.
    // A resource stands for the raw call.
    let seen = Activities::enabled();
    let trigger = AsyncResource::new("trigger").async_id();
    let given = AsyncResource::builder("test").trigger(trigger).build();
    let found = seen.nth("test", 0);
    assert_eq!((found.id, found.trigger), (given.async_id(), trigger));
    assert_eq!((found.resource.id(), found.resource.trigger_id()), (given.async_id(), trigger));
    seen.disable();
    let again = Activities::enabled();
    let default = AsyncResource::new("test");
    again.disable();
    let found = again.nth("test", 0);
    assert_eq!((found.id, found.kind.as_str()), (default.async_id(), "test"));
    assert_ne!(found.trigger, trigger);
    assert_eq!(found.trigger, execution_async_id());
    assert_eq!(seen.of("test").len(), 1);
}

#[test]
fn test_emit_before_after() {
    // Node: async-hooks/test-emit-before-after. Assertions: 4 there, 3 here; left out: 1 counter.
    let resource = AsyncResource::new("test");
    assert_eq!(resource.run_in_async_scope(execution_async_id), resource.async_id());
    let seen = Activities::enabled();
    let resource = AsyncResource::new("test");
    resource.run_in_async_scope(|| assert_eq!(seen.counts("test", 0), [1, 1, 0, 0, 0]));
    seen.disable();
    assert_eq!(seen.counts("test", 0), [1, 1, 1, 0, 0]);
}

/// Each `nth` of a kind is triggered by the one before; the first by the root.
fn assert_chain(found: &[Activity], length: usize) {
    assert_eq!(found.len(), length);
    let mut trigger = AsyncId::ROOT;
    for activity in found {
        assert_eq!(activity.trigger, trigger);
        trigger = activity.id;
    }
}

#[test]
fn test_graph_intervals() {
    // Node: async-hooks/test-graph.intervals. Assertions: 3 there, 4 here; left out: none.
    let seen = Activities::enabled();
    let trace = script(|j| {
        let own: Rc<RefCell<Option<Timeout>>> = Rc::default();
        let (j, handle, calls) = (j.clone(), own.clone(), Cell::new(0));
        let interval = set_interval(ms(1), move || {
            calls.set(calls.get() + 1);
            j.add(calls.get());
            if calls.get() == 3 {
                handle.take().expect("set below").clear();
                let second: Rc<RefCell<Option<Timeout>>> = Rc::default();
                let (journal, handle) = (j.clone(), second.clone());
                let interval = set_interval(ms(2), move || {
                    journal.add("second");
                    handle.take().expect("set below").clear();
                });
                *second.borrow_mut() = Some(interval);
            }
        });
        *own.borrow_mut() = Some(interval);
    });
    seen.disable();
    assert_eq!(trace, "1 2 3 second");
    assert_chain(&seen.of("Timeout"), 2);
}

#[test]
fn test_graph_timeouts() {
    // Node: async-hooks/test-graph.timeouts. Assertions: 2 there, 1 here; left out: none.
    let seen = Activities::enabled();
    let trace = script(|j| {
        let j = j.clone();
        set_timeout(ms(1), move || {
            set_timeout(ms(2), move || {
                set_timeout(ms(3), j.adds("third"));
            });
        });
    });
    seen.disable();
    assert_eq!(trace, "third");
    assert_chain(&seen.of("Timeout"), 3);
}

#[test]
fn test_unhandled_exception_valid_ids() {
    // Node: async-hooks/test-unhandled-exception-valid-ids. Assertions: 1 there, 5 here; left out:
    // none. Added: the id in the handler, and that all ids are left again.
    let (journal, seen) = (Journal::default(), Activities::enabled());
    let (j, in_handler) = (journal.clone(), seen.clone());
    let handler = move |failure: &lunation::Unhandled| {
        let kind = failure.kind().as_str();
        let is_own = execution_async_id() == in_handler.nth(kind, 0).id;
        j.add(format_args!("{kind}:{is_own}"));
    };
    let trace = script_with_handler(&journal, handler, |_| {
        set_immediate(|| throw("Error"));
        set_timeout(ms(1), || throw("Error"));
    });
    seen.disable();
    assert_eq!(trace, "Immediate:true Timeout:true");
    assert_eq!(seen.counts("Immediate", 0), [1, 1, 1, 1, 0]);
    assert_eq!(seen.counts("Timeout", 0), [1, 1, 1, 1, 0]);
    assert_eq!(execution_async_id(), AsyncId::ROOT);
}

#[test]
fn test_unhandled_rejection_context() {
    // Node: async-hooks/test-unhandled-rejection-context. Assertions: 3 there, 2 here; left out:
    // none (the journal counts the calls).
    let (journal, seen) = (Journal::default(), Activities::enabled());
    let (j, in_handler) = (journal.clone(), seen.clone());
    let handler = move |_: &lunation::Unhandled| {
        let ids: Vec<_> = in_handler.of("TASK").iter().map(|it| it.id).collect();
        j.add(ids == [execution_async_id()]);
    };
    let trace = script_with_handler(&journal, handler, |_| drop(spawn(async { throw::<()>("x") })));
    seen.disable();
    assert_eq!(trace, "true");
    assert_eq!(seen.of("TASK").len(), 1);
}

#[test]
fn test_async_await() {
    // Node: async-hooks/test-async-await. Assertions: 7 there, 6 here; left out: none. A task is
    // one resource: its polls are before and after, its end is one resolve, still before that
    // poll's after (D.4).
    let seen = Activities::enabled();
    let inner = seen.clone();
    async_script(async {
        let task = spawn(async move {
            assert_eq!(inner.counts("TASK", 0), [1, 1, 0, 0, 0]);
            time::sleep(ms(10)).await;
            assert_eq!(inner.counts("TASK", 0), [1, 2, 1, 0, 0]);
            microtask().await;
            assert_eq!(inner.counts("TASK", 0), [1, 3, 2, 0, 0]);
        });
        task.await.expect("a task");
        assert_eq!(seen.nth("TASK", 0).counts[RESOLVE], 1);
        immediate().await;
    });
    seen.disable();
    assert_eq!(seen.counts("TASK", 0), [1, 3, 3, 1, 1]);
    assert_eq!(seen.of("TASK").len(), 1);
}

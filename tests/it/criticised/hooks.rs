//! Rows 12, 13, 15, 25: hooks, ids and scopes.

use super::{VALUE, ms};
use crate::support::{HookEvents, Journal, paused};
use lunation::{
    AsyncHooks, AsyncId, AsyncResource, Completion, EventEmitter, Handle, ResourceKind,
    ResourceRef, Runtime, UnhandledPanic, create_hook, execution_async_id, microtask, next_tick,
    queue_close, queue_microtask, set_immediate, set_timeout, spawn, time, trigger_async_id,
};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::mpsc;

/// Adds `destroy`.
struct Destroys(Journal);

impl AsyncHooks for Destroys {
    fn destroy(&self, _: AsyncId) {
        self.0.add("destroy");
    }
}

#[test]
fn row_12_destroy_comes_at_one_place_and_together() {
    // D.5: the check phase, before its immediates. What ends a resource is a drop, not a collector.
    let journal = Journal::default();
    let runtime = paused();
    let hook = create_hook(Destroys(journal.clone()));
    hook.enable();
    runtime.enter(|| {
        let (one, two) = (AsyncResource::new("R"), AsyncResource::new("R"));
        next_tick(journal.adds("tick"));
        queue_microtask(journal.adds("micro"));
        set_immediate(journal.adds("immediate"));
        drop(one);
        journal.add("dropped");
        drop(two);
    });
    runtime.run_to_idle();
    hook.disable();
    let expected = "dropped tick micro destroy destroy destroy destroy immediate destroy";
    assert_eq!(journal.take(), expected);
}

/// Where ids were looked at, and the ids.
#[derive(Clone, Default)]
struct Seen(Rc<RefCell<Vec<(&'static str, u64)>>>);

impl Seen {
    fn look(&self, place: &'static str) {
        self.0.borrow_mut().push((place, execution_async_id().get()));
    }

    fn looks(&self, place: &'static str) -> impl Fn() + Clone + 'static + use<> {
        let seen = self.clone();
        move || seen.look(place)
    }
}

/// Looks when it is dropped.
struct Looks(Seen, &'static str);

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.look(self.1);
    }
}

#[test]
fn row_13_user_code_always_has_an_id() {
    let seen = Seen::default();
    let handler = seen.looks("handler");
    let builder = Runtime::builder().start_paused(true).on_unhandled(move |_| {
        handler();
        UnhandledPanic::Continue
    });
    let runtime = builder.build().expect("a runtime");
    let (sender, posted) = mpsc::channel();
    seen.look("outside");
    runtime.block_on(async {
        seen.look("main");
        queue_microtask(seen.looks("microtask"));
        next_tick(seen.looks("tick"));
        set_immediate(seen.looks("immediate"));
        set_timeout(ms(1), seen.looks("timeout"));
        queue_close(ResourceKind::User("Close"), seen.looks("close"));
        let (completion, completer) = Completion::<()>::new(ResourceKind::User("IO"));
        let completed = seen.looks("completion");
        completion.on_complete(move |_| completed());
        completer.complete(());
        Handle::current()
            .post(move || sender.send(execution_async_id().get()).expect("a receiver"));
        AsyncResource::new("R").run_in_async_scope(seen.looks("resource"));
        let emitter = EventEmitter::<&str>::new();
        let listener = seen.looks("listener");
        emitter.on("x", move |()| listener());
        emitter.emit("x", &());
        let dropped = Looks(seen.clone(), "drop-of-a-task");
        spawn(async move {
            let _dropped = dropped;
            std::future::pending::<()>().await;
        })
        .abort();
        next_tick(|| resume_unwind(Box::new("for the handler")));
        microtask().await;
        seen.look("main-again");
        time::sleep(ms(2)).await;
    });
    let posted = posted.recv().expect("it ran");
    let seen = seen.0.take();
    let of_root = seen.iter().filter(|(_, id)| *id == 1).map(|(place, _)| *place);
    assert_eq!(of_root.collect::<Vec<_>>(), ["outside", "main", "listener", "main-again"]);
    // All others have ids of their own.
    let mut own: Vec<_> = seen.iter().map(|(_, id)| *id).filter(|id| *id > 1).collect();
    own.push(posted);
    own.sort_unstable();
    own.dedup();
    let places: Vec<_> = seen.iter().map(|(place, _)| *place).collect();
    let expected = "outside main resource listener tick handler microtask drop-of-a-task \
                    main-again completion immediate close timeout";
    assert_eq!((places.join(" ").as_str(), own.len()), (expected, 10));
}

#[test]
fn row_13_a_task_has_one_id_before_and_after_each_await() {
    let ids = paused().block_on(async {
        let task = spawn(async {
            let mut ids = vec![(execution_async_id(), trigger_async_id().get())];
            microtask().await;
            ids.push((execution_async_id(), trigger_async_id().get()));
            time::sleep(ms(1)).await;
            ids.push((execution_async_id(), trigger_async_id().get()));
            ids
        });
        let id = task.async_id();
        (id, task.await.expect("no panic"))
    });
    assert_eq!(ids.1, [(ids.0, 1); 3]);
}

#[test]
fn row_15_scopes_cannot_be_corrupted() {
    /// Enters `depth` resources in one another, and panics in the last.
    fn nest(depth: u32) {
        let resource = AsyncResource::new("R");
        let inside = resource.async_id();
        resource.run_in_async_scope(|| {
            assert_eq!(execution_async_id(), inside);
            VALUE.enter_with("changed");
            std::mem::forget(VALUE.enter("forgotten"));
            if depth == 0 {
                resume_unwind(Box::new("panic"));
            }
            let panicked = catch_unwind(AssertUnwindSafe(|| nest(depth - 1)));
            // What was inside is undone, whoever catches.
            assert_eq!((execution_async_id(), VALUE.cloned()), (inside, Some("forgotten")));
            if depth % 2 == 1 {
                resume_unwind(panicked.expect_err("it panicked"));
            }
            resume_unwind(Box::new("another"));
        });
    }

    let journal = Journal::default();
    let hook = create_hook(HookEvents(journal.clone()));
    let runtime = paused();
    runtime.block_on(async {
        let _value = VALUE.enter("mine");
        assert!(catch_unwind(AssertUnwindSafe(|| nest(500))).is_err());
        assert_eq!((execution_async_id().get(), VALUE.cloned()), (1, Some("mine")));
        hook.enable();
        assert!(catch_unwind(AssertUnwindSafe(|| nest(1))).is_err());
        hook.disable();
    });
    let events = journal.take();
    let pairs: Vec<_> = events.split(' ').filter(|e| *e == "before" || *e == "after").collect();
    assert_eq!(pairs, ["before", "before", "after", "after"]);
}

/// A hook that logs by means of the runtime: each line makes resources of its own.
struct Logs(Journal);

impl Logs {
    fn log(&self, event: &str) {
        self.0.add(event);
        next_tick(self.0.adds("logged"));
        drop(spawn(async { microtask().await }));
        eprintln!("{event}");
    }
}

impl AsyncHooks for Logs {
    fn init(&self, _: AsyncId, kind: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.log(kind.as_str());
    }

    fn before(&self, _: AsyncId) {
        self.log("before");
    }

    fn after(&self, _: AsyncId) {
        self.log("after");
    }

    fn destroy(&self, _: AsyncId) {
        self.log("destroy");
    }
}

#[test]
fn row_25_a_hook_may_log_whatever_way_it_likes() {
    // D.7: in Node this is a RangeError, then the end of the process.
    let journal = Journal::default();
    let runtime = paused();
    let hook = create_hook(Logs(journal.clone()));
    hook.enable();
    runtime.enter(|| set_immediate(journal.adds("callback")));
    runtime.run_to_idle();
    hook.disable();
    // The destroy of the immediate is delivered when the loop has ended, as in Node.
    let expected = "Immediate logged before callback after logged logged destroy";
    assert_eq!(journal.take(), expected);
}

//! `TracingChannel`: the order of its events, their stores, what they say.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use lunation_context::diagnostics_channel::{
    Subscription, Trace, TracingChannel, TracingSubscriber, tracing_channel,
};
use lunation_context::{AsyncLocalStorage, Snapshot};

use crate::support::{Journal, OnDrop, YieldOnce, poll_once};

type Operation = Trace<u32, &'static str, &'static str>;
type Tracing = TracingChannel<u32, &'static str, &'static str>;

/// Set by `start`.
static S: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
/// Set by `async_start`.
static A: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

fn stores() -> String {
    let show = |store: Option<u32>| store.map_or("-".to_owned(), |value| value.to_string());
    format!("{}/{}", show(S.cloned()), show(A.cloned()))
}

struct Watch(Journal);

impl Watch {
    fn note(&self, event: &str, trace: &Operation) {
        let outcome = match (trace.result(), trace.error(), trace.panic_message()) {
            (Some(result), None, None) => result,
            (None, Some(error), None) => error,
            (None, None, Some(panic)) => panic,
            (None, None, None) => "",
            unexpected => panic!("{unexpected:?}"),
        };
        self.0.note(format!("{event} {outcome}@{}", stores()));
    }
}

impl TracingSubscriber<u32, &'static str, &'static str> for Watch {
    fn start(&self, trace: &Operation) {
        assert_eq!(*trace.context(), 7);
        self.note("start", trace);
    }
    fn end(&self, trace: &Operation) {
        self.note("end", trace);
    }
    fn async_start(&self, trace: &Operation) {
        self.note("async_start", trace);
    }
    fn async_end(&self, trace: &Operation) {
        self.note("async_end", trace);
    }
    fn error(&self, trace: &Operation) {
        self.note("error", trace);
    }
}

/// A channel with everything on it.
fn watched(journal: &Journal) -> (Tracing, [Subscription; 5]) {
    let channel: Tracing = tracing_channel!("test");
    let subscriptions = channel.subscribe(Watch(journal.clone()));
    channel.start().bind_store(&S, |trace| *trace.context());
    channel.async_start().bind_store(&A, |trace| *trace.context() + 1);
    (channel, subscriptions)
}

fn unwound<R>(f: impl FnOnce() -> R) -> &'static str {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    *payload.downcast::<&str>().expect("a text")
}

#[test]
fn any_channel_makes_it_active() {
    let channel: Tracing = tracing_channel!("test");
    let all = [
        channel.start(),
        channel.end(),
        channel.async_start(),
        channel.async_end(),
        channel.error(),
    ];
    let names = ["start", "end", "asyncStart", "asyncEnd", "error"];
    for (one, name) in all.into_iter().zip(names) {
        assert!(!channel.has_subscribers());
        let _subscription = one.subscribe(|_, _| ());
        assert!(channel.has_subscribers());
        assert_eq!(one.name(), format!("tracing:test:{name}"));
    }
    let subscriptions = channel.subscribe(Watch(Journal::default()));
    drop(subscriptions);
    assert!(!channel.has_subscribers());
}

#[test]
fn a_call() {
    let journal = Journal::default();
    let (channel, _subscriptions) = watched(&journal);
    assert_eq!(channel.trace_sync(7, || Ok("done")), Ok("done"));
    assert_eq!(journal.take(), ["start @7/-", "end done@7/-"]);
    let failed = channel.trace_sync(7, || {
        journal.note(format!("body {}", stores()));
        Err("failed")
    });
    assert_eq!(failed, Err("failed"));
    let expected = ["start @7/-", "body 7/-", "error failed@7/-", "end failed@7/-"];
    assert_eq!(journal.take(), expected);
    assert_eq!(unwound(|| channel.trace_sync(7, || resume_unwind(Box::new("panic")))), "panic");
    assert_eq!(journal.take(), ["start @7/-", "error panic@7/-", "end panic@7/-"]);
    assert_eq!(stores(), "-/-");
}

#[test]
fn who_comes_during_the_call_hears_nothing() {
    let journal = Journal::default();
    let channel: Tracing = tracing_channel!("test");
    let held = RefCell::new(None);
    let join = || {
        *held.borrow_mut() = Some(channel.subscribe(Watch(journal.clone())));
    };
    let leave = || drop(held.take());
    let called = channel.trace_sync(7, || {
        join();
        Ok("done")
    });
    assert_eq!(called, Ok("done"));
    leave();
    let polled = poll_once(pin!(channel.trace_future(7, async {
        join();
        Err("failed")
    })));
    assert_eq!(polled, Poll::Ready(Err("failed")));
    leave();
    let callback = |outcome: Result<&&str, &&str>| assert_eq!(outcome, Ok(&"done"));
    channel.trace_callback(7, callback, |callback| {
        join();
        callback.call(Ok("done"));
    });
    assert!(journal.take().is_empty());
}

#[test]
fn a_future_that_waits() {
    let journal = Journal::default();
    let (channel, _subscriptions) = watched(&journal);
    for outcome in [Ok("done"), Err("failed")] {
        let log = journal.clone();
        let future = channel.trace_future(7, async move {
            log.note(format!("first {}", stores()));
            YieldOnce::default().await;
            log.note(format!("second {}", stores()));
            outcome
        });
        let mut future = pin!(future);
        journal.note("lazy");
        assert!(poll_once(future.as_mut()).is_pending());
        journal.note(format!("caller {}", stores()));
        // Polled in another context: the body keeps its own.
        let polled = S.run(1, || poll_once(future.as_mut()));
        assert_eq!(polled, Poll::Ready(outcome));
        journal.note(format!("caller {}", stores()));
    }
    let seen = journal.take();
    let (done, failed) = seen.split_at(9);
    let begin = ["lazy", "start @7/-", "first 7/-", "end @7/-", "caller -/-", "second 7/-"];
    assert_eq!(done[..6], begin);
    assert_eq!(done[6..], ["async_start done@7/8", "async_end done@7/8", "caller -/-"]);
    assert_eq!(failed[..6], begin);
    let end = ["error failed@7/-", "async_start failed@7/8", "async_end failed@7/8", "caller -/-"];
    assert_eq!(failed[6..], end);
}

#[test]
fn a_future_that_is_ready_at_once() {
    let journal = Journal::default();
    let (channel, _subscriptions) = watched(&journal);
    let polled = poll_once(pin!(channel.trace_future(7, async { Ok("done") })));
    assert_eq!(polled, Poll::Ready(Ok("done")));
    let expected = ["start @7/-", "end @7/-", "async_start done@7/8", "async_end done@7/8"];
    assert_eq!(journal.take(), expected);
}

#[test]
fn a_future_that_panics() {
    let journal = Journal::default();
    let (channel, _subscriptions) = watched(&journal);
    let mut future = pin!(channel.trace_future(7, async { resume_unwind(Box::new("panic")) }));
    assert_eq!(unwound(|| poll_once(future.as_mut())), "panic");
    assert_eq!(journal.take(), ["start @7/-", "error panic@7/-", "end panic@7/-"]);
    let mut future = pin!(channel.trace_future(7, async {
        YieldOnce::default().await;
        resume_unwind(Box::new("panic"))
    }));
    assert!(poll_once(future.as_mut()).is_pending());
    assert_eq!(unwound(|| poll_once(future.as_mut())), "panic");
    let expected = [
        "start @7/-",
        "end @7/-",
        "error panic@7/-",
        "async_start panic@7/8",
        "async_end panic@7/8",
    ];
    assert_eq!(journal.take(), expected);
    assert_eq!(stores(), "-/-");
}

#[test]
fn a_future_is_a_flow_of_its_own_and_dropped_in_it() {
    let journal = Journal::default();
    let (channel, _subscriptions) = watched(&journal);
    let log = journal.clone();
    let mut future = Box::pin(channel.trace_future(7, async move {
        let _on_drop = OnDrop(|| log.note(format!("dropped {}", stores())));
        A.enter_with(5);
        std::future::pending().await
    }));
    assert!(A.run(2, || poll_once(future.as_mut())).is_pending());
    assert_eq!(stores(), "-/-");
    drop(future);
    assert_eq!(journal.take(), ["start @7/2", "end @7/5", "dropped 7/5"]);
}

#[test]
fn a_callback_called_later() {
    let journal = Journal::default();
    let (channel, _subscriptions) = watched(&journal);
    for outcome in [Ok("done"), Err("failed")] {
        let log = journal.clone();
        let callback = move |got: Result<&&str, &&str>| {
            log.note(format!("callback {}", stores()));
            got.is_ok()
        };
        let (callback, context) = channel.trace_callback(7, callback, |callback| {
            journal.note(format!("body {}", stores()));
            (callback, Snapshot::capture())
        });
        journal.note(format!("caller {}", stores()));
        assert_eq!(context.run(|| callback.call(outcome)), outcome.is_ok());
    }
    let seen = journal.take();
    let (done, failed) = seen.split_at(7);
    let begin = ["start @7/-", "body 7/-", "end @7/-", "caller -/-"];
    assert_eq!(done[..4], begin);
    assert_eq!(done[4..], ["async_start done@7/8", "callback 7/8", "async_end done@7/8"]);
    assert_eq!(failed[..4], begin);
    let end =
        ["error failed@7/-", "async_start failed@7/8", "callback 7/8", "async_end failed@7/8"];
    assert_eq!(failed[4..], end);
}

#[test]
fn a_callback_called_at_once_or_never() {
    let journal = Journal::default();
    let (channel, _subscriptions) = watched(&journal);
    let called = Rc::new(RefCell::new(0));
    let count = Rc::clone(&called);
    let callback = move |_: Result<&&str, &&str>| *count.borrow_mut() += 1;
    channel.trace_callback(7, callback.clone(), |callback| callback.call(Ok("done")));
    let expected = ["start @7/-", "async_start done@7/8", "async_end done@7/8", "end done@7/-"];
    assert_eq!(journal.take(), expected);
    let body = || {
        channel.trace_callback(7, callback, |_| -> () { resume_unwind(Box::new("panic")) });
    };
    assert_eq!(unwound(body), "panic");
    assert_eq!(journal.take(), ["start @7/-", "error panic@7/-", "end panic@7/-"]);
    assert_eq!(*called.borrow(), 1);
}

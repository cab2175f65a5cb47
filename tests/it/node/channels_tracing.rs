//! Node's tests of tracing channels.

use super::support::{async_script, ms, script, script_with_handler, seen, throw};
use crate::support::Journal;
use lunation::diagnostics_channel::{Trace, TracingChannel, TracingSubscriber, tracing_channel};
use lunation::{AsyncLocalStorage, execution_async_id, microtask, set_immediate, spawn, time};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// An operation about a text that gives a number or fails with a text.
type Channel = TracingChannel<&'static str, u32, &'static str>;

/// Writes every event down, with what is known of the end.
struct Handlers(Journal);

impl Handlers {
    fn note(&self, event: &str, trace: &Trace<&'static str, u32, &'static str>) {
        let context = trace.context();
        match (trace.result(), trace.error(), trace.panic_message()) {
            (Some(result), ..) => self.0.add(format_args!("{event}({context})={result}")),
            (_, Some(error), _) => self.0.add(format_args!("{event}({context})!{error}")),
            (.., Some(panic)) => self.0.add(format_args!("{event}({context})!!{panic}")),
            _ => self.0.add(format_args!("{event}({context})")),
        }
    }
}

impl TracingSubscriber<&'static str, u32, &'static str> for Handlers {
    fn start(&self, trace: &Trace<&'static str, u32, &'static str>) {
        self.note("start", trace);
    }

    fn end(&self, trace: &Trace<&'static str, u32, &'static str>) {
        self.note("end", trace);
    }

    fn async_start(&self, trace: &Trace<&'static str, u32, &'static str>) {
        self.note("asyncStart", trace);
    }

    fn async_end(&self, trace: &Trace<&'static str, u32, &'static str>) {
        self.note("asyncEnd", trace);
    }

    fn error(&self, trace: &Trace<&'static str, u32, &'static str>) {
        self.note("error", trace);
    }
}

/// Subscribes to all five for the rest of the test.
fn watch(channel: &Channel, journal: &Journal) {
    for subscription in channel.subscribe(Handlers(journal.clone())) {
        subscription.detach();
    }
}

#[test]
fn test_diagnostics_channel_tracing_channel_sync() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-sync. Assertions: 9 there, 7 here;
    // left out: none (the journal counts the calls). Added: the results.
    static CHANNEL: Channel = tracing_channel!("test");
    let journal = Journal::default();
    assert!(!CHANNEL.has_subscribers());
    let handlers = CHANNEL.subscribe(Handlers(journal.clone()));
    assert!(CHANNEL.has_subscribers());
    assert_eq!(CHANNEL.trace_sync("foo", || Ok(7)), Ok(7));
    drop(handlers);
    assert!(!CHANNEL.has_subscribers());
    assert_eq!(CHANNEL.trace_sync("foo", || Ok(8)), Ok(8));
    assert_eq!(journal.take(), "start(foo) end(foo)=7");
}

#[test]
fn test_diagnostics_channel_tracing_channel_sync_error() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-sync-error. Assertions: 9 there, 8
    // here; left out: `this` and arguments (2). An error is an `Err`, a throw a panic: both.
    static CHANNEL: Channel = tracing_channel!("test");
    let journal = Journal::default();
    let _handlers = CHANNEL.subscribe(Handlers(journal.clone()));
    assert_eq!(CHANNEL.trace_sync("foo", || Err("test")), Err("test"));
    assert_eq!(journal.take(), "start(foo) error(foo)!test end(foo)!test");
    let thrown = catch_unwind(AssertUnwindSafe(|| CHANNEL.trace_sync("foo", || throw("thrown"))));
    assert_eq!(thrown.expect_err("thrown").downcast_ref(), Some(&"thrown"));
    assert_eq!(journal.take(), "start(foo) error(foo)!!thrown end(foo)!!thrown");
}

#[test]
fn test_diagnostics_channel_tracing_channel_sync_early_exit() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-sync-early-exit. Assertions: 5 there,
    // 2 here; left out: none (an empty journal stands for the 5). Added: they do subscribe.
    static CHANNEL: Channel = tracing_channel!("test");
    let journal = Journal::default();
    let traced = CHANNEL.trace_sync("foo", || {
        watch(&CHANNEL, &journal);
        Ok(1)
    });
    assert_eq!((traced, journal.take().as_str()), (Ok(1), ""));
    assert!(CHANNEL.has_subscribers());
}

#[test]
fn test_diagnostics_channel_tracing_channel_sync_run_stores() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-sync-run-stores. Assertions: 5 there,
    // 4 here; left out: none (2 counters are the journal's).
    static CHANNEL: Channel = tracing_channel!("test");
    static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    let journal = Journal::default();
    let j = journal.clone();
    CHANNEL.start().bind_store(&STORE, move |trace| {
        j.add("transform");
        *trace.context()
    });
    assert_eq!(seen(&STORE), "-");
    let traced = CHANNEL.trace_sync("foo", || {
        journal.add(seen(&STORE));
        Ok(1)
    });
    assert_eq!((traced, seen(&STORE)), (Ok(1), "-"));
    assert_eq!(journal.take(), "transform foo");
}

#[test]
fn test_diagnostics_channel_tracing_channel_has_subscribers() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-has-subscribers. Assertions: 13
    // there, 5 here; left out: none. All five channels, of which Node tries two.
    static CHANNEL: Channel = tracing_channel!("test");
    assert!(!CHANNEL.has_subscribers());
    let whole = CHANNEL.subscribe(Handlers(Journal::default()));
    assert!(CHANNEL.has_subscribers());
    drop(whole);
    assert!(!CHANNEL.has_subscribers());
    let all = [
        CHANNEL.start(),
        CHANNEL.end(),
        CHANNEL.async_start(),
        CHANNEL.async_end(),
        CHANNEL.error(),
    ];
    for one in all {
        let handler = one.subscribe(|_, _| unreachable!("nothing is published"));
        assert!(CHANNEL.has_subscribers());
        drop(handler);
        assert!(!CHANNEL.has_subscribers());
    }
}

#[test]
fn test_diagnostics_channel_tracing_channel_callback() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-callback. Assertions: 15 there, 6
    // here; left out: `this` (1), a callback that is none (2: types), the counters are the
    // journal's.
    static CHANNEL: Channel = tracing_channel!("test");
    let trace = script(|j| {
        watch(&CHANNEL, j);
        let journal = j.clone();
        let callback = move |outcome: Result<&u32, &&str>| {
            assert_eq!(outcome, Ok(&7));
            journal.add("callback");
        };
        CHANNEL.trace_callback("foo", callback, |traced| {
            set_immediate(move || traced.call(Ok(7)));
        });
    });
    assert_eq!(trace, "start(foo) end(foo) asyncStart(foo)=7 callback asyncEnd(foo)=7");
}

#[test]
fn test_diagnostics_channel_tracing_channel_callback_error() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-callback-error. Assertions: 11
    // there, 7 here; left out: `this` (1), the counters are the journal's.
    static CHANNEL: Channel = tracing_channel!("test");
    let trace = script(|j| {
        watch(&CHANNEL, j);
        let journal = j.clone();
        let callback = move |outcome: Result<&u32, &&str>| {
            assert_eq!(outcome, Err(&"test"));
            journal.add("callback");
        };
        CHANNEL.trace_callback("foo", callback, |traced| {
            set_immediate(move || traced.call(Err("test")));
        });
    });
    let expected = "start(foo) end(foo) error(foo)!test asyncStart(foo)!test callback \
                    asyncEnd(foo)!test";
    assert_eq!(trace, expected);
}

#[test]
fn test_diagnostics_channel_tracing_channel_callback_early_exit() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-callback-early-exit. Assertions: 6
    // there, 1 here; left out: none (the journal stands for 5 handlers that are not called).
    static CHANNEL: Channel = tracing_channel!("test");
    let trace = script(|j| {
        let journal = j.clone();
        let callback = move |_: Result<&u32, &&str>| journal.add("callback");
        CHANNEL.trace_callback("foo", callback, |traced| {
            set_immediate(move || traced.call(Ok(7)));
        });
        watch(&CHANNEL, j);
    });
    assert_eq!(trace, "callback");
}

#[test]
fn test_diagnostics_channel_tracing_channel_callback_run_stores() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-callback-run-stores. Assertions: 8
    // there, 6 here; left out: none (the counters are the journal's).
    static CHANNEL: Channel = tracing_channel!("test");
    static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    let trace = script(|j| {
        let [first, second] = [j.clone(), j.clone()];
        CHANNEL.start().bind_store(&STORE, move |_| {
            first.add("start");
            "first"
        });
        CHANNEL.async_start().bind_store(&STORE, move |_| {
            second.add("asyncStart");
            "second"
        });
        assert_eq!(seen(&STORE), "-");
        let journal = j.clone();
        let callback = move |_: Result<&u32, &&str>| journal.add(seen(&STORE));
        CHANNEL.trace_callback("foo", callback, |traced| {
            j.add(seen(&STORE));
            set_immediate(move || traced.call(Ok(7)));
        });
        assert_eq!(seen(&STORE), "-");
    });
    assert_eq!(trace, "start first asyncStart second");
}

#[test]
fn test_diagnostics_channel_tracing_channel_promise() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-promise. Assertions: 12 there, 5
    // here; left out: `this` (1), the counters are the journal's.
    static CHANNEL: Channel = tracing_channel!("test");
    let journal = Journal::default();
    watch(&CHANNEL, &journal);
    let value = async_script(CHANNEL.trace_future("foo", async {
        microtask().await;
        Ok(7)
    }));
    assert_eq!(value, Ok(7));
    assert_eq!(journal.take(), "start(foo) end(foo) asyncStart(foo)=7 asyncEnd(foo)=7");
}

#[test]
fn test_diagnostics_channel_tracing_channel_promise_error() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-promise-error. Assertions: 11 there,
    // 6 here; left out: `this` (1), the counters are the journal's.
    static CHANNEL: Channel = tracing_channel!("test");
    let journal = Journal::default();
    watch(&CHANNEL, &journal);
    let value = async_script(CHANNEL.trace_future("foo", async {
        microtask().await;
        Err("test")
    }));
    assert_eq!(value, Err("test"));
    let expected = "start(foo) end(foo) error(foo)!test asyncStart(foo)!test asyncEnd(foo)!test";
    assert_eq!(journal.take(), expected);
}

#[test]
fn test_diagnostics_channel_tracing_channel_promise_early_exit() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-promise-early-exit. Assertions: 5
    // there, 2 here; left out: none (an empty journal stands for the 5). The future is pending
    // when they subscribe.
    static CHANNEL: Channel = tracing_channel!("test");
    let journal = Journal::default();
    let value = async_script(async {
        let task = spawn(CHANNEL.trace_future("foo", async {
            lunation::immediate().await;
            Ok(7)
        }));
        microtask().await;
        watch(&CHANNEL, &journal);
        task.await.expect("a task")
    });
    assert_eq!((value, journal.take().as_str()), (Ok(7), ""));
    assert!(CHANNEL.has_subscribers());
}

#[test]
fn test_diagnostics_channel_tracing_channel_promise_run_stores() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-promise-run-stores. Assertions: 7
    // there, 7 here; left out: none. That stores of asyncStart are not used is drift: Node 26 uses
    // them around its two events, and so do we; the future itself keeps the first store.
    static CHANNEL: Channel = tracing_channel!("test");
    static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    let journal = Journal::default();
    CHANNEL.start().bind_store(&STORE, |_| "first");
    CHANNEL.async_start().bind_store(&STORE, |_| "second");
    for channel in [CHANNEL.async_start(), CHANNEL.async_end()] {
        let j = journal.clone();
        channel.subscribe(move |_, _| j.add(format_args!("event@{}", seen(&STORE)))).detach();
    }
    async_script(async {
        assert_eq!(seen(&STORE), "-");
        let j = journal.clone();
        let task = spawn(CHANNEL.trace_future("foo", async move {
            j.add(seen(&STORE));
            time::sleep(ms(1)).await;
            j.add(seen(&STORE));
            Ok(7)
        }));
        assert_eq!(seen(&STORE), "-");
        assert_eq!(task.await.expect("a task"), Ok(7));
    });
    assert_eq!(journal.take(), "first first event@second event@second");
}

#[test]
fn test_diagnostics_channel_tracing_channel_promise_unhandled() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-promise-unhandled. Assertions: 11
    // there, 7 here; left out: `this` (1), the counters are the journal's. A rejection is the panic
    // of a task that nobody joins; it comes after an await, where Node's promise settles.
    static CHANNEL: Channel = tracing_channel!("test");
    let journal = Journal::default();
    let j = journal.clone();
    let handler = move |failure: &lunation::Unhandled| {
        assert_eq!(execution_async_id(), failure.id());
        j.add(format_args!("unhandled:{}", failure.message()));
    };
    let trace = script_with_handler(&journal, handler, |j| {
        watch(&CHANNEL, j);
        drop(spawn(CHANNEL.trace_future("foo", async {
            microtask().await;
            throw("test")
        })));
    });
    let expected = "start(foo) end(foo) error(foo)!!test asyncStart(foo)!!test \
                    asyncEnd(foo)!!test unhandled:test";
    assert_eq!(trace, expected);
}

/// A thenable: a future written by hand that is ready at once.
struct ResolvedThenable(u32);

impl Future for ResolvedThenable {
    type Output = Result<u32, &'static str>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(self.0))
    }
}

#[test]
fn test_diagnostics_channel_tracing_channel_promise_thenable() {
    // Node: parallel/test-diagnostics-channel-tracing-channel-promise-thenable. Assertions: 13
    // there, 5 here; left out: `this` (1), the classes (2: types), the counters are the journal's.
    static CHANNEL: Channel = tracing_channel!("test");
    let journal = Journal::default();
    watch(&CHANNEL, &journal);
    let value = async_script(CHANNEL.trace_future("foo", ResolvedThenable(7)));
    assert_eq!(value, Ok(7));
    assert_eq!(journal.take(), "start(foo) end(foo) asyncStart(foo)=7 asyncEnd(foo)=7");
}

//! Node's tests of diagnostics channels and bounded channels.

use super::support::{script, script_with_handler, seen, throw};
use crate::support::Journal;
use lunation::AsyncLocalStorage;
use lunation::diagnostics_channel::{BoundedChannel, Channel, Subscription, bounded_channel};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

type Storage = AsyncLocalStorage<&'static str>;

/// Writes the name of an event and the store down.
fn notes(
    journal: &Journal,
    event: &'static str,
    storage: &'static Storage,
) -> impl Fn(&&'static str, &'static str) + 'static + use<> {
    let journal = journal.clone();
    move |message, _| journal.add(format_args!("{event}({message})@{}", seen(storage)))
}

#[test]
fn test_diagnostics_channel_has_subscribers() {
    // Node: parallel/test-diagnostics-channel-has-subscribers. Assertions: 2 there, 2 here; left
    // out: none (a channel is asked itself, there is no registry of names).
    static CHANNEL: Channel<str> = Channel::new("test");
    assert!(!CHANNEL.has_subscribers());
    let _subscription = CHANNEL.subscribe(|_, _| ());
    assert!(CHANNEL.has_subscribers());
}

#[test]
fn test_diagnostics_channel_object_channel_pub_sub() {
    // Node: parallel/test-diagnostics-channel-object-channel-pub-sub. Assertions: 10 there, 6
    // here; left out: 3 of classes and types, and the name that is not registered.
    static CHANNEL: Channel<&str> = Channel::new("test");
    let journal = Journal::default();
    assert!(!CHANNEL.has_subscribers());
    let j = journal.clone();
    let subscription = CHANNEL.subscribe(move |message, name| {
        assert_eq!(name, CHANNEL.name());
        j.add(message);
    });
    assert!(CHANNEL.has_subscribers());
    CHANNEL.publish(&"foo");
    drop(subscription);
    assert!(!CHANNEL.has_subscribers());
    CHANNEL.publish(&"never");
    assert_eq!(journal.take(), "foo");
    assert_eq!(CHANNEL.name(), "test");
}

#[test]
fn test_diagnostics_channel_pub_sub() {
    // Node: parallel/test-diagnostics-channel-pub-sub. Assertions: 13 there, 9 here; left out: 3
    // of classes and types, unsubscribing twice (a subscription is dropped once).
    static CHANNEL: Channel<&str> = Channel::new("test");
    let journal = Journal::default();
    assert!(!CHANNEL.has_subscribers());
    let subscribe = || {
        let j = journal.clone();
        CHANNEL.subscribe(move |message, name| j.add(format_args!("{name}:{message}")))
    };
    let subscription = subscribe();
    assert!(CHANNEL.has_subscribers());
    CHANNEL.publish(&"foo");
    assert_eq!(journal.take(), "test:foo");
    drop(subscription);
    assert!(!CHANNEL.has_subscribers());
    CHANNEL.publish(&"never");
    assert_eq!(journal.take(), "");
    // None at all does not end the channel.
    drop(subscribe());
    assert!(!CHANNEL.has_subscribers());
    let again = subscribe();
    assert!(CHANNEL.has_subscribers());
    CHANNEL.publish(&"bar");
    assert_eq!(journal.take(), "test:bar");
    drop(again);
    assert!(!CHANNEL.has_subscribers());
}

#[test]
fn test_diagnostics_channel_safe_subscriber_errors() {
    // Node: parallel/test-diagnostics-channel-safe-subscriber-errors. Assertions: 5 there, 4 here;
    // left out: none (the journal counts the calls). DIFFERENCE: the handler hears of the failure
    // at once, in the context of the publisher, not with the next tick: what failed is still there
    // to look at.
    static CHANNEL: Channel<&str> = Channel::new("fail");
    let journal = Journal::default();
    let j = journal.clone();
    let handler = move |failure: &lunation::Unhandled| j.add(failure.message());
    let trace = script_with_handler(&journal, handler, |j| {
        let [failing, next] = [j.clone(), j.clone()];
        let _failing = CHANNEL.subscribe(move |_, _| {
            failing.add("failing");
            throw("nope")
        });
        let _next = CHANNEL.subscribe(move |_, _| next.add("next"));
        CHANNEL.publish(&"foo");
        j.add("published");
    });
    assert_eq!(trace, "failing nope next published");
}

#[test]
fn test_diagnostics_channel_sync_unsubscribe() {
    // Node: parallel/test-diagnostics-channel-sync-unsubscribe. Assertions: 2 there, 3 here; left
    // out: none. Added: the next publish.
    static CHANNEL: Channel<&str> = Channel::new("test:channel");
    let journal = Journal::default();
    let own: Rc<RefCell<Option<Subscription>>> = Rc::default();
    let (j, subscription) = (journal.clone(), own.clone());
    let first = CHANNEL.subscribe(move |_, _| {
        j.add("first");
        drop(subscription.take());
    });
    *own.borrow_mut() = Some(first);
    let j = journal.clone();
    let _second = CHANNEL.subscribe(move |_, _| j.add("second"));
    CHANNEL.publish(&"some message");
    CHANNEL.publish(&"some message");
    assert_eq!(journal.take(), "first second second");
}

#[test]
fn test_diagnostics_channel_memory_leak() {
    // Node: parallel/test-diagnostics-channel-memory-leak. Assertions: 1 there, 2 here; left out:
    // none. Drops are counted instead of collections.
    let alive = Rc::new(());
    for _ in 0..64 * 256 {
        let channel = Channel::<str>::new("many");
        let held = alive.clone();
        drop(channel.subscribe(move |_, _| drop(held.clone())));
    }
    assert_eq!(Rc::strong_count(&alive), 1);
    // A subscriber that nobody removes ends with its channel.
    let held = alive.clone();
    let channel = Channel::<str>::new("one");
    channel.subscribe(move |_, _| drop(held.clone())).detach();
    drop(channel);
    assert_eq!(Rc::strong_count(&alive), 1);
}

#[test]
fn test_diagnostics_channel_gc_maintains_subcriptions() {
    // Node: parallel/test-diagnostics-channel-gc-maintains-subcriptions. Assertions: 1 there, 2
    // here; left out: none. A detached subscription stays without a handle.
    static CHANNEL: Channel<str> = Channel::new("test-gc");
    assert!(!CHANNEL.has_subscribers());
    CHANNEL.subscribe(|_, _| ()).detach();
    assert!(CHANNEL.has_subscribers());
}

#[test]
fn test_diagnostics_channel_bind_store() {
    // Node: parallel/test-diagnostics-channel-bind-store. Assertions: 31 there, 21 here; left out:
    // `this` and arguments (4), 2 counters of closures that are called or not compiled.
    // DIFFERENCE: a failing transform is told at once, before the body, not with the next tick.
    static CHANNEL: Channel<&str> = Channel::new("test");
    static PLAIN: Storage = AsyncLocalStorage::new();
    static DERIVED: AsyncLocalStorage<String> = AsyncLocalStorage::new();
    fn both() -> String {
        format!("{}/{}", seen(&PLAIN), DERIVED.cloned().unwrap_or("-".to_owned()))
    }
    let journal = Journal::default();
    let j = journal.clone();
    let handler = move |failure: &lunation::Unhandled| j.add(failure.message());
    let trace = script_with_handler(&journal, handler, |j| {
        CHANNEL.bind_store(&PLAIN, |data| *data);
        let journal = j.clone();
        CHANNEL.bind_store(&DERIVED, move |data| {
            journal.add(format_args!("transform({data})"));
            format!("data:{data}")
        });
        let journal = j.clone();
        CHANNEL.subscribe(move |data, _| journal.add(format_args!("{data}@{}", both()))).detach();
        assert_eq!(both(), "-/-");
        CHANNEL.run_stores(&"foo", || {
            j.add(both());
            CHANNEL.run_stores(&"baz", || j.add(both()));
            j.add(both());
        });
        assert_eq!(both(), "-/-");
        assert!(CHANNEL.unbind_store(&PLAIN));
        assert!(!CHANNEL.unbind_store(&PLAIN));
        j.add("unbound");
        CHANNEL.run_stores(&"baz", || j.add(both()));
        CHANNEL.bind_store(&PLAIN, |_| throw("fail"));
        j.add("failing");
        assert_eq!(CHANNEL.run_stores(&"baz", both), "-/data:baz");
        assert_eq!(both(), "-/-");
    });
    let expected = [
        "transform(foo) foo@foo/data:foo foo/data:foo",
        "transform(baz) baz@baz/data:baz baz/data:baz foo/data:foo",
        "unbound transform(baz) baz@-/data:baz -/data:baz",
        "failing transform(baz) fail baz@-/data:baz",
    ];
    assert_eq!(trace, expected.join(" "));
}

#[test]
fn test_diagnostics_channel_run_stores_scope() {
    // Node: parallel/test-diagnostics-channel-run-stores-scope. Assertions: 30 there, 16 here; left
    // out: disposing twice (1, types), lengths and kinds of the events (4, the journal is compared
    // whole), what is the same block twice there (3).
    static CHANNEL: Channel<&str> = Channel::new("test-run-stores-scope");
    static STORE: Storage = AsyncLocalStorage::new();
    static LOUD: AsyncLocalStorage<String> = AsyncLocalStorage::new();
    let journal = Journal::default();
    let all = || format!("{}/{}", seen(&STORE), LOUD.cloned().unwrap_or("-".to_owned()));
    // Nobody listens: nothing happens.
    drop(CHANNEL.enter_stores(&"test"));
    assert_eq!(all(), "-/-");
    CHANNEL.subscribe(notes(&journal, "message", &STORE)).detach();
    CHANNEL.bind_store(&STORE, |data| *data);
    CHANNEL.bind_store(&LOUD, |data| format!("{data}!"));
    {
        let _scope = CHANNEL.enter_stores(&"test");
        assert_eq!(all(), "test/test!");
        journal.add("inside");
    }
    assert_eq!(all(), "-/-");
    assert_eq!(journal.take(), "message(test)@test inside");
    {
        let _outer = CHANNEL.enter_stores(&"outer");
        assert_eq!(all(), "outer/outer!");
        let inner = CHANNEL.enter_stores(&"inner");
        assert_eq!(all(), "inner/inner!");
        drop(inner);
        assert_eq!(all(), "outer/outer!");
    }
    assert_eq!(all(), "-/-");
    assert_eq!(journal.take(), "message(outer)@outer message(inner)@inner");
    STORE.enter_with("initial");
    assert_eq!(all(), "initial/-");
    let thrown = catch_unwind(AssertUnwindSafe(|| {
        let _scope = CHANNEL.enter_stores(&"during");
        assert_eq!(all(), "during/during!");
        throw::<()>("test")
    }));
    assert!(thrown.is_err());
    assert_eq!(all(), "initial/-");
    assert_eq!(journal.take(), "message(during)@during");
}

/// Subscribes to both channels.
fn subscribe(
    channel: &BoundedChannel<&'static str>,
    journal: &Journal,
    storage: &'static Storage,
) -> [Subscription; 2] {
    let start = channel.start().subscribe(notes(journal, "start", storage));
    [start, channel.end().subscribe(notes(journal, "end", storage))]
}

/// [`subscribe`] for the rest of the test.
fn watch(channel: &BoundedChannel<&'static str>, journal: &Journal, storage: &'static Storage) {
    for subscription in subscribe(channel, journal, storage) {
        subscription.detach();
    }
}

#[test]
fn test_diagnostics_channel_bounded_channel() {
    // Node: parallel/test-diagnostics-channel-bounded-channel. Assertions: 27 there, 12 here; left
    // out: exports and methods that exist (9: the compiler), unsubscribing twice (2), lengths (2),
    // identity of the given channels is that of their names.
    static STORE: Storage = AsyncLocalStorage::new();
    static BASIC: BoundedChannel<&str> = bounded_channel!("test-window-basic");
    assert_eq!(BASIC.start().name(), "tracing:test-window-basic:start");
    assert_eq!(BASIC.end().name(), "tracing:test-window-basic:end");
    assert!(!BASIC.has_subscribers());
    static CUSTOM: BoundedChannel<&str> =
        BoundedChannel::from_channels(Channel::new("custom:start"), Channel::new("custom:end"));
    assert_eq!((CUSTOM.start().name(), CUSTOM.end().name()), ("custom:start", "custom:end"));
    let journal = Journal::default();
    let handlers = subscribe(&BASIC, &journal, &STORE);
    assert!(BASIC.has_subscribers());
    BASIC.start().publish(&"a");
    BASIC.end().publish(&"b");
    assert_eq!(journal.take(), "start(a)@- end(b)@-");
    drop(handlers);
    assert!(!BASIC.has_subscribers());
    BASIC.start().publish(&"never");
    assert_eq!(journal.take(), "");
    // One of the two is enough.
    let _partial = BASIC.start().subscribe(notes(&journal, "start", &STORE));
    assert!(BASIC.has_subscribers());
    BASIC.start().publish(&"c");
    BASIC.end().publish(&"d");
    assert_eq!(journal.take(), "start(c)@-");
    let _other = CUSTOM.end().subscribe(|_, _| ());
    assert!(CUSTOM.has_subscribers());
}

#[test]
fn test_diagnostics_channel_bounded_channel_run() {
    // Node: parallel/test-diagnostics-channel-bounded-channel-run. Assertions: 12 there, 11 here;
    // left out: `this` and arguments (1), lengths (3).
    static STORE: Storage = AsyncLocalStorage::new();
    static CHANNEL: BoundedChannel<&str> = bounded_channel!("test-run");
    let journal = Journal::default();
    assert_eq!(CHANNEL.run(&"unseen", || "fast path"), "fast path");
    let _handlers = subscribe(&CHANNEL, &journal, &STORE);
    assert_eq!(CHANNEL.run(&"123", || "success"), "success");
    assert_eq!(journal.take(), "start(123)@- end(123)@-");
    let thrown = catch_unwind(|| CHANNEL.run(&"456", || throw::<()>("test error")));
    assert_eq!(thrown.expect_err("thrown").downcast_ref(), Some(&"test error"));
    assert_eq!(journal.take(), "start(456)@- end(456)@-");
    CHANNEL.start().bind_store(&STORE, |message| *message);
    let result = CHANNEL.run(&"abc", || {
        journal.add(format_args!("inside@{}", seen(&STORE)));
        "result"
    });
    assert_eq!((result, seen(&STORE)), ("result", "-"));
    assert_eq!(journal.take(), "start(abc)@abc inside@abc end(abc)@abc");
}

/// A failing transform, around a body; the journal says `inside` in the body.
fn failing_transform(channel: &'static BoundedChannel<&'static str>, guard: bool) -> String {
    static STORE: Storage = AsyncLocalStorage::new();
    let journal = Journal::default();
    let j = journal.clone();
    let handler = move |failure: &lunation::Unhandled| j.add(failure.message());
    script_with_handler(&journal, handler, |j| {
        watch(channel, j, &STORE);
        channel.start().bind_store(&STORE, |_| throw("transform"));
        assert_eq!(seen(&STORE), "-");
        if guard {
            let _scope = channel.enter(&"123");
            j.add(format_args!("inside@{}", seen(&STORE)));
        } else {
            let inside = || {
                j.add(format_args!("inside@{}", seen(&STORE)));
                42
            };
            assert_eq!(channel.run(&"123", inside), 42);
        }
        assert_eq!(seen(&STORE), "-");
    })
}

#[test]
fn test_diagnostics_channel_bounded_channel_run_transform_error() {
    // Node: parallel/test-diagnostics-channel-bounded-channel-run-transform-error. Assertions: 16
    // there, 4 here; left out: 4 counters and 6 lengths and fields (the journal is compared whole).
    // DIFFERENCE: the failure is told at once, not with the next tick.
    static CHANNEL: BoundedChannel<&str> = bounded_channel!("test-run-transform-error");
    let trace = failing_transform(&CHANNEL, false);
    assert_eq!(trace, "transform start(123)@- inside@- end(123)@-");
}

#[test]
fn test_diagnostics_channel_bounded_channel_scope_transform_error() {
    // Node: parallel/test-diagnostics-channel-bounded-channel-scope-transform-error. Assertions:
    // 14 there, 4 here; left out: 3 counters and 6 lengths and fields (the journal is compared
    // whole). DIFFERENCE: the failure is told at once, not with the next tick.
    static CHANNEL: BoundedChannel<&str> = bounded_channel!("test-transform-error");
    let trace = failing_transform(&CHANNEL, true);
    assert_eq!(trace, "transform start(123)@- inside@- end(123)@-");
}

#[test]
fn test_diagnostics_channel_bounded_channel_scope() {
    // Node: parallel/test-diagnostics-channel-bounded-channel-scope. Assertions: 29 there, 11 here;
    // left out: a result put into the context inside of the scope is RefCell's business but for
    // one case, disposing twice, lengths and fields of what the journal compares whole.
    static STORE: Storage = AsyncLocalStorage::new();
    static CHANGING: BoundedChannel<RefCell<&str>> = bounded_channel!("test-scope-basic");
    let journal = Journal::default();
    let context = RefCell::new("outside");
    {
        let _unseen = CHANGING.enter(&context);
        context.replace("set without subscribers");
    }
    assert_eq!(*context.borrow(), "set without subscribers");
    let j = journal.clone();
    let note = move |message: &RefCell<&'static str>, name: &'static str| {
        let event = name.rsplit(':').next().unwrap_or_default();
        j.add(format_args!("{event}({})", message.borrow()));
    };
    let _start = CHANGING.start().subscribe(note.clone());
    let _end = CHANGING.end().subscribe(note);
    context.replace("before");
    {
        let _scope = CHANGING.enter(&context);
        context.replace("inside");
    }
    assert_eq!(journal.take(), "start(before) end(inside)");
    static CHANNEL: BoundedChannel<&str> = bounded_channel!("test-scope-store");
    let _handlers = subscribe(&CHANNEL, &journal, &STORE);
    CHANNEL.start().bind_store(&STORE, |message| *message);
    let scope = CHANNEL.enter(&"xyz");
    assert_eq!(seen(&STORE), "xyz");
    assert_eq!(journal.take(), "start(xyz)@xyz");
    drop(scope);
    assert_eq!(seen(&STORE), "-");
    assert_eq!(journal.take(), "end(xyz)@xyz");
    STORE.enter_with("initial");
    {
        let _scope = CHANNEL.enter(&"scoped");
        assert_eq!(seen(&STORE), "scoped");
    }
    assert_eq!(seen(&STORE), "initial");
    assert_eq!(journal.take(), "start(scoped)@scoped end(scoped)@scoped");
}

#[test]
fn test_diagnostics_channel_bounded_channel_scope_error() {
    // Node: parallel/test-diagnostics-channel-bounded-channel-scope-error. Assertions: 12 there, 7
    // here; left out: lengths and fields of what the journal compares whole.
    static STORE: Storage = AsyncLocalStorage::new();
    static CHANNEL: BoundedChannel<&str> = bounded_channel!("test-scope-throw");
    let journal = Journal::default();
    let _handlers = subscribe(&CHANNEL, &journal, &STORE);
    let fails = |message: &'static str, inside: &'static str| {
        let thrown = catch_unwind(AssertUnwindSafe(|| {
            let _scope = CHANNEL.enter(&message);
            assert_eq!(seen(&STORE), inside);
            throw::<()>("thrown")
        }));
        assert_eq!(thrown.expect_err("thrown").downcast_ref(), Some(&"thrown"));
    };
    fails("1", "-");
    assert_eq!(journal.take(), "start(1)@- end(1)@-");
    CHANNEL.start().bind_store(&STORE, |message| *message);
    STORE.enter_with("before");
    fails("during", "during");
    assert_eq!(seen(&STORE), "before");
    assert_eq!(journal.take(), "start(during)@during end(during)@during");
}

#[test]
fn test_diagnostics_channel_bounded_channel_scope_nested() {
    // Node: parallel/test-diagnostics-channel-bounded-channel-scope-nested. Assertions: 34 there,
    // 21 here; left out: lengths and fields of what the journals compare whole.
    static STORE: Storage = AsyncLocalStorage::new();
    static ONE: BoundedChannel<&str> = bounded_channel!("test-nested-one");
    static TWO: BoundedChannel<&str> = bounded_channel!("test-nested-two");
    let trace = script(|j| {
        watch(&ONE, j, &STORE);
        watch(&TWO, j, &STORE);
        ONE.start().bind_store(&STORE, |message| *message);
        TWO.start().bind_store(&STORE, |message| if *message == "b" { "two" } else { "?" });
        {
            let _outer = ONE.enter(&"outer");
            j.add("work");
            {
                let _inner = ONE.enter(&"inner");
                j.add("work");
            }
            j.add(seen(&STORE));
        }
        j.add(seen(&STORE));
        {
            let _one = ONE.enter(&"a");
            let two = TWO.enter(&"b");
            j.add(seen(&STORE));
            drop(two);
            j.add(seen(&STORE));
        }
        let nested = catch_unwind(AssertUnwindSafe(|| {
            let _outer = ONE.enter(&"o");
            let inner = catch_unwind(|| {
                let _inner = ONE.enter(&"i");
                throw::<()>("inner error")
            });
            j.add(format_args!("{}@{}", inner.is_err(), seen(&STORE)));
            throw::<()>("outer error")
        }));
        j.add(format_args!("{}@{}", nested.is_err(), seen(&STORE)));
    });
    let expected = [
        "start(outer)@outer work start(inner)@inner work end(inner)@inner outer end(outer)@outer -",
        "start(a)@a start(b)@two two end(b)@two a end(a)@a",
        "start(o)@o start(i)@i end(i)@i true@o end(o)@o true@-",
    ];
    assert_eq!(trace, expected.join(" "));
    fn deeper(depth: usize, depths: &mut Vec<&'static str>) {
        const NAMES: [&str; 4] = ["1", "2", "3", "4"];
        let _scope = ONE.enter(&NAMES[depth]);
        depths.push(seen(&STORE));
        if depth < 3 {
            deeper(depth + 1, depths);
            depths.push(seen(&STORE));
        }
    }
    let mut depths = Vec::new();
    deeper(0, &mut depths);
    depths.push(seen(&STORE));
    assert_eq!(depths, ["1", "2", "3", "4", "3", "2", "1", "-"]);
}

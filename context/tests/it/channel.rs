//! `Channel` and `BoundedChannel`.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use lunation_context::diagnostics_channel::{
    BoundedChannel, Channel, Subscription, bounded_channel,
};
use lunation_context::{
    AsyncLocalStorage, AsyncResource, Snapshot, execution_async_id, misplaced_guards,
    set_failure_handler,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

use crate::support::{Counted, Journal, OnDrop, child_role, run_child};

assert_impl_all!(Channel<Rc<u8>>: Send, Sync);
assert_not_impl_any!(Subscription: Send, Sync);

static X: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
static Y: AsyncLocalStorage<String> = AsyncLocalStorage::new();

thread_local! {
    static FAILURES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn stores() -> String {
    let x = X.cloned().map_or("-".to_owned(), |x| x.to_string());
    format!("{x}/{}", Y.cloned().unwrap_or("-".to_owned()))
}

/// From now on failures are noted with the stores at that moment.
fn note_failures() {
    set_failure_handler(Some(|payload| {
        let text = *payload.downcast::<&str>().expect("a text");
        FAILURES.with_borrow_mut(|failures| failures.push(format!("{text}@{}", stores())));
        None
    }));
}

fn failures() -> Vec<String> {
    FAILURES.take()
}

/// Panics without the message of the panic hook.
fn fail<R>(text: &'static str) -> R {
    resume_unwind(Box::new(text))
}

fn noting(journal: &Journal, name: &'static str) -> impl Fn(&u32, &'static str) + use<> {
    let journal = journal.clone();
    move |message, _| journal.note(format!("{name}:{message}@{}", stores()))
}

#[test]
fn subscribers_get_what_is_published_from_then_on() {
    let (journal, channel) = (Journal::default(), Channel::<u32>::new("test"));
    channel.publish(&0);
    assert!(!channel.has_subscribers());
    let log = journal.clone();
    let first = channel.subscribe(move |message, name| log.note(format!("{name} {message}")));
    assert!(channel.has_subscribers());
    channel.publish(&1);
    let second = channel.subscribe(noting(&journal, "second"));
    channel.publish(&2);
    drop(first);
    channel.publish(&3);
    drop(second);
    channel.publish(&4);
    assert!(!channel.has_subscribers());
    assert_eq!(journal.take(), ["test 1", "test 2", "second:2@-/-", "second:3@-/-"]);
}

#[test]
fn a_subscriber_runs_in_the_context_of_the_publisher() {
    let (journal, channel) = (Journal::default(), Channel::<u32>::new("test"));
    X.run(1, || channel.subscribe(noting(&journal, "s"))).detach();
    let id = execution_async_id();
    channel.subscribe(move |_, _| assert_eq!(execution_async_id(), id)).detach();
    X.run(2, || channel.publish(&0));
    assert_eq!(journal.take(), ["s:0@2/-"]);
}

#[test]
fn changes_during_a_publish_count_from_the_next_one_on() {
    let journal = Journal::default();
    let channel = Rc::new(Channel::<u32>::new("test"));
    let (log, inner) = (journal.clone(), Rc::downgrade(&channel));
    let held: Rc<RefCell<Vec<Subscription>>> = Rc::default();
    let list = Rc::clone(&held);
    let changer = channel.subscribe(move |_, _| {
        let unsubscribed = list.take();
        drop(unsubscribed);
        let added = inner.upgrade().expect("it publishes").subscribe(noting(&log, "added"));
        added.detach();
    });
    held.borrow_mut().extend([changer, channel.subscribe(noting(&journal, "removed"))]);
    channel.publish(&1);
    assert_eq!(journal.take(), ["removed:1@-/-"]);
    channel.publish(&2);
    assert_eq!(journal.take(), ["added:2@-/-"]);
}

#[test]
fn a_failing_subscriber_stops_nobody() {
    note_failures();
    let (journal, channel) = (Journal::default(), Channel::<u32>::new("test"));
    channel.subscribe(noting(&journal, "first")).detach();
    let failing =
        channel.subscribe(|_, _| X.run(9, || Y.run("unwound".to_owned(), || fail("subscriber"))));
    channel.subscribe(noting(&journal, "last")).detach();
    X.run(1, || channel.publish(&0));
    assert_eq!(failures(), ["subscriber@1/-"]);
    assert_eq!(journal.take(), ["first:0@1/-", "last:0@1/-"]);
    drop(failing);
    channel.publish(&0);
    assert!(failures().is_empty());
}

#[test]
fn without_a_handler_a_failure_is_reported() {
    if child_role().is_some() {
        let channel = Channel::<u32>::new("test");
        channel.subscribe(|_, _| fail("nobody takes it")).detach();
        set_failure_handler(Some(Some)); // It takes nothing.
        AsyncResource::new("R").run_in_async_scope(|| channel.publish(&0));
        set_failure_handler(None);
        return channel.publish(&0);
    }
    let child = run_child("channel::without_a_handler_a_failure_is_reported", "fail");
    assert!(child.status.success());
    let stderr = String::from_utf8_lossy(&child.stderr);
    let report = "lunation: UnhandledPanic: R 2 panicked: nobody takes it\n\
                  lunation: UnhandledPanic: ROOT 1 panicked: nobody takes it\n";
    assert!(stderr.contains(report), "{stderr}");
}

#[test]
fn stores_are_set_for_subscribers_and_body_and_what_it_captures() {
    // Node C.18, in its order.
    note_failures();
    let (journal, channel) = (Journal::default(), Channel::<u32>::new("test"));
    channel.bind_store(&X, |message| *message);
    channel.bind_store(&Y, |message| format!("t{message}"));
    channel.subscribe(noting(&journal, "sub")).detach();
    let later = channel.run_stores(&1, || {
        journal.note(format!("body {}", stores()));
        Snapshot::capture()
    });
    journal.note(format!("later {}", later.run(stores)));
    channel.publish(&2);
    channel.bind_store(&Y, |_| fail("transform"));
    channel.run_stores(&3, || journal.note(format!("body {}", stores())));
    journal.note(stores());
    let expected =
        ["sub:1@1/t1", "body 1/t1", "later 1/t1", "sub:2@-/-", "sub:3@3/-", "body 3/-", "-/-"];
    assert_eq!(journal.take(), expected);
    assert_eq!(failures(), ["transform@3/-"]);
}

#[test]
fn a_failing_transform_is_told_before_the_later_stores_are_set() {
    note_failures();
    let channel = Channel::<u32>::new("test");
    channel.bind_store(&Y, |_| fail("transform"));
    channel.bind_store(&X, |message| *message);
    channel.run_stores(&3, || assert_eq!(stores(), "3/-"));
    assert_eq!(failures(), ["transform@-/-"]);
}

#[test]
fn binding_again_keeps_the_place_and_unbinding_says_whether_it_was_bound() {
    let channel = Channel::<u32>::new("test");
    let order = Journal::default();
    let notes = |name: &'static str| {
        let order = order.clone();
        move |message: &u32| {
            order.note(name);
            *message
        }
    };
    let (a, b) = (Rc::new(AsyncLocalStorage::new()), Arc::new(AsyncLocalStorage::new()));
    channel.bind_store(Rc::clone(&a), notes("a"));
    channel.bind_store(Arc::clone(&b), notes("b"));
    a.disable();
    channel.bind_store(Rc::clone(&a), notes("a again"));
    assert!(channel.has_subscribers());
    channel.run_stores(&1, || assert_eq!((a.cloned(), b.cloned()), (Some(1), Some(1))));
    assert_eq!(order.take(), ["a again", "b"]);
    assert!(channel.unbind_store(&*a) && !channel.unbind_store(&*a));
    channel.run_stores(&2, || assert_eq!((a.cloned(), b.cloned()), (None, Some(2))));
    assert!(channel.unbind_store(&b) && !channel.has_subscribers());
    assert!(!channel.unbind_store(&X));
    assert_eq!((Rc::strong_count(&a), Arc::strong_count(&b)), (1, 1));
}

#[test]
fn stores_are_reset_also_on_unwind_and_other_changes_stay() {
    let channel = Channel::<u32>::new("test");
    channel.bind_store(&X, |message| *message);
    X.run(1, || {
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            channel.run_stores(&2, || {
                X.enter_with(3);
                Y.enter_with("stays".to_owned());
                fail::<()>("expected")
            });
        }));
        assert!(unwound.is_err());
        assert_eq!(stores(), "1/stays");
    });
    assert_eq!(stores(), "-/stays");
}

#[test]
fn an_inactive_channel_only_calls_the_body() {
    let channel = Channel::<u32>::new("test");
    assert_eq!(channel.run_stores(&1, stores), "-/-");
    let stores_set = channel.enter_stores(&1);
    drop(stores_set);
}

#[test]
fn a_guard_keeps_stores_set_and_nests() {
    // Node: `withStoreScope`, and the nested scopes of its tests.
    let channel = Channel::<u32>::new("test");
    channel.bind_store(&X, |message| *message);
    channel.bind_store(&Y, |message| message.to_string());
    {
        let _outer = channel.enter_stores(&1);
        assert_eq!(stores(), "1/1");
        {
            let _inner = channel.enter_stores(&2);
            assert_eq!(stores(), "2/2");
        }
        assert_eq!(stores(), "1/1");
    }
    assert_eq!(stores(), "-/-");
}

#[test]
fn a_guard_dropped_in_another_flow_is_misplaced() {
    let channel = Channel::<u32>::new("test");
    channel.bind_store(&X, |message| *message);
    let before = misplaced_guards();
    let guard = channel.enter_stores(&1);
    let elsewhere = Snapshot::capture();
    elsewhere.run(|| {
        drop(guard);
        assert_eq!(stores(), "1/-");
    });
    assert_eq!(misplaced_guards(), before + 1);
    assert_eq!(stores(), "1/-");
}

#[test]
fn a_value_that_panics_on_drop_leaves_no_store_set() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                fail::<()>("bomb");
            }
        }
    }
    let channel = Channel::<u32>::new("test");
    let bomb = Rc::new(AsyncLocalStorage::new());
    channel.bind_store(&X, |message| *message);
    channel.bind_store(Rc::clone(&bomb), |_| Bomb);
    let unwound = catch_unwind(AssertUnwindSafe(|| channel.run_stores(&1, || ())));
    assert!(unwound.is_err());
    assert_eq!(stores(), "-/-");
}

#[test]
fn threads_do_not_hear_each_other() {
    static CHANNEL: Channel<u32> = Channel::new("test");
    let journal = Journal::default();
    CHANNEL.bind_store(&X, |message| *message);
    CHANNEL.subscribe(noting(&journal, "here")).detach();
    let there = std::thread::spawn(|| {
        assert!(!CHANNEL.has_subscribers());
        CHANNEL.publish(&1);
        CHANNEL.run_stores(&2, stores)
    });
    assert_eq!(there.join().expect("it ends"), "-/-");
    CHANNEL.publish(&3);
    assert_eq!(journal.take(), ["here:3@-/-"]);
}

#[test]
fn nothing_is_kept_of_a_channel_that_is_dropped_or_left() {
    let drops = Rc::new(Cell::new(0));
    let subscriber = || {
        let counted = Counted::new(&drops);
        move |_: &u32, _: &str| {
            let _counted = &counted;
        }
    };
    let channel = Channel::new("test");
    channel.subscribe(subscriber()).detach();
    let handle = channel.subscribe(subscriber());
    let storage = Rc::new(AsyncLocalStorage::new());
    channel.bind_store(Rc::clone(&storage), |message: &u32| *message);
    drop(channel);
    assert_eq!((drops.get(), Rc::strong_count(&storage)), (2, 1));
    drop(handle);
    let channel = Channel::new("test");
    drop(channel.subscribe(subscriber()));
    assert_eq!(drops.get(), 3);
}

#[test]
fn dropped_subscribers_may_use_the_channel() {
    static CHANNEL: Channel<u32> = Channel::new("test");
    let journal = Journal::default();
    let log = journal.clone();
    let on_drop = OnDrop(move || {
        let inner = CHANNEL.subscribe(noting(&log, "in drop"));
        CHANNEL.publish(&1);
        drop(inner);
    });
    drop(CHANNEL.subscribe(move |_, _| {
        let _on_drop = &on_drop;
    }));
    assert_eq!(journal.take(), ["in drop:1@-/-"]);
    assert!(!CHANNEL.has_subscribers());
}

#[test]
fn thread_exit_with_subscribers() {
    static CHANNEL: Channel<u32> = Channel::new("test");
    std::thread::spawn(|| {
        let on_drop = OnDrop(|| {
            CHANNEL.publish(&1);
            CHANNEL.subscribe(|_, _| ()).detach();
            CHANNEL.bind_store(&X, |message| *message);
        });
        CHANNEL
            .subscribe(move |_, _| {
                let _on_drop = &on_drop;
            })
            .detach();
    })
    .join()
    .expect("it exits");
}

// ---- bounded ----

/// Notes start and end of a channel, with the stores bound to the start.
fn watch(journal: &Journal, channel: &BoundedChannel<u32>) {
    channel.start().bind_store(&X, |message| *message);
    channel.start().subscribe(noting(journal, "start")).detach();
    channel.end().subscribe(noting(journal, "end")).detach();
}

#[test]
fn a_bounded_channel_tells_start_and_end() {
    let journal = Journal::default();
    let channel: BoundedChannel<u32> = bounded_channel!("test");
    assert_eq!(channel.run(&0, stores), "-/-");
    assert!(!channel.has_subscribers());
    watch(&journal, &channel);
    assert!(channel.has_subscribers());
    channel.run(&1, || journal.note(format!("body {}", stores())));
    {
        let _bounds = channel.enter(&2);
        channel.run(&3, || ());
        journal.note(format!("between {}", stores()));
    }
    journal.note(stores());
    let expected = [
        "start:1@1/-",
        "body 1/-",
        "end:1@1/-",
        "start:2@2/-",
        "start:3@3/-",
        "end:3@3/-",
        "between 2/-",
        "end:2@2/-",
        "-/-",
    ];
    assert_eq!(journal.take(), expected);
    let names = [channel.start().name(), channel.end().name()];
    assert_eq!(names, ["tracing:test:start", "tracing:test:end"]);
}

#[test]
fn the_end_is_told_on_unwind_and_after_a_failing_transform() {
    note_failures();
    let journal = Journal::default();
    let channel: BoundedChannel<u32> = bounded_channel!("test");
    watch(&journal, &channel);
    channel.start().bind_store(&Y, |_| fail("transform"));
    let unwound = catch_unwind(AssertUnwindSafe(|| channel.run(&1, || fail::<()>("body"))));
    assert!(unwound.is_err());
    assert_eq!(journal.take(), ["start:1@1/-", "end:1@1/-"]);
    assert_eq!((failures(), stores()), (vec!["transform@1/-".to_owned()], "-/-".to_owned()));
}

#[test]
fn what_began_unseen_has_no_end() {
    let (journal, channel) = (Journal::default(), Rc::new(bounded_channel!("test")));
    channel.run(&1, || watch(&journal, &channel));
    assert!(journal.take().is_empty());
}

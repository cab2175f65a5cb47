//! Values are released as soon as nobody can read them, and their drops may do anything.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use lunation_context::{AsyncLocalStorage, AsyncResource, Frame, Snapshot};

use crate::support::{Counted, Journal, OnDrop, poll_once};

fn counter() -> Rc<Cell<u32>> {
    Rc::new(Cell::new(0))
}

#[test]
fn leaving_releases_the_value() {
    let (drops, a) = (counter(), AsyncLocalStorage::new());
    a.run(Counted::new(&drops), || {
        a.run(Counted::new(&drops), || assert_eq!(drops.get(), 0));
        assert_eq!(drops.get(), 1);
    });
    assert_eq!(drops.get(), 2);
    let (one, two) = (a.enter(Counted::new(&drops)), a.enter(Counted::new(&drops)));
    drop(one);
    assert_eq!(drops.get(), 3);
    drop(two);
    assert_eq!(drops.get(), 4);
}

#[test]
fn overwriting_in_a_loop_keeps_nothing() {
    let (drops, a) = (counter(), AsyncLocalStorage::new());
    let _guard = a.enter(Counted::new(&drops));
    for done in 0..100 {
        assert_eq!(drops.get(), done);
        a.enter_with(Counted::new(&drops));
    }
}

#[test]
fn a_capture_does_not_keep_a_shadowed_value() {
    let (outer, inner, a) = (counter(), counter(), AsyncLocalStorage::new());
    let snapshot = a.run(Counted::new(&outer), || {
        let snapshot = a.run(Counted::new(&inner), Snapshot::capture);
        assert_eq!((outer.get(), inner.get()), (0, 0));
        snapshot
    });
    assert_eq!((outer.get(), inner.get()), (1, 0));
    drop(snapshot);
    assert_eq!((outer.get(), inner.get()), (1, 1));
}

#[test]
fn a_capture_outlives_the_flow_of_its_guards() {
    static A: AsyncLocalStorage<Counted> = AsyncLocalStorage::new();
    let (base, first, second) = (counter(), counter(), counter());
    let flow = AsyncResource::new("flow");
    let snapshots = flow.run_in_async_scope(|| {
        A.enter_with(Counted::new(&base));
        std::mem::forget(A.enter(Counted::new(&first)));
        let one = Snapshot::capture();
        std::mem::forget(A.enter(Counted::new(&second)));
        [one, Snapshot::capture()]
    });
    // Each snapshot keeps the value that it shows and none below it.
    assert_eq!((base.get(), first.get(), second.get()), (1, 0, 0));
    let [one, two] = snapshots;
    drop(one);
    assert_eq!((first.get(), second.get()), (1, 0));
    drop(two);
    assert_eq!(second.get(), 1);
}

#[test]
fn a_capture_outlives_a_scope_with_guards() {
    static A: AsyncLocalStorage<Counted> = AsyncLocalStorage::new();
    let (base, inner) = (counter(), counter());
    let mut snapshot = None;
    let keep = &mut snapshot;
    let scope = A.scope(Counted::new(&base), async {
        std::mem::forget(A.enter(Counted::new(&inner)));
        *keep = Some(Snapshot::capture());
    });
    assert!(poll_once(Box::pin(scope).as_mut()).is_ready());
    assert_eq!((base.get(), inner.get()), (1, 0));
    drop(snapshot);
    assert_eq!(inner.get(), 1);
}

#[test]
fn a_capture_below_an_out_of_order_guard() {
    let (first, second, a) = (counter(), counter(), AsyncLocalStorage::new());
    let one = a.enter(Counted::new(&first));
    let two = a.enter(Counted::new(&second));
    let snapshot = Snapshot::capture();
    drop(one);
    assert_eq!(first.get(), 1);
    drop(two);
    assert_eq!(second.get(), 0);
    drop(snapshot);
    assert_eq!(second.get(), 1);
}

#[test]
fn stores_keep_their_value() {
    let (drops, a) = (counter(), AsyncLocalStorage::new());
    let store = a.run(Counted::new(&drops), || a.get_store());
    assert_eq!(drops.get(), 0);
    drop(store);
    assert_eq!(drops.get(), 1);
}

/// A value that holds the frame before it.
struct Link(#[expect(dead_code, reason = "held for its drop")] Option<Snapshot>);

#[test]
fn a_chain_of_a_million_frames_needs_no_stack() {
    let a = AsyncLocalStorage::new();
    a.enter_with(Link(None));
    for _ in 0..1_000_000 {
        a.enter_with(Link(Some(Snapshot::capture())));
    }
    a.enter_with(Link(None));
}

#[test]
fn a_tower_of_forgotten_guards_needs_no_stack() {
    let a = AsyncLocalStorage::new();
    Snapshot::capture().run(|| {
        for _ in 0..1_000_000 {
            std::mem::forget(a.enter(Box::new(0)));
        }
    });
}

#[test]
fn a_panic_in_one_drop_does_not_keep_the_others() {
    let (drops, journal) = (counter(), Journal::default());
    let storages: Vec<_> = (0..5).map(|_| AsyncLocalStorage::new()).collect();
    let snapshot = Snapshot::capture();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        snapshot.run(|| {
            for (index, storage) in storages.iter().enumerate() {
                let (drops, journal) = (Counted::new(&drops), journal.clone());
                storage.enter_with(OnDrop(move || {
                    journal.note(index);
                    let _held = &drops;
                    if index == 1 {
                        panic!("expected");
                    }
                }));
            }
        });
    }));
    assert!(unwound.is_err());
    let mut order = journal.take();
    order.sort();
    assert_eq!((order.join(" "), drops.get()), ("0 1 2 3 4".to_owned(), 5));
    // The list of dead values works on.
    let again = counter();
    AsyncLocalStorage::new().run(Counted::new(&again), || ());
    assert_eq!(again.get(), 1);
}

type Boxed = Box<dyn std::any::Any>;
static REENTERED: AsyncLocalStorage<Boxed> = AsyncLocalStorage::new();
static OTHER: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

/// Uses the whole interface while it is being dropped.
fn reentrant(journal: &Journal) -> Boxed {
    let journal = journal.clone();
    Box::new(OnDrop(move || {
        journal.note(REENTERED.get_store().is_some());
        REENTERED.run(Box::new(1), || {
            journal.note(REENTERED.with(|value| value.is_some_and(|value| value.is::<i32>())));
            let _guard = REENTERED.enter(Box::new("guard"));
            let snapshot = Snapshot::capture();
            REENTERED.enter_with(Box::new(2));
            snapshot.run(|| OTHER.enter_with(3));
        });
        OTHER.enter_with(OTHER.cloned().unwrap_or(0) + 1);
        AsyncResource::new("IN_DROP").run_in_async_scope(|| journal.note("in scope"));
    }))
}

#[test]
fn a_drop_may_use_the_whole_interface() {
    let journal = Journal::default();
    REENTERED.run(reentrant(&journal), || ());
    assert_eq!(journal.take(), ["false", "true", "in scope"]);
    let guard = REENTERED.enter(reentrant(&journal));
    REENTERED.enter_with(Box::new(0));
    assert_eq!(journal.take(), ["true", "true", "in scope"]);
    drop(guard);
    assert!(REENTERED.get_store().is_none());
    let (one, two) = (REENTERED.enter(reentrant(&journal)), REENTERED.enter(Box::new(0)));
    drop(one);
    assert_eq!(journal.take(), ["true", "true", "in scope"]);
    drop(two);
    Snapshot::capture().run(|| REENTERED.enter_with(reentrant(&journal)));
    assert_eq!(journal.take(), ["false", "true", "in scope"]);
    assert_eq!(OTHER.cloned(), Some(4));
}

#[test]
fn a_drop_that_sets_its_own_store() {
    static SELF: AsyncLocalStorage<Boxed> = AsyncLocalStorage::new();
    let drops = counter();
    let inner = Rc::clone(&drops);
    SELF.enter_with(Box::new(OnDrop(move || SELF.enter_with(Box::new(Counted::new(&inner))))));
    SELF.enter_with(Box::new(0));
    assert!(SELF.with(|value| value.is_some_and(|value| value.is::<Counted>())));
    SELF.enter_with(Box::new(0));
    assert_eq!(drops.get(), 1);
}

#[test]
fn frames_free_what_they_hold_when_the_last_owner_goes() {
    let (drops, a) = (counter(), AsyncLocalStorage::new());
    let frames = RefCell::new(Vec::new());
    a.run(Counted::new(&drops), || {
        frames.borrow_mut().extend((0..10).map(|_| Frame::inherit()));
    });
    while let Some(frame) = frames.borrow_mut().pop() {
        assert_eq!(drops.get(), 0);
        drop(frame);
    }
    assert_eq!(drops.get(), 1);
}

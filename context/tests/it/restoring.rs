//! The restoring rule: what a storage shows after guards, `run`s and `enter_with` in any order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lunation_context::{
    Activation, AsyncLocalStorage, Frame, ResourceKind, Snapshot, execution_async_id,
    misplaced_guards, set_strict_guards, with_base,
};

use crate::support::{Journal, OnDrop};

type Storage = AsyncLocalStorage<&'static str>;

fn flow() -> Activation {
    Activation::create(ResourceKind::Task, std::panic::Location::caller())
}

#[test]
fn run_restores_and_nests() {
    let a = Storage::new();
    a.run("1", || {
        assert_eq!(a.cloned(), Some("1"));
        a.run("2", || assert_eq!(a.cloned(), Some("2")));
        assert_eq!(a.cloned(), Some("1"));
    });
    assert_eq!(a.cloned(), None);
    assert!(Frame::capture().is_empty());
}

#[test]
fn run_restores_on_unwind() {
    let a = Storage::new();
    a.enter_with("base");
    let unwound = catch_unwind(AssertUnwindSafe(|| a.run("1", || panic!("expected"))));
    assert!(unwound.is_err());
    assert_eq!(a.cloned(), Some("base"));
}

#[test]
fn enter_with_overwrites_the_youngest_entry() {
    let a = Storage::new();
    a.enter_with("base");
    a.run("1", || {
        a.enter_with("2");
        a.run("3", || a.enter_with("4"));
        assert_eq!(a.cloned(), Some("2"));
        a.enter_with("5");
        assert_eq!(a.cloned(), Some("5"));
    });
    assert_eq!(a.cloned(), Some("base"));
}

#[test]
fn another_storages_enter_with_survives_run() {
    let (a, b) = (Storage::new(), Storage::new());
    a.run("1", || b.enter_with("B"));
    assert_eq!((a.cloned(), b.cloned()), (None, Some("B")));
    a.run("1", || a.run("2", || b.enter_with("C")));
    assert_eq!((a.cloned(), b.cloned()), (None, Some("C")));
}

#[test]
fn guards_leave_in_any_order() {
    let a = Storage::new();
    a.enter_with("base");
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let journal = Journal::default();
    for order in orders {
        let mut guards = [Some(a.enter("1")), Some(a.enter("2")), Some(a.enter("3"))];
        for left in order {
            guards[left] = None;
            journal.note(format!("-{} {}", left + 1, a.cloned().unwrap_or("-")));
        }
    }
    #[rustfmt::skip]
    assert_eq!(journal.take(), [
        "-1 3", "-2 3", "-3 base",
        "-1 3", "-3 2", "-2 base",
        "-2 3", "-1 3", "-3 base",
        "-2 3", "-3 1", "-1 base",
        "-3 2", "-1 2", "-2 base",
        "-3 2", "-2 1", "-1 base",
    ]);
    assert_eq!(misplaced_guards(), 0);
}

#[test]
fn captures_between_guards_change_nothing() {
    let a = Storage::new();
    let one = a.enter("1");
    let at_one = Snapshot::capture();
    let two = a.enter("2");
    let at_two = Snapshot::capture();
    a.enter_with("2b");
    drop(one);
    assert_eq!(a.cloned(), Some("2b"));
    drop(two);
    assert_eq!(a.cloned(), None);
    assert_eq!(at_one.run(|| a.cloned()), Some("1"));
    assert_eq!(at_two.run(|| a.cloned()), Some("2"));
    let again = at_two.run(|| {
        let guard = a.enter("3");
        a.enter_with("4");
        drop(guard);
        a.cloned()
    });
    assert_eq!(again, Some("2"));
}

#[test]
fn a_captured_entry_is_a_base_value_elsewhere() {
    let a = Storage::new();
    let guard = a.enter("outer");
    let child = flow();
    child.enter(|| {
        a.enter_with("child");
        assert_eq!(a.cloned(), Some("child"));
    });
    drop(guard);
    assert_eq!(a.cloned(), None);
    child.enter(|| assert_eq!(a.cloned(), Some("child")));
}

#[test]
fn a_guard_dropped_in_a_foreign_flow_changes_nothing() {
    let a = Storage::builder().name("foreign").build();
    let before = misplaced_guards();
    let (first, second) = (flow(), flow());
    let guard = first.enter(|| a.enter("first"));
    second.enter(|| {
        let _own = a.enter("second");
        drop(guard);
        assert_eq!(a.cloned(), Some("second"));
    });
    second.enter(|| assert_eq!(a.cloned(), None));
    first.enter(|| assert_eq!(a.cloned(), Some("first")));
    assert_eq!(misplaced_guards(), before + 1);
}

#[test]
fn a_guard_dropped_after_its_flow_changes_nothing() {
    let a = Storage::new();
    let before = misplaced_guards();
    let guard = flow().enter(|| a.enter("gone"));
    a.enter_with("here");
    drop(guard);
    assert_eq!((a.cloned(), misplaced_guards()), (Some("here"), before + 1));
}

#[test]
fn strict_guards_panic_unless_unwinding() {
    let a = Storage::builder().name("strict").build();
    let before = misplaced_guards();
    assert!(!set_strict_guards(true));
    let guard = flow().enter(|| a.enter("1"));
    let panic = catch_unwind(AssertUnwindSafe(|| drop(guard))).unwrap_err();
    let message = panic.downcast_ref::<String>().expect("formatted");
    assert!(message.contains("AsyncLocalStorage \"strict\""), "{message}");
    let guard = flow().enter(|| a.enter("2"));
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _held = guard;
        panic!("expected");
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref::<&str>(), Some(&"expected"));
    assert!(set_strict_guards(false));
    assert_eq!(misplaced_guards(), before + 2);
}

#[test]
fn a_forgotten_guard_lasts_until_its_flow_ends() {
    let a = Storage::new();
    let task = flow();
    task.enter(|| {
        let outer = a.enter("outer");
        std::mem::forget(a.enter("forgotten"));
        drop(outer);
        assert_eq!(a.cloned(), Some("forgotten"));
        a.run("in", || ());
        assert_eq!(a.cloned(), Some("forgotten"));
    });
    assert_eq!(a.cloned(), None);
}

#[test]
fn guards_of_one_storage_do_not_touch_another() {
    let storages: Vec<Storage> = (0..40).map(|_| Storage::new()).collect();
    let guards: Vec<_> = storages.iter().map(|storage| storage.enter("in")).collect();
    storages[7].enter_with("changed");
    for (index, guard) in guards.into_iter().enumerate() {
        assert_eq!(storages[index].cloned(), Some(if index == 7 { "changed" } else { "in" }));
        drop(guard);
        assert_eq!(storages[index].cloned(), None);
    }
    assert!(Frame::capture().is_empty());
}

#[test]
fn leaving_during_a_panic_in_a_drop_of_the_value() {
    let a = AsyncLocalStorage::new();
    let journal = Journal::default();
    let inner = journal.clone();
    let value = OnDrop(move || {
        inner.note("dropped");
        if !std::thread::panicking() {
            panic!("expected");
        }
    });
    let unwound = catch_unwind(AssertUnwindSafe(|| a.run(value, || journal.note("in"))));
    assert!(unwound.is_err());
    assert!(a.get_store().is_none());
    assert_eq!(journal.take(), ["in", "dropped"]);
}

#[test]
fn enter_with_leaves_a_foreign_entry_alone() {
    let a = Storage::new();
    a.enter_with("base");
    let guard = a.enter("outer");
    let child = flow();
    child.enter(|| {
        // Gives the flow a number; the top is still the parent's entry.
        Storage::new().run("other", || ());
        a.enter_with("child");
    });
    drop(guard);
    assert_eq!(a.cloned(), Some("base"));
    child.enter(|| assert_eq!(a.cloned(), Some("child")));
}

#[test]
fn a_guard_from_before_disable_still_owns_its_place() {
    let a = Storage::new();
    let old = a.enter("old");
    a.disable();
    a.run("new", || ());
    a.enter_with("of the old guard");
    assert_eq!(a.cloned(), Some("of the old guard"));
    drop(old);
    assert_eq!(a.cloned(), None);
}

#[test]
fn runs_of_a_loop_return_to_its_base() {
    let a = Storage::new();
    let (outer, first, nested) = (flow(), flow(), flow());
    let seen = |journal: &Journal, at: &str| {
        journal.note(format!("{at} {} {}", execution_async_id(), a.cloned().unwrap_or("-")));
    };
    let journal = Journal::default();
    with_base(|| {
        // Not in the thread's static root any more.
        a.enter_with("root");
        first.run_on_base(|| a.enter_with("first"));
        seen(&journal, "base");
        outer.enter(|| {
            a.enter_with("outer");
            with_base(|| {
                let run = || nested.run_last_on_base(|| panic!("expected"));
                assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
                seen(&journal, "inner base");
            });
        });
        first.run_on_base(|| seen(&journal, "first"));
        seen(&journal, "base");
    });
    seen(&journal, "outside");
    assert_eq!(
        journal.take(),
        ["base 1 root", "inner base 2 outer", "first 3 first", "base 1 root", "outside 1 root"]
    );
}

//! One storage: reads, `exit`, defaults, `disable`, index reuse.

use std::cell::Cell;
use std::rc::Rc;

use lunation_context::{AsyncLocalStorage, Frame, Snapshot};

use crate::support::{Counted, child_role, run_child};

#[test]
fn reads() {
    let a = AsyncLocalStorage::<String>::builder().name("named").build();
    assert_eq!(a.name(), "named");
    assert!(a.get_store().is_none());
    a.run("text".to_owned(), || {
        let store = a.get_store().expect("set");
        assert_eq!((store.len(), store.clone().as_str()), (4, "text"));
        assert_eq!(a.with(|value| value.map(String::len)), Some(4));
        assert_eq!(a.cloned().as_deref(), Some("text"));
        assert_eq!(format!("{store:?}"), "\"text\"");
    });
}

#[test]
fn with_keeps_the_value_alive() {
    let a = AsyncLocalStorage::<String>::new();
    a.enter_with("first".to_owned());
    a.with(|value| {
        a.enter_with("second".to_owned());
        assert_eq!(value.map(String::as_str), Some("first"));
    });
    let store = a.get_store();
    a.enter_with("third".to_owned());
    assert_eq!(store.as_ref().map(|store| store.as_str()), Some("second"));
}

#[test]
fn exit_hides_the_store_and_the_default() {
    let a = AsyncLocalStorage::builder().default_value(|| "def").build();
    let b = AsyncLocalStorage::new();
    b.enter_with("b");
    assert_eq!(a.cloned(), Some("def"));
    a.exit(|| {
        assert_eq!((a.cloned(), b.cloned()), (None, Some("b")));
        let hidden = Snapshot::capture();
        a.run("in", || {
            assert_eq!(a.cloned(), Some("in"));
            assert_eq!(hidden.run(|| a.cloned()), None);
        });
        a.enter_with("set");
        assert_eq!(a.cloned(), Some("set"));
    });
    assert_eq!(a.cloned(), Some("def"));
}

#[test]
fn the_default_is_evaluated_once_per_thread() {
    thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });
    static A: AsyncLocalStorage<u32> = AsyncLocalStorage::builder()
        .default_value(|| {
            CALLS.set(CALLS.get() + 1);
            CALLS.get()
        })
        .build();
    assert_eq!((A.cloned(), A.cloned()), (Some(1), Some(1)));
    A.disable();
    assert_eq!((A.cloned(), A.cloned()), (Some(1), Some(1)));
    let other = std::thread::spawn(|| (A.cloned(), CALLS.get())).join().expect("no panic");
    assert_eq!(other, (Some(1), 1));
}

#[test]
fn a_reused_index_has_a_default_of_its_own() {
    for round in 0..3 {
        let storage = AsyncLocalStorage::builder().default_value(|| Rc::new(())).build();
        let (first, second) = (storage.get_store(), storage.get_store());
        let (first, second) = (first.expect("default"), second.expect("default"));
        assert!(Rc::ptr_eq(&first, &second), "round {round}");
        assert_eq!(Rc::strong_count(&first), 1);
    }
}

#[test]
fn disable_unsets_every_earlier_value_for_ever() {
    let a = AsyncLocalStorage::builder().default_value(|| "def").build();
    a.enter_with("base");
    let snapshot = a.run("captured", Snapshot::capture);
    let guard = a.enter("guarded");
    a.run("run", || {
        a.disable();
        assert_eq!(a.cloned(), Some("def"));
        a.run("later", || assert_eq!(a.cloned(), Some("later")));
        assert_eq!(a.cloned(), Some("def"));
    });
    assert_eq!(a.cloned(), Some("def"));
    drop(guard);
    assert_eq!(a.cloned(), Some("def"));
    assert_eq!(snapshot.run(|| a.cloned()), Some("def"));
    a.enter_with("after");
    assert_eq!(a.cloned(), Some("after"));
}

#[test]
fn a_guard_restores_only_values_set_since_disable() {
    let a = AsyncLocalStorage::new();
    a.enter_with("base");
    let old = a.enter("old");
    a.disable();
    let new = a.enter("new");
    drop(old);
    assert_eq!(a.cloned(), Some("new"));
    drop(new);
    assert_eq!(a.cloned(), None);

    let old = a.enter("old");
    a.disable();
    a.enter_with("set since");
    assert_eq!(a.cloned(), Some("set since"));
    drop(old);
    assert_eq!(a.cloned(), None);
}

#[test]
fn disabling_an_unused_storage_does_nothing() {
    let a = AsyncLocalStorage::new();
    a.disable();
    a.run(1, || assert_eq!(a.cloned(), Some(1)));
}

#[test]
fn a_dead_storages_value_is_neither_read_nor_kept() {
    let drops = Rc::new(Cell::new(0));
    let dead = AsyncLocalStorage::new();
    dead.enter_with(Counted::new(&drops));
    drop(dead);
    assert_eq!(drops.get(), 0);
    // The lowest free index may be taken by another test's storage: try until ours is hit.
    let storages: Vec<AsyncLocalStorage<u64>> =
        (0..200).map(|_| AsyncLocalStorage::new()).collect();
    for storage in &storages {
        assert_eq!(storage.cloned(), None);
        storage.run(7, || assert_eq!(storage.cloned(), Some(7)));
        assert_eq!(storage.cloned(), None);
    }
    if drops.get() == 1 {
        assert!(Frame::capture().is_empty());
    }
}

#[test]
fn many_storages() {
    let storages: Vec<AsyncLocalStorage<usize>> =
        (0..1000).map(|_| AsyncLocalStorage::new()).collect();
    let frames: Vec<Snapshot> = storages
        .iter()
        .enumerate()
        .map(|(number, storage)| {
            storage.enter_with(number);
            Snapshot::capture()
        })
        .collect();
    for (number, snapshot) in frames.iter().enumerate() {
        snapshot.run(|| {
            assert_eq!(storages[number].cloned(), Some(number));
            assert_eq!(storages.get(number + 1).and_then(AsyncLocalStorage::cloned), None);
        });
    }
}

#[test]
fn values_of_odd_layouts() {
    #[repr(align(64))]
    #[derive(Clone, PartialEq, Debug)]
    struct Aligned([u8; 64]);
    let aligned = AsyncLocalStorage::new();
    let big = AsyncLocalStorage::new();
    let unit = AsyncLocalStorage::new();
    aligned.run(Aligned([7; 64]), || {
        let store = aligned.get_store().expect("set");
        assert_eq!(&raw const *store as usize % 64, 0);
        big.run([1_u64; 500], || {
            unit.run((), || {
                assert_eq!(big.cloned(), Some([1; 500]));
                assert_eq!(unit.cloned(), Some(()));
                assert_eq!(aligned.cloned(), Some(Aligned([7; 64])));
            })
        });
    });
}

/// Takes all indexes there are: does nothing unless it has a process of its own.
#[test]
fn exhaust_the_indexes() {
    if child_role().is_none() {
        return;
    }
    let mut storages = Vec::new();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        loop {
            let storage = AsyncLocalStorage::new();
            storage.enter_with(storages.len());
            storages.push(storage);
        }
    }));
    let message = panic.expect_err("it ends");
    let message = message.downcast_ref::<String>().expect("formatted");
    assert!(message.contains("more than 65535"), "{message}");
    assert_eq!(storages.len(), 65_535);
    assert_eq!(storages[64_999].cloned(), Some(64_999));
    storages.truncate(65_534);
    AsyncLocalStorage::new().run(1, || ());
}

#[test]
fn too_many_storages_panic_clearly() {
    let output = run_child("storages::exhaust_the_indexes", "exhaust");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

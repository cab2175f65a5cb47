//! Stores on other threads: what follows, what does not, and who is running there.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::thread;

use lunation_context::{
    AsyncLocalStorage, AsyncResource, Inherit, Resource, ResourceKind, TransferSnapshot,
    execution_async_id, execution_async_resource, trigger_async_id,
};

static FOLLOWS: AsyncLocalStorage<String> = AsyncLocalStorage::builder().transferable().build();
static STAYS: AsyncLocalStorage<Rc<u32>> = AsyncLocalStorage::new();

fn on_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    thread::spawn(f).join().expect("no panic")
}

#[test]
fn transferable_stores_follow_and_others_read_as_unset() {
    let stores = FOLLOWS.run("ann".to_owned(), || {
        STAYS.run(Rc::new(1), || {
            let stores = TransferSnapshot::capture();
            FOLLOWS.enter_with("too late".to_owned());
            stores
        })
    });
    let again = stores.clone();
    let seen = on_thread(move || {
        FOLLOWS.enter_with("own".to_owned());
        let inside = stores.run(|| {
            let seen = (FOLLOWS.cloned(), STAYS.cloned().map(|value| *value));
            FOLLOWS.enter_with("changed".to_owned());
            seen
        });
        (inside, FOLLOWS.cloned())
    });
    assert_eq!(seen, ((Some("ann".to_owned()), None), Some("own".to_owned())));
    assert_eq!(format!("{again:?}"), "TransferSnapshot { stores: 1 }");
    assert_eq!(again.run(|| FOLLOWS.cloned()).as_deref(), Some("ann"));
}

#[test]
fn hidden_and_disabled_stores_transfer_as_what_they_are() {
    let a = AsyncLocalStorage::builder().default_value(|| 1).transferable().build();
    let hidden = a.run(2, || a.exit(TransferSnapshot::capture));
    assert_eq!((hidden.run(|| a.cloned()), a.cloned()), (None, Some(1)));
    let set = a.run(2, TransferSnapshot::capture);
    a.disable();
    assert_eq!(set.run(|| a.cloned()), Some(1));
    a.enter_with(3);
    let b = AsyncLocalStorage::builder().transferable().build();
    b.enter_with("gone");
    drop(b);
    assert_eq!(format!("{:?}", TransferSnapshot::capture()), "TransferSnapshot { stores: 1 }");
}

#[test]
fn a_resource_transfers_what_it_has_inherited() {
    let never = AsyncLocalStorage::builder().inherit(Inherit::Never).transferable().build();
    let mapped = AsyncLocalStorage::builder()
        .inherit(Inherit::Map(|value: &u32| Some(value + 1)))
        .transferable()
        .build();
    let call = never.run(1, || {
        mapped.run(1, || Resource::create(ResourceKind::Job, Location::caller()).remote())
    });
    thread::scope(|scope| {
        let seen = scope.spawn(|| {
            call.run(|| {
                // Inherited once more, by what is made there.
                let inner = AsyncResource::new("INNER");
                (never.cloned(), mapped.cloned(), inner.run_in_async_scope(|| mapped.cloned()))
            })
        });
        assert_eq!(seen.join().expect("no panic"), (None, Some(2), Some(3)));
    });
}

#[test]
fn a_remote_call_runs_as_its_resource() {
    for kind in [ResourceKind::Job, ResourceKind::User("MINE")] {
        let outer = AsyncResource::new("OUTER");
        let resource = outer.run_in_async_scope(|| Resource::create(kind, Location::caller()));
        let (id, trigger) = (resource.id(), resource.trigger_id());
        let call = resource.remote();
        let seen = on_thread(move || {
            let inside = call.run(|| {
                let kind = execution_async_resource().kind();
                (execution_async_id(), trigger_async_id(), kind)
            });
            (inside, execution_async_id().get())
        });
        assert_eq!(seen, ((id, trigger, kind), 1));
    }
}

thread_local!(static CLONES: Cell<u32> = const { Cell::new(0) });

struct Fragile(bool);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        CLONES.set(CLONES.get() + 1);
        // Cloning is user code: it may change the very store.
        FRAGILE.enter_with(Fragile(true));
        assert!(!self.0, "a clone panics");
        Fragile(false)
    }
}

static FRAGILE: AsyncLocalStorage<Fragile> = AsyncLocalStorage::builder().transferable().build();

#[test]
fn a_clone_may_change_the_store_and_may_panic() {
    FRAGILE.enter_with(Fragile(false));
    let stores = TransferSnapshot::capture();
    assert_eq!(FRAGILE.with(|value| value.map(|value| value.0)), Some(true));
    assert_eq!(stores.run(|| FRAGILE.with(|value| value.map(|value| value.0))), Some(false));
    assert!(catch_unwind(AssertUnwindSafe(TransferSnapshot::capture)).is_err());
    assert_eq!(CLONES.get(), 2);
}

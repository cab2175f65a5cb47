//! What new resources get: `Always`, `Never`, `Map`.

use lunation_context::{
    AsyncLocalStorage, AsyncResource, Frame, Inherit, Snapshot, bind, execution_async_id,
};

use crate::support::Journal;

#[test]
fn policies_apply_to_new_resources_only() {
    let always = AsyncLocalStorage::new();
    let never = AsyncLocalStorage::builder().inherit(Inherit::Never).build();
    let map = AsyncLocalStorage::builder()
        .inherit(Inherit::Map(|depth: &u32| (*depth < 2).then(|| depth + 1)))
        .build();
    let read = || (always.cloned(), never.cloned(), map.cloned());
    always.enter_with("a");
    never.enter_with("n");
    map.enter_with(0);
    let all = (Some("a"), Some("n"), Some(0));
    assert_eq!(Snapshot::capture().run(read), all);
    assert_eq!(bind(read).call(), all);
    let child = AsyncResource::new("CHILD");
    let grandchild = child.run_in_async_scope(|| {
        assert_eq!(read(), (Some("a"), None, Some(1)));
        AsyncResource::new("GRANDCHILD")
    });
    let last = grandchild.run_in_async_scope(|| {
        assert_eq!(read(), (Some("a"), None, Some(2)));
        AsyncResource::new("LAST")
    });
    last.run_in_async_scope(|| assert_eq!(read(), (Some("a"), None, None)));
    assert_eq!(read(), all);
}

#[test]
fn map_runs_in_the_creator_before_the_resource_exists() {
    static SEEN: AsyncLocalStorage<Journal> = AsyncLocalStorage::new();
    let map = AsyncLocalStorage::builder()
        .inherit(Inherit::Map(|_: &u64| {
            let journal = SEEN.cloned().expect("set");
            let inside = Snapshot::capture().run(execution_async_id).get();
            journal.note(format!("map in {inside}"));
            Some(inside)
        }))
        .build();
    let journal = Journal::default();
    SEEN.enter_with(journal.clone());
    let outer = AsyncResource::new("OUTER");
    outer.run_in_async_scope(|| {
        map.enter_with(0);
        let child = AsyncResource::new("CHILD");
        assert_eq!(child.run_in_async_scope(|| map.cloned()), Some(outer.async_id().get()));
        assert_eq!(child.async_id().get(), outer.async_id().get() + 1);
    });
    assert_eq!(journal.take(), [format!("map in {}", outer.async_id())]);
}

#[test]
fn map_may_change_the_current_frame() {
    static OTHER: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
    let map = AsyncLocalStorage::builder()
        .inherit(Inherit::Map(|value: &u32| {
            OTHER.enter_with(*value);
            Some(*value)
        }))
        .build();
    map.enter_with(5);
    let child = AsyncResource::new("CHILD");
    assert_eq!(OTHER.cloned(), Some(5));
    child.run_in_async_scope(|| assert_eq!((map.cloned(), OTHER.cloned()), (Some(5), None)));
}

#[test]
fn hidden_and_disabled_values() {
    let map = AsyncLocalStorage::builder()
        .default_value(|| 9)
        .inherit(Inherit::Map(|_: &u32| panic!("no value to map")))
        .build();
    let hidden = map.exit(|| AsyncResource::new("HIDDEN"));
    hidden.run_in_async_scope(|| assert_eq!(map.cloned(), None));
    map.enter_with(1);
    map.disable();
    let disabled = AsyncResource::new("DISABLED");
    disabled.run_in_async_scope(|| assert_eq!(map.cloned(), Some(9)));
}

#[test]
fn only_never_values_make_the_empty_frame() {
    let never = AsyncLocalStorage::builder().inherit(Inherit::Never).build();
    never.run(1, || assert!(Frame::inherit().is_empty()));
}

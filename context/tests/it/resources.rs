//! Ids, triggers, activations, `AsyncResource`, bound functions, extensions.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::rc::Rc;

use lunation_context::{
    Activation, AsyncId, AsyncLocalStorage, AsyncResource, Frame, Resource, ResourceKind, Snapshot,
    bind, execution_async_id, execution_async_resource, snapshot, trigger_async_id,
};

use crate::support::{Counted, OnDrop, YieldOnce, poll_once};

fn ids() -> (u64, u64) {
    (execution_async_id().get(), trigger_async_id().get())
}

#[test]
fn ids_count_from_two_and_trigger_is_the_creator() {
    assert_eq!(ids(), (1, 0));
    let a = AsyncResource::new("A");
    let b = a.run_in_async_scope(|| {
        assert_eq!(ids(), (2, 1));
        AsyncResource::new("B")
    });
    assert_eq!((b.async_id().get(), b.trigger_async_id().get()), (3, 2));
    let c = AsyncResource::builder("C").trigger(b.async_id()).build();
    c.run_in_async_scope(|| {
        assert_eq!(ids(), (4, 3));
        a.run_in_async_scope(|| assert_eq!(ids(), (2, 1)));
        assert_eq!(ids(), (4, 3));
    });
    assert_eq!(ids(), (1, 0));
    assert_eq!((AsyncId::LOOP.to_string(), AsyncId::ROOT.to_string()), ("0".into(), "1".into()));
}

#[test]
fn kinds_and_sites() {
    let site = Location::caller();
    let task = Activation::create(ResourceKind::Task, site);
    assert_eq!((task.kind(), task.site()), (ResourceKind::Task, site));
    let user = Resource::create("MINE".into(), site);
    assert_eq!((user.kind(), user.kind().as_str()), (ResourceKind::User("MINE"), "MINE"));
    assert_eq!(user.call(|| execution_async_resource().kind().as_str()), "MINE");
    let own = AsyncResource::new(ResourceKind::TcpWrap);
    assert_eq!(own.resource().location().file(), file!());
    assert_eq!(Activation::of_loop().enter(ids), (0, 0));
    assert_eq!(Activation::root(Frame::empty()).run(ids), (1, 0));
}

#[test]
fn calls_start_from_the_captured_frame() {
    let a = AsyncLocalStorage::new();
    let resource = a.run("captured", || AsyncResource::new("R"));
    a.enter_with("here");
    resource.run_in_async_scope(|| {
        assert_eq!(a.cloned(), Some("captured"));
        a.enter_with("changed");
        resource.run_in_async_scope(|| assert_eq!(a.cloned(), Some("captured")));
        assert_eq!(a.cloned(), Some("changed"));
    });
    resource.run_in_async_scope(|| assert_eq!(a.cloned(), Some("captured")));
    assert_eq!(a.cloned(), Some("here"));
}

#[test]
fn call_once_moves_the_frame() {
    let drops = Rc::new(Cell::new(0));
    let a = AsyncLocalStorage::new();
    let resource =
        a.run(Counted::new(&drops), || Resource::create(ResourceKind::Timeout, Location::caller()));
    assert!(!resource.frame().is_empty());
    resource.call_once(|| {
        assert!(resource.frame().is_empty());
        assert!(a.get_store().is_some());
        // Nobody else owns the frame, so the value dies when it is replaced.
        a.enter_with(Counted::new(&Rc::new(Cell::new(0))));
        assert_eq!(drops.get(), 1);
    });
    resource.call_once(|| assert!(a.get_store().is_none()));
}

#[test]
fn release_drops_the_captured_frame() {
    let drops = Rc::new(Cell::new(0));
    let a = AsyncLocalStorage::new();
    let resource =
        a.run(Counted::new(&drops), || Resource::create(ResourceKind::Timeout, Location::caller()));
    assert_eq!(drops.get(), 0);
    resource.release();
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_recycled_frame_is_empty_and_harms_no_capture() {
    let drops = Rc::new(Cell::new(0));
    let a = AsyncLocalStorage::new();
    let flow = |frame| Activation::create_with(ResourceKind::Task, Location::caller(), None, frame);
    let first = flow(Frame::empty());
    first.run(|| a.enter_with(Counted::new(&drops)));
    let blank = first.recycle();
    assert_eq!((blank.is_empty(), first.has_frame(), drops.get()), (true, false, 1));

    // Somebody has it, and goes on to read what it holds.
    let second = flow(blank);
    let captured = second.run(|| {
        assert!(a.get_store().is_none());
        a.enter_with(Counted::new(&drops));
        Snapshot::capture()
    });
    let blank = second.recycle();
    assert_eq!((blank.is_empty(), drops.get()), (true, 1));
    let third = flow(blank);
    third.run(|| {
        a.enter_with(Counted::new(&drops));
        // An entry of this flow hides the value.
        std::mem::forget(a.enter(Counted::new(&drops)));
    });
    captured.run(|| assert!(a.get_store().is_some()));
    assert!(third.recycle().is_empty());
    assert_eq!(drops.get(), 3);
    drop(captured);
    assert_eq!(drops.get(), 4);
}

#[test]
fn a_recycled_frame_forgets_values_without_drop_code_too() {
    let drops = Rc::new(Cell::new(0));
    let storages: [AsyncLocalStorage<u64>; 8] = Default::default();
    let counted = AsyncLocalStorage::new();
    let read = || storages.each_ref().map(AsyncLocalStorage::cloned);
    let mut blank = Frame::empty();
    let mut captured = Vec::new();
    for round in 0..6_usize {
        let kind = ResourceKind::HttpIncomingMessage;
        let flow = Activation::create_with(kind, Location::caller(), None, blank);
        flow.run(|| {
            assert_eq!(read(), [None; 8]);
            assert!(counted.get_store().is_none());
            // Others have some of the values, and some of the frames. Twice: the second replaces.
            storages.iter().skip(round).for_each(|storage| storage.enter_with(0));
            storages[round].enter_with(round as u64 + 1);
            if round % 3 == 1 {
                counted.enter_with(Counted::new(&drops));
            }
            if round % 3 == 2 {
                captured.push((round, Snapshot::capture()));
                storages[7].enter_with(7);
            }
        });
        blank = flow.recycle();
        assert_eq!((blank.is_empty(), flow.has_frame()), (true, false));
        assert_eq!(drops.get() as usize, round.div_ceil(3));
    }
    for (round, snapshot) in captured {
        let expected = [0, 1, 2, 3, 4, 5, 6, 7].map(|index| match index {
            _ if index < round => None,
            _ if index == round => Some(round as u64 + 1),
            _ => Some(0),
        });
        assert_eq!(snapshot.run(read), expected);
    }
}

#[test]
fn one_description_per_resource() {
    let resource = Resource::create(ResourceKind::Immediate, Location::caller());
    resource.call_once(|| {
        execution_async_resource().extensions().insert(5_u32);
        assert_eq!(resource.resource().extensions().get::<u32>().as_deref(), Some(&5));
    });
    resource.call(|| {
        let extensions = execution_async_resource();
        assert_eq!(extensions.extensions().insert(6_u32).as_deref(), Some(&5));
        assert_eq!(extensions.extensions().get::<u64>(), None);
    });
    assert_eq!(resource.resource().extensions().remove::<u32>().as_deref(), Some(&6));
    assert_eq!(resource.resource().extensions().get::<u32>(), None);

    let late = Resource::create(ResourceKind::Immediate, Location::caller());
    late.call_once(|| {
        execution_async_resource().extensions().insert("kept");
    });
    assert_eq!(late.resource().extensions().get::<&str>().as_deref(), Some(&"kept"));
}

#[test]
fn entering_is_undone_on_unwind() {
    let resource = AsyncResource::new("R");
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        resource.run_in_async_scope(|| resource.run_in_async_scope(|| panic!("expected")));
    }));
    assert!(unwound.is_err());
    assert_eq!(ids(), (1, 0));
}

#[test]
fn a_scope_is_a_flow_of_the_resource() {
    let a = AsyncLocalStorage::new();
    let resource = a.run("captured", || AsyncResource::new("R"));
    let id = resource.async_id();
    let dropped_in = Rc::new(Cell::new((AsyncId::LOOP, None)));
    let note = Rc::clone(&dropped_in);
    let mut scope = Box::pin(resource.scope(async {
        let _note = OnDrop(|| note.set((execution_async_id(), a.cloned())));
        assert_eq!((execution_async_id(), a.cloned()), (id, Some("captured")));
        a.enter_with("changed");
        YieldOnce::default().await;
        assert_eq!(a.cloned(), Some("changed"));
        std::future::pending::<()>().await;
    }));
    assert!(poll_once(scope.as_mut()).is_pending());
    resource.run_in_async_scope(|| assert_eq!(a.cloned(), Some("captured")));
    assert!(poll_once(scope.as_mut()).is_pending());
    drop(scope);
    assert_eq!(dropped_in.get(), (id, Some("changed")));
    assert_eq!(ids(), (1, 0));
}

#[test]
#[should_panic(expected = "polled after completion")]
fn a_completed_scope_must_not_be_polled() {
    let mut scope = pin!(AsyncResource::new("R").scope(async {}));
    assert!(poll_once(scope.as_mut()).is_ready());
    let _ = poll_once(scope.as_mut());
}

#[test]
fn bound_functions_run_in_their_context() {
    let a = AsyncLocalStorage::new();
    let run = a.run("captured", snapshot);
    let mut bound = a.run("bound", || bind(|n: u32| (a.cloned(), n, execution_async_id())));
    a.enter_with("here");
    assert_eq!(run.run(|| a.cloned()), Some("captured"));
    let id = bound.resource().async_id();
    assert_eq!(bound.call_with(3), (Some("bound"), 3, id));
    assert_eq!(bound.resource().resource().kind().as_str(), "bound-anonymous-fn");
    let mut f = bound.into_fn();
    assert_eq!([f(1), f(2)].map(|(_, n, _)| n), [1, 2]);
    let resource = AsyncResource::new("R");
    assert_eq!(resource.bind(execution_async_id).call(), resource.async_id());
}

#[test]
fn the_top_level_resource_keeps_its_extensions() {
    let root = execution_async_resource();
    assert_eq!((root.id(), root.kind()), (AsyncId::ROOT, ResourceKind::Root));
    root.extensions().insert(1_u8);
    let again = execution_async_resource();
    assert_eq!(again.extensions().get::<u8>().as_deref(), Some(&1));
}

//! `scope`: branches of one task with frames of their own.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;

use lunation_context::{AsyncLocalStorage, Frame, Snapshot, execution_async_id, misplaced_guards};

use crate::support::{Counted, Journal, OnDrop, YieldOnce, poll_once};

#[test]
fn a_branch_keeps_its_changes_and_leaks_none() {
    let a = AsyncLocalStorage::new();
    let b = AsyncLocalStorage::new();
    b.enter_with("b");
    let (a, b) = (&a, &b);
    let branch = |name: &'static str| {
        a.scope(name, async move {
            assert_eq!((a.cloned(), b.cloned()), (Some(name), Some("b")));
            a.enter_with("changed");
            let _guard = b.enter(name);
            YieldOnce::default().await;
            assert_eq!((a.cloned(), b.cloned()), (Some("changed"), Some(name)));
        })
    };
    let before = misplaced_guards();
    let (mut x, mut y) = (pin!(branch("x")), pin!(branch("y")));
    a.enter_with("task");
    b.enter_with("later");
    for round in 0..2 {
        let done = (poll_once(x.as_mut()).is_ready(), poll_once(y.as_mut()).is_ready());
        assert_eq!(done, (round == 1, round == 1));
        assert_eq!((a.cloned(), b.cloned()), (Some("task"), Some("later")));
    }
    assert_eq!(misplaced_guards(), before);
    assert_eq!(execution_async_id().get(), 1);
}

#[test]
fn the_future_is_dropped_in_its_frame() {
    let a = AsyncLocalStorage::new();
    let journal = Journal::default();
    let future = async {
        let _note = OnDrop(|| journal.note(a.cloned().unwrap_or("-")));
        let _guard = a.enter("guard");
        YieldOnce::default().await;
    };
    {
        let mut branch = Box::pin(a.scope("branch", future));
        assert!(poll_once(branch.as_mut()).is_pending());
        assert!(a.get_store().is_none());
    }
    assert_eq!(journal.take(), ["branch"]);
}

#[test]
fn scopes_nest_and_unwind() {
    let a = AsyncLocalStorage::new();
    let inner = a.scope(2, async {
        assert_eq!(a.cloned(), Some(2));
        panic!("expected");
    });
    let outer = a.scope(1, async {
        assert_eq!(a.cloned(), Some(1));
        inner.await
    });
    let mut outer = Box::pin(outer);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = poll_once::<dyn Future<Output = ()>>(outer.as_mut());
    }));
    assert!(unwound.is_err());
    assert_eq!(a.cloned(), None);
    assert!(Frame::capture().is_empty());
}

#[test]
fn a_snapshot_scope_starts_from_the_snapshot() {
    let a = AsyncLocalStorage::new();
    let snapshot = a.run("captured", Snapshot::capture);
    a.enter_with("here");
    let mut scope = pin!(snapshot.scope(async {
        assert_eq!(a.cloned(), Some("captured"));
        a.enter_with("changed");
        YieldOnce::default().await;
        assert_eq!(a.cloned(), Some("changed"));
    }));
    assert!(poll_once(scope.as_mut()).is_pending());
    assert_eq!(a.cloned(), Some("here"));
    assert_eq!(snapshot.run(|| a.cloned()), Some("captured"));
    assert!(poll_once(scope.as_mut()).is_ready());
}

#[test]
fn the_frame_ends_with_the_scope() {
    let drops = Rc::new(Cell::new(0));
    let a = AsyncLocalStorage::new();
    let mut scope = Box::pin(a.scope(Counted::new(&drops), YieldOnce::default()));
    assert!(poll_once(scope.as_mut()).is_pending());
    assert!(poll_once(scope.as_mut()).is_ready());
    assert_eq!(drops.get(), 0);
    drop(scope);
    assert_eq!(drops.get(), 1);
}

//! Threads: static storages are apart on each, and thread exit is harmless.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use lunation_context::{
    AsyncHooks, AsyncId, AsyncLocalStorage, AsyncResource, Snapshot, create_hook,
    execution_async_id, execution_async_resource, hooks,
};

use crate::support::poll_once;

static SHARED: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

#[test]
fn each_thread_has_its_own_values_and_ids() {
    SHARED.enter_with(100);
    let threads: Vec<_> = (0..4)
        .map(|number| {
            thread::spawn(move || {
                assert_eq!(SHARED.cloned(), None);
                for _ in 0..1000 {
                    SHARED.run(number, || assert_eq!(SHARED.cloned(), Some(number)));
                    let short = AsyncLocalStorage::new();
                    short.run(number, || assert_eq!(short.cloned(), Some(number)));
                }
                AsyncResource::new("FIRST").async_id().get()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), 2);
    }
    assert_eq!(SHARED.cloned(), Some(100));
}

#[test]
fn disable_reaches_other_threads() {
    static A: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
    let (go, wait) = channel::<()>();
    let (set, was_set) = channel::<()>();
    let other = thread::spawn(move || {
        A.enter_with(1);
        set.send(()).expect("main waits");
        wait.recv().expect("main goes on");
        A.cloned()
    });
    was_set.recv().expect("the thread sets it");
    A.disable();
    go.send(()).expect("the thread waits");
    assert_eq!(other.join().expect("no panic"), None);
}

type Report = (bool, bool, u64);

/// Tries everything in its destructor.
struct AtExit(Sender<Report>);

static LATE: AsyncLocalStorage<AtExit> = AsyncLocalStorage::new();
static PLAIN: AsyncLocalStorage<u32> = AsyncLocalStorage::builder().default_value(|| 7).build();

impl Drop for AtExit {
    fn drop(&mut self) {
        let before = LATE.get_store().is_some();
        PLAIN.enter_with(1);
        let inside = PLAIN.run(2, || PLAIN.cloned() == Some(2));
        PLAIN.exit(|| ());
        drop(PLAIN.enter(3));
        let resource = AsyncResource::new("EXIT");
        resource.run_in_async_scope(|| assert_eq!(execution_async_id(), resource.async_id()));
        Snapshot::capture().run(|| PLAIN.enter_with(4));
        assert!(poll_once(pin!(PLAIN.scope(5, async { PLAIN.cloned() }))).is_ready());
        execution_async_resource().extensions().insert(1);
        let _ = self.0.send((before, inside, execution_async_id().get()));
    }
}

#[test]
fn values_of_the_root_die_with_the_thread() {
    let (sender, receiver) = channel();
    thread::spawn(move || LATE.enter_with(AtExit(sender))).join().expect("no panic");
    // Reads answer unset, writes are dropped.
    assert_eq!(receiver.recv(), Ok((false, false, 1)));
}

#[test]
fn thread_local_destructors_may_use_stores() {
    thread_local!(static HELD: RefCell<Option<AtExit>> = const { RefCell::new(None) });
    // Registered before and after the root: destroyed after and before it.
    for first in [true, false] {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            if first {
                HELD.set(Some(AtExit(sender)));
                PLAIN.enter_with(0);
            } else {
                PLAIN.enter_with(0);
                HELD.set(Some(AtExit(sender)));
            }
        })
        .join()
        .expect("no panic");
        let (late, _, id) = receiver.recv().expect("dropped");
        assert_eq!((late, id), (false, 1));
    }
}

#[test]
fn snapshots_may_outlive_the_root() {
    static DROPS: AtomicU32 = AtomicU32::new(0);
    struct Noted;
    impl Drop for Noted {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::Relaxed);
        }
    }
    static A: AsyncLocalStorage<Noted> = AsyncLocalStorage::new();
    thread_local!(static KEPT: RefCell<Vec<Snapshot>> = const { RefCell::new(Vec::new()) });
    thread::spawn(|| {
        KEPT.with_borrow_mut(|kept| {
            A.enter_with(Noted);
            kept.push(Snapshot::capture());
            A.enter_with(Noted);
            kept.push(Snapshot::capture());
        });
    })
    .join()
    .expect("no panic");
    assert_eq!(DROPS.load(Ordering::Relaxed), 2);
}

#[test]
fn hooks_die_with_the_thread() {
    struct Noting(Sender<&'static str>);
    impl AsyncHooks for Noting {
        fn before(&self, _: AsyncId) {
            self.0.send("before").expect("the test waits");
        }
    }
    struct Late(Noting);
    impl AsyncHooks for Late {
        fn before(&self, id: AsyncId) {
            self.0.before(id);
        }
    }
    impl Drop for Late {
        fn drop(&mut self) {
            create_hook(Noting(self.0.0.clone())).enable();
            AsyncResource::new("EXIT").run_in_async_scope(|| ());
            self.0.0.send(if hooks::enabled() { "enabled" } else { "dropped" }).expect("as above");
        }
    }
    let (sender, receiver) = channel();
    thread::spawn(move || {
        create_hook(Late(Noting(sender))).enable();
        AsyncResource::new("R").run_in_async_scope(|| ());
    })
    .join()
    .expect("no panic");
    assert_eq!(receiver.iter().collect::<Vec<_>>(), ["before", "dropped"]);
}

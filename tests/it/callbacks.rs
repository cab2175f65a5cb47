//! Handles of timers and immediates: clear, refresh, ref, and when closures are dropped.

use crate::support::{Journal, paused, script};
use lunation::{
    AsyncHooks, AsyncId, AsyncLocalStorage, ResourceKind, ResourceRef, Runtime, Timeout,
    clear_immediate, clear_timeout, create_hook, next_tick, refreshable_timeout, set_immediate,
    set_interval, set_timeout, time,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn cleared_callbacks_never_run_and_are_dropped_at_once() {
    let trace = script(|j| {
        let (a, b) = (j.on_drop("drop-t"), j.on_drop("drop-i"));
        let timeout = set_timeout(ms(1), move || drop(a));
        let immediate = set_immediate(move || drop(b));
        clear_timeout(&timeout);
        j.add("cleared");
        clear_immediate(&immediate);
        j.add("cleared");
        timeout.clear();
        timeout.refresh();
        immediate.clear();
        set_timeout(ms(2), j.adds("later"));
    });
    assert_eq!(trace, "drop-t cleared drop-i cleared later");
}

#[test]
fn clearing_inside_the_phase_works_from_callbacks_and_ticks() {
    // B.9
    let trace = script(|j| {
        let b: Rc<RefCell<Option<Timeout>>> = Rc::default();
        let (journal, victim) = (j.clone(), b.clone());
        set_timeout(ms(1), move || {
            journal.add("a");
            victim.borrow().as_ref().expect("set below").clear();
        });
        *b.borrow_mut() = Some(set_timeout(ms(1), j.adds("NEVER")));
        let d: Rc<RefCell<Option<Timeout>>> = Rc::default();
        let (journal, victim) = (j.clone(), d.clone());
        set_timeout(ms(1), move || {
            journal.add("c");
            next_tick(move || victim.borrow().as_ref().expect("set below").clear());
        });
        *d.borrow_mut() = Some(set_timeout(ms(1), j.adds("NEVER")));
    });
    assert_eq!(trace, "a c");
}

#[test]
fn an_interval_counts_from_the_start_of_its_calls() {
    // B.11
    let trace = script(|j| {
        let start = time::now();
        let handle: Rc<RefCell<Option<Timeout>>> = Rc::default();
        let (journal, own, calls) = (j.clone(), handle.clone(), Cell::new(0));
        let guard = j.on_drop("dropped");
        *handle.borrow_mut() = Some(set_interval(ms(5), move || {
            let _keep = &guard;
            journal.add((time::now() - start).as_millis());
            time::advance(ms(if calls.get() == 1 { 15 } else { 2 }));
            calls.set(calls.get() + 1);
            if calls.get() == 4 {
                own.borrow().as_ref().expect("set above").clear();
                journal.add("cleared");
            }
        }));
    });
    assert_eq!(trace, "5 10 25 30 cleared dropped");
}

#[test]
fn row_21_refresh_follows_the_state_of_the_timer() {
    // B.13
    static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    let trace = script(|j| {
        let journal = j.clone();
        let timeout = STORE.run("create", || {
            refreshable_timeout(ms(5), move || journal.add(STORE.cloned().unwrap_or("-")))
        });
        let first = timeout.async_id();
        // Pending: the tail of its list, same id, same context.
        set_timeout(ms(5), j.adds("other"));
        STORE.run("pending", || timeout.refresh());
        assert_eq!(timeout.async_id(), first);
        let journal = j.clone();
        set_timeout(ms(10), move || {
            STORE.run("fired", || timeout.refresh());
            journal.add(timeout.async_id() != first);
            timeout.refresh();
        });
    });
    assert_eq!(trace, "other create true fired");
}

#[test]
fn row_21_a_timer_refreshed_in_its_own_body_keeps_id_and_context() {
    static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    let trace = script(|j| {
        let handle: Rc<RefCell<Option<Timeout>>> = Rc::default();
        let (journal, own, calls) = (j.clone(), handle.clone(), Cell::new(0));
        let timeout = STORE.run("create", || {
            refreshable_timeout(ms(5), move || {
                journal.add(STORE.cloned().unwrap_or("-"));
                STORE.enter_with("leak?");
                calls.set(calls.get() + 1);
                let own = own.borrow();
                let own = own.as_ref().expect("set below");
                if calls.get() < 3 {
                    own.refresh();
                } else {
                    // Else closure and handle would keep each other.
                    own.clear();
                }
            })
        });
        *handle.borrow_mut() = Some(timeout);
    });
    assert_eq!(trace, "create create create");
}

#[test]
fn unrefed_callbacks_do_not_keep_the_loop_alive() {
    // B.12
    let trace = script(|j| {
        let late = set_timeout(ms(50), j.adds("NEVER"));
        assert!(late.has_ref());
        late.unref();
        assert!(!late.has_ref());
        set_timeout(ms(5), j.adds("refed"));
        let immediate = set_immediate(j.adds("immediate"));
        immediate.unref();
        assert!(!immediate.has_ref());
    });
    assert_eq!(trace, "immediate refed");
    let unrefed = script(|j| {
        set_immediate(j.adds("NEVER")).unref();
    });
    assert_eq!(unrefed, "");
    let back = script(|j| {
        set_timeout(ms(5), j.adds("back")).unref().ref_();
        set_immediate(j.adds("again")).unref().ref_();
    });
    assert_eq!(back, "again back");
}

#[test]
fn dropping_a_handle_does_not_clear() {
    let trace = script(|j| {
        drop(set_timeout(ms(1), j.adds("t")));
        drop(set_immediate(j.adds("i")));
        drop(Timeout::detached(ms(2), j.adds("d")));
    });
    assert_eq!(trace, "i t d");
}

#[test]
fn a_handle_works_on_its_own_loop_inside_another() {
    let (journal, one, two) = (Journal::default(), paused(), paused());
    let mine = one.enter(|| set_timeout(ms(1), journal.adds("NEVER")));
    two.enter(|| {
        set_timeout(ms(1), journal.adds("two"));
        mine.clear();
    });
    one.run_to_idle();
    two.run_to_idle();
    // Also outside of any, and after the end.
    let other = one.enter(|| set_timeout(ms(1), journal.adds("NEVER")));
    other.clear();
    drop(one);
    mine.clear();
    mine.refresh();
    assert_eq!(journal.take(), "two");
}

#[test]
fn the_end_of_a_runtime_drops_closures_in_their_contexts() {
    static STORE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();
    struct Reads(Journal, &'static str);
    impl Drop for Reads {
        fn drop(&mut self) {
            self.0.add(format_args!("{}={}", self.1, STORE.cloned().unwrap_or("-")));
        }
    }
    let (journal, runtime) = (Journal::default(), Runtime::new());
    runtime.enter(|| {
        let reads = |name| Reads(journal.clone(), name);
        let (a, b, c, d) = (reads("timer"), reads("immediate"), reads("tick"), reads("task"));
        STORE.run("t", || set_timeout(ms(1), move || drop(a)));
        STORE.run("i", || set_immediate(move || drop(b)));
        STORE.run("k", || next_tick(move || drop(c)));
        STORE.run("s", || {
            lunation::spawn(async move {
                let _d = d;
                std::future::pending::<()>().await;
            })
        });
    });
    drop(runtime);
    assert_eq!(journal.take(), "task=s tick=k immediate=i timer=t");
}

/// A refresh makes a resource; the hook that hears of it may clear the timer, or refresh it itself.
#[test]
fn a_refresh_does_not_undo_what_an_init_hook_does() {
    type Act = Cell<Option<Box<dyn FnOnce()>>>;
    struct Hooks(Journal, Act);
    impl AsyncHooks for Hooks {
        fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
            self.0.add("init");
            if let Some(act) = self.1.take() {
                act();
            }
        }
        fn destroy(&self, _: AsyncId) {
            self.0.add("destroy");
        }
    }
    let during_refresh = |act: fn(&Timeout)| {
        let (journal, runtime) = (Journal::default(), paused());
        let timer = runtime.enter(|| refreshable_timeout(ms(1), journal.adds("fired")));
        runtime.run_to_idle();
        let acting = timer.clone();
        let act = Cell::new(Some(Box::new(move || act(&acting)) as Box<dyn FnOnce()>));
        let hook = create_hook(Hooks(journal.clone(), act));
        runtime.enter(|| {
            hook.enable();
            timer.refresh();
            journal.add(runtime.metrics().live_timers);
        });
        runtime.run_to_idle();
        hook.disable();
        journal.take()
    };
    assert_eq!(during_refresh(Timeout::clear), "fired init 0 destroy");
    // What a hook makes is silent: only the resource that was made in vain is heard of.
    let again = during_refresh(|timer| _ = timer.refresh());
    assert_eq!(again, "fired init 1 destroy fired");
}

//! Node's `test/parallel/test-timers-*`: immediates.

use super::support::{ms, script, script_with_handler, throw};
use crate::support::Journal;
use lunation::{
    AsyncLocalStorage, Immediate, clear_immediate, next_tick, set_immediate, set_timeout, time,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

#[test]
fn test_timers_clear_immediate() {
    // Node: parallel/test-timers-clearImmediate. Assertions: 1 there, 3 here; left out: none.
    let trace = script(|j| {
        for name in ["1", "2", "3"] {
            let own: Rc<RefCell<Option<Immediate>>> = Rc::default();
            let (itself, journal) = (own.clone(), j.clone());
            let immediate = set_immediate(move || {
                clear_immediate(itself.borrow().as_ref().expect("set below"));
                journal.add(name);
            });
            *own.borrow_mut() = Some(immediate);
        }
    });
    assert_eq!(trace, "1 2 3");
}

#[test]
fn test_timers_clear_immediate_als() {
    // Node: parallel/test-timers-clearImmediate-als. Assertions: 2 there, 3 here; left out: none.
    // The store holds the immediate that carries the store: clearing breaks the cycle.
    static STORE: AsyncLocalStorage<RefCell<Option<Immediate>>> = AsyncLocalStorage::new();
    let trace = script(|j| {
        for name in ["1", "2", "3"] {
            let journal = j.clone();
            STORE.run(RefCell::new(None), || {
                let immediate = set_immediate(move || {
                    let own = STORE.with(|slot| slot.expect("a store").take());
                    clear_immediate(&own.expect("set below"));
                    journal.add(name);
                });
                STORE.with(|slot| slot.expect("a store").replace(Some(immediate)));
            });
        }
    });
    assert_eq!(trace, "1 2 3");
}

#[test]
fn test_timers_immediate() {
    // Node: parallel/test-timers-immediate. Assertions: 5 there, 4 here; left out: none (an
    // immediate that never runs).
    let trace = script(|j| {
        let victim: Rc<RefCell<Option<Immediate>>> = Rc::default();
        let (journal, other) = (j.clone(), victim.clone());
        set_immediate(move || {
            journal.add("a");
            clear_immediate(other.borrow().as_ref().expect("set below"));
        });
        *victim.borrow_mut() = Some(set_immediate(j.adds("never")));
        let (journal, captured) = (j.clone(), [1, 2, 3]);
        set_immediate(move || journal.add(captured.len()));
        let (journal, captured) = (j.clone(), [1, 2, 3, 4, 5]);
        set_immediate(move || journal.add(captured.len()));
        j.add("main");
    });
    assert_eq!(trace, "main a 3 5");
}

#[test]
fn test_timers_immediate_queue() {
    // Node: parallel/test-timers-immediate-queue. Assertions: 1 there, 2 here; left out: none. A
    // timer that is due during the batch runs after all of it, before what it added.
    fn run(hits: Rc<Cell<u32>>, turned: Rc<Cell<bool>>) {
        if hits.get() == 0 {
            let turned = turned.clone();
            set_timeout(ms(1), move || turned.set(true));
            time::advance(ms(2));
        }
        if !turned.get() {
            hits.set(hits.get() + 1);
            set_immediate(move || run(hits, turned));
        }
    }
    let (hits, turned) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (count, flag) = (hits.clone(), turned.clone());
    script(|_| {
        for _ in 0..1000 {
            let (count, flag) = (count.clone(), flag.clone());
            set_immediate(move || run(count, flag));
        }
    });
    assert_eq!(hits.get(), 1000);
    assert!(turned.get());
}

#[test]
fn test_timers_immediate_queue_throw() {
    // Node: parallel/test-timers-immediate-queue-throw. Assertions: 9 there, 17 here; left out: the
    // domain (2). What fails, fails in its place; the rest of the batch follows it, and what the
    // batch made comes after all of it. DIFFERENCE: a tick of the one that fails runs at once, as
    // after every callback; Node lets the rest of the batch pass first.
    let journal = Journal::default();
    let j = journal.clone();
    let handler = move |failure: &lunation::Unhandled| j.add(failure.message());
    let threw = Rc::new(Cell::new(false));
    let trace = script_with_handler(&journal, handler, |j| {
        let run = |stage: &'static str| {
            let (j, threw) = (j.clone(), threw.clone());
            set_immediate(move || {
                j.add(stage);
                if !threw.get() {
                    set_immediate(move || j.add("2"));
                }
            });
        };
        (0..5).for_each(|_| run("0"));
        let (j, flag) = (j.clone(), threw.clone());
        set_immediate(move || {
            flag.set(true);
            next_tick(j.adds("tick"));
            throw("Error")
        });
        (0..5).for_each(|_| run("1"));
    });
    assert_eq!(trace, "0 0 0 0 0 Error tick 1 1 1 1 1 2 2 2 2 2");
}

#[test]
fn test_timers_immediate_unref() {
    // Node: parallel/test-timers-immediate-unref. Assertions: 4 there, 6 here; left out: none.
    let trace = script(|j| {
        let j = j.clone();
        let first = {
            let j = j.clone();
            set_immediate(move || {
                j.add("first");
                set_immediate(j.adds("unrefd")).unref();
                let journal = j.clone();
                set_timeout(ms(50), move || {
                    journal.add("timer");
                    let j = journal.clone();
                    set_immediate(move || {
                        j.add("final");
                        set_immediate(j.adds("never")).unref();
                    });
                });
            })
        };
        assert!(first.ref_().unref().unref().ref_().has_ref());
        assert!(!set_immediate(|| ()).unref().has_ref());
    });
    assert_eq!(trace, "first unrefd timer final");
}

#[test]
fn test_timers_immediate_unref_nested_once() {
    // Node: parallel/test-timers-immediate-unref-nested-once. Assertions: 1 there, 1 here; left
    // out: none.
    let trace = script(|j| {
        let j = j.clone();
        set_immediate(move || {
            j.add("outer");
            set_immediate(j.adds("never")).unref();
        });
    });
    assert_eq!(trace, "outer");
}

#[test]
fn test_timers_immediate_unref_simple() {
    // Node: parallel/test-timers-immediate-unref-simple. Assertions: 1 there, 1 here; left out:
    // none. Added: its closure is dropped.
    let trace = script(|j| {
        let (journal, guard) = (j.clone(), j.on_drop("dropped"));
        set_immediate(move || {
            drop(guard);
            journal.add("never");
        })
        .unref();
    });
    assert_eq!(trace, "dropped");
}

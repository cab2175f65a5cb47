//! Node's `test/parallel/test-timers-*`: timeouts and intervals.

use super::support::{ms, script, script_with_handler, throw};
use crate::support::Journal;
use lunation::{
    Timeout, clear_timeout, next_tick, refreshable_timeout, set_immediate, set_interval,
    set_timeout, time,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// A timer that its own callback can reach.
#[derive(Clone, Default)]
struct Own(Rc<RefCell<Option<Timeout>>>);

impl Own {
    fn is(&self, timeout: Timeout) -> Timeout {
        *self.0.borrow_mut() = Some(timeout.clone());
        timeout
    }

    fn get(&self) -> Timeout {
        self.0.borrow().clone().expect("the timer")
    }
}

/// An interval whose callback gets the number of the call, from 1, and the interval.
fn interval(period: Duration, f: impl Fn(u32, &Timeout) + 'static) -> Timeout {
    let (own, calls) = (Own::default(), Cell::new(0));
    let handle = own.clone();
    own.is(set_interval(period, move || {
        calls.set(calls.get() + 1);
        f(calls.get(), &handle.get());
    }))
}

#[test]
fn test_timers_clear_timeout_interval_equivalent() {
    // Node: parallel/test-timers-clear-timeout-interval-equivalent. Assertions: 2 there, 2 here;
    // left out: none (an empty journal). Added: they leave no timer that keeps the loop.
    let started = Cell::new(Duration::ZERO);
    let trace = script(|j| {
        clear_timeout(&set_interval(ms(1), j.adds("never")));
        set_timeout(ms(1), j.adds("never")).clear();
        let (start, journal) = (time::now(), j.clone());
        started.set(start.elapsed());
        set_timeout(ms(3), move || journal.add((time::now() - start).as_millis()));
    });
    assert_eq!(trace, "3");
    assert!(started.get() < Duration::from_secs(60));
}

#[test]
fn test_timers_interval_throw() {
    // Node: parallel/test-timers-interval-throw. Assertions: 2 there, 2 here; left out: none.
    let journal = Journal::default();
    let own = Own::default();
    let (j, handle, left) = (journal.clone(), own.clone(), Cell::new(2));
    let handler = move |failure: &lunation::Unhandled| {
        j.add(failure.message());
        left.set(left.get() - 1);
        if left.get() == 0 {
            handle.get().clear();
        }
    };
    let trace = script_with_handler(&journal, handler, |_| {
        own.is(set_interval(ms(1), || throw("IntervalError")));
    });
    assert_eq!(trace, "IntervalError IntervalError");
}

#[test]
fn test_timers_uncaught_exception() {
    // Node: parallel/test-timers-uncaught-exception. Assertions: 6 there, 3 here; left out: none
    // (the journal stands for the counters).
    let journal = Journal::default();
    let j = journal.clone();
    let handler = move |failure: &lunation::Unhandled| j.add(failure.message());
    let trace = script_with_handler(&journal, handler, |j| {
        let journal = j.clone();
        set_timeout(ms(100), move || {
            journal.add("first");
            throw("BAM!")
        });
        set_timeout(ms(100), j.adds("second"));
    });
    assert_eq!(trace, "first BAM! second");
}

#[test]
fn test_timers_nested() {
    // Node: parallel/test-timers-nested. Assertions: 2 there, 3 here; left out: none. For both
    // delays; the immediate shows that a turn passed.
    for delay in [0, 100] {
        let trace = script(|j| {
            let j = j.clone();
            set_timeout(ms(delay), move || {
                set_timeout(ms(delay), j.adds("nested"));
                time::advance(ms(delay.max(1)));
                set_immediate(j.adds("immediate"));
                next_tick(j.adds("tick"));
            });
        });
        assert_eq!(trace, "tick immediate nested", "{delay}");
    }
}

#[test]
fn test_timers_next_tick() {
    // Node: parallel/test-timers-next-tick. Assertions: 8 there, 6 here; left out: none (4 that
    // never run).
    let trace = script(|j| {
        let victims: Rc<RefCell<Vec<Timeout>>> = Rc::default();
        let (journal, others) = (j.clone(), victims.clone());
        set_timeout(ms(1), move || {
            journal.add("t1");
            next_tick(move || {
                others.borrow().iter().for_each(clear_timeout);
                journal.add("t1.tick");
            });
        });
        victims.borrow_mut().push(set_timeout(ms(1), j.adds("never")));
        victims.borrow_mut().push(set_timeout(ms(1), j.adds("never")));
        set_timeout(ms(1), j.adds("t4"));
        time::advance(ms(5));
        let victims: Rc<RefCell<Vec<lunation::Immediate>>> = Rc::default();
        let (journal, others) = (j.clone(), victims.clone());
        set_immediate(move || {
            journal.add("i1");
            next_tick(move || {
                others.borrow().iter().for_each(lunation::clear_immediate);
                journal.add("i1.tick");
            });
        });
        victims.borrow_mut().push(set_immediate(j.adds("never")));
        victims.borrow_mut().push(set_immediate(j.adds("never")));
        set_immediate(j.adds("i4"));
    });
    assert_eq!(trace, "t1 t1.tick t4 i1 i1.tick i4");
}

#[test]
fn test_timers_non_integer_delay() {
    // Node: parallel/test-timers-non-integer-delay. Assertions: 7 there, 6 here; left out: none.
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let trace = script(|j| {
        interval(Duration::from_micros(1100), move |call, own| {
            count.set(call);
            if call == 50 {
                own.clear();
            }
        });
        for (micros, name) in [(1000, "1"), (1800, "2"), (1100, "3"), (1000, "4"), (2000, "5")] {
            set_timeout(Duration::from_micros(micros), j.adds(name));
        }
    });
    assert_eq!(trace, "1 2 3 4 5");
    assert_eq!(calls.get(), 50);
}

#[test]
fn test_timers_timeout_with_non_integer() {
    // Node: parallel/test-timers-timeout-with-non-integer. Assertions: 1 there, 1 here; left out:
    // none. A nanosecond is as far from 1 ms as a Duration can say.
    fn exec(left: u32, fired: Rc<Cell<u32>>) {
        fired.set(fired.get() + 1);
        if left > 1 {
            set_timeout(Duration::from_nanos(1_000_001), move || exec(left - 1, fired));
        }
    }
    let fired = Rc::new(Cell::new(0));
    let count = fired.clone();
    script(|_| exec(50, count));
    assert_eq!(fired.get(), 50);
}

#[test]
fn test_timers_ordering() {
    // Node: parallel/test-timers-ordering. Assertions: 2 there, 2 here; left out: none. The times
    // of a virtual clock can be compared whole.
    fn next(number: u64, times: Rc<RefCell<Vec<u64>>>, start: std::time::Instant) {
        times.borrow_mut().push((time::now() - start).as_millis().try_into().expect("small"));
        if number < 30 {
            set_timeout(ms(1), move || next(number + 1, times, start));
        }
    }
    let times: Rc<RefCell<Vec<u64>>> = Rc::default();
    let found = times.clone();
    script(|_| next(1, found, time::now()));
    assert_eq!(times.borrow().len(), 30);
    assert_eq!(*times.borrow(), (0..30).collect::<Vec<_>>());
}

#[test]
fn test_timers_refresh() {
    // Node: parallel/test-timers-refresh. Assertions: 16 there, 11 here; left out: the internal
    // unref'd timer (4). Refreshing moves a pending timer behind the younger of its list.
    let trace = script(|j| {
        let unrefd = set_timeout(ms(1), j.adds("unrefd"));
        unrefd.unref();
        set_timeout(ms(1), j.adds("other1"));
        assert_eq!(unrefd.refresh().async_id(), unrefd.async_id());
        assert!(!unrefd.has_ref());
        let regular = set_timeout(ms(1), j.adds("regular"));
        set_timeout(ms(1), j.adds("other2"));
        assert_eq!(regular.refresh().async_id(), regular.async_id());
        let journal = j.clone();
        let repeating = interval(ms(1), move |call, own| {
            journal.add(format_args!("interval{call}"));
            if call == 2 {
                own.clear();
            }
        });
        set_timeout(ms(1), j.adds("other3"));
        assert_eq!(repeating.refresh().async_id(), repeating.async_id());
    });
    assert_eq!(trace, "other1 unrefd other2 regular other3 interval1 interval2");
}

#[test]
fn test_timers_refresh_in_callback() {
    // Node: parallel/test-timers-refresh-in-callback. Assertions: 1 there, 2 here; left out: none.
    let trace = script(|j| {
        let own = Own::default();
        let (journal, handle, calls) = (j.clone(), own.clone(), Cell::new(0));
        own.is(refreshable_timeout(ms(1), move || {
            calls.set(calls.get() + 1);
            journal.add(calls.get());
            if calls.get() == 1 {
                handle.get().refresh();
            } else {
                handle.get().clear();
            }
        }));
    });
    assert_eq!(trace, "1 2");
}

#[test]
fn test_timers_same_timeout_wrong_list_deleted() {
    // Node: parallel/test-timers-same-timeout-wrong-list-deleted. Assertions: 9 there, 4 here; left
    // out: the private list of timers (4: it ends at once instead of after the long timer).
    let trace = script(|j| {
        let (own, start, journal) = (Own::default(), time::now(), j.clone());
        let first = own.clone();
        own.is(set_timeout(ms(100), move || {
            first.get().clear();
            journal.add("first");
            let second = set_timeout(ms(100), journal.adds("never"));
            let j = journal.clone();
            set_timeout(ms(1), move || {
                clear_timeout(&second);
                j.add("cleared");
                set_immediate(move || {
                    set_immediate(move || j.add((time::now() - start).as_millis()));
                });
            });
        }));
    });
    assert_eq!(trace, "first cleared 101");
    // Not cleared, the newer one is not lost with the list of the older.
    let trace = script(|j| {
        let (own, journal) = (Own::default(), j.clone());
        let first = own.clone();
        own.is(set_timeout(ms(100), move || {
            first.get().clear();
            set_timeout(ms(100), journal.adds("inner"));
        }));
    });
    assert_eq!(trace, "inner");
}

#[test]
fn test_timers_unenroll_unref_interval() {
    // Node: parallel/test-timers-unenroll-unref-interval. Assertions: 7 there, 4 here; left out:
    // `unenroll` and two private fields (3).
    let trace = script(|j| {
        let journal = j.clone();
        interval(ms(1), move |call, own| {
            journal.add(format_args!("a{call}"));
            clear_timeout(own);
        })
        .unref();
        let journal = j.clone();
        interval(ms(1), move |call, own| {
            journal.add(format_args!("b{call}"));
            own.clear();
        })
        .unref();
        let journal = j.clone();
        set_timeout(ms(1), move || {
            journal.add("first");
            set_timeout(ms(1), journal.adds("second"));
        });
    });
    assert_eq!(trace, "a1 b1 first second");
}

#[test]
fn test_timers_unref() {
    // Node: parallel/test-timers-unref. Assertions: 7 there, 8 here; left out: a foreign receiver
    // (types).
    let trace = script(|j| {
        let timeout = set_timeout(ms(10), || ());
        assert!(!timeout.unref().ref_().unref().has_ref());
        let repeating = set_interval(ms(10), || ());
        assert!(!repeating.unref().ref_().unref().has_ref());
        assert!(repeating.ref_().has_ref());
        repeating.unref();
        set_interval(ms(10_000), j.adds("never")).unref();
        set_timeout(ms(10_000), j.adds("never")).unref();
        let journal = j.clone();
        interval(ms(100), move |call, own| {
            journal.add(format_args!("interval{call}"));
            own.clear();
        })
        .unref();
        set_timeout(ms(100), j.adds("timer")).unref();
        let (own, journal) = (Own::default(), j.clone());
        let itself = own.clone();
        own.is(set_timeout(ms(100), move || {
            journal.add("unrefs-itself");
            itself.get().unref();
        }));
        let journal = j.clone();
        interval(ms(100), move |call, own| {
            journal.add(format_args!("holds{call}"));
            if call == 2 {
                own.unref();
            }
        });
    });
    assert_eq!(trace, "interval1 timer unrefs-itself holds1 holds2");
}

#[test]
fn test_timers_unref_throw_then_ref() {
    // Node: parallel/test-timers-unref-throw-then-ref. Assertions: 3 there, 3 here; left out: none.
    let journal = Journal::default();
    let j = journal.clone();
    let handler = move |failure: &lunation::Unhandled| j.add(failure.message());
    let trace = script_with_handler(&journal, handler, |j| {
        let (own, journal) = (Own::default(), j.clone());
        let itself = own.clone();
        own.is(set_timeout(ms(1), move || {
            journal.add("fires");
            itself.get().ref_();
            throw("Error")
        }))
        .unref();
        set_timeout(ms(1), j.adds("other"));
    });
    assert_eq!(trace, "fires Error other");
}

#[test]
fn test_timers_unrefd_interval_still_fires() {
    // Node: parallel/test-timers-unrefd-interval-still-fires. Assertions: 0 there, 4 here; left
    // out: none (that it ends before a time limit is the test there).
    let trace = script(|j| {
        let (start, journal) = (time::now(), j.clone());
        let keep_open = set_interval(ms(9999), j.adds("never"));
        interval(ms(1), move |call, own| {
            journal.add(call);
            if call == 3 {
                own.clear();
                keep_open.clear();
                journal.add(format_args!("{:?}", time::now() - start));
            }
        })
        .unref();
    });
    assert_eq!(trace, "1 2 3 3ms");
}

#[test]
fn test_timers_unrefed_in_callback() {
    // Node: parallel/test-timers-unrefed-in-callback. Assertions: 2 there, 8 here; left out: none.
    // A keep-alive of the handle holds the loop instead of an idle server.
    let trace = script(|j| {
        for name in ["a", "b"] {
            let hold = Cell::new(Some(lunation::Handle::current().keep_alive()));
            let journal = j.clone();
            interval(ms(1), move |call, own| {
                own.unref();
                journal.add(format_args!("{name}{call}"));
                if call == 4 {
                    own.clear();
                    drop(hold.take());
                }
            });
        }
    });
    assert_eq!(trace, "a1 b1 a2 b2 a3 b3 a4 b4");
}

#[test]
fn test_timers_set_interval_excludes_callback_duration() {
    // Node: sequential/test-timers-set-interval-excludes-callback-duration. Assertions: 2 there, 3
    // here; left out: none. A call takes 100 ms; a turn of the loop passes before the next.
    let trace = script(|j| {
        let (journal, start) = (j.clone(), time::now());
        interval(ms(100), move |call, own| {
            journal.add(format_args!("{call}@{}", (time::now() - start).as_millis()));
            if call == 2 {
                own.clear();
            } else {
                time::advance(ms(100));
                set_immediate(journal.adds("turn"));
            }
        });
    });
    assert_eq!(trace, "1@100 turn 2@200");
}

#[test]
fn test_timers_block_eventloop() {
    // Node: sequential/test-timers-block-eventloop. Assertions: 1 there, 1 here; left out: none.
    // Two intervals that take longer than their period; a completion is the request (fs.stat).
    let trace = script(|j| {
        let slow = [12, 15].map(|busy| set_interval(ms(10), move || time::advance(ms(busy))));
        let late = set_timeout(ms(200), j.adds("blocked"));
        let journal = j.clone();
        set_timeout(ms(50), move || {
            let (completion, completer) =
                lunation::Completion::<()>::new(lunation::ResourceKind::User("FSREQ"));
            completion.on_complete(move |_| {
                slow.iter().for_each(clear_timeout);
                late.clear();
                journal.add("answered");
            });
            completer.complete(());
        });
    });
    assert_eq!(trace, "answered");
}

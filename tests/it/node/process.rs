//! Node's tests of what keeps a process alive, of its end, and of `perf_hooks`.

use super::support::{async_script, ms, script, throw};
use crate::support::Journal;
use lunation::net::{TcpListener, TcpStream};
use lunation::performance::{event_loop_utilization, monitor_event_loop_delay};
use lunation::{
    JoinHandle, Runtime, RuntimeEvent, Timeout, UnhandledPanic, active_resources, fs, immediate,
    microtask, next_tick, runtime_events, set_immediate, set_interval, set_timeout, spawn, time,
    yield_now,
};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

/// How many resources of a kind keep the loop alive.
fn active(kind: &str) -> usize {
    active_resources().iter().filter(|it| it.kind.as_str() == kind).count()
}

#[test]
fn test_process_getactiveresources() {
    // Node: parallel/test-process-getactiveresources. Assertions: 1 there, 1 here; left out: none.
    script(|_| {
        set_timeout(ms(0), || {});
        let kinds: Vec<_> = active_resources().iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(kinds, ["Timeout"]);
    });
}

#[test]
fn test_process_getactiveresources_track_active_handles() {
    // Node: parallel/test-process-getactiveresources-track-active-handles. Assertions: 2 there, 3
    // here; left out: none. Here a socket is active while an operation waits for it, so each end
    // reads. Added: without readers none is.
    let runtime = Runtime::new();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted: Rc<RefCell<Vec<TcpStream>>> = Rc::default();
        let ends = accepted.clone();
        let server = spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                ends.borrow_mut().push(stream);
            }
        });
        for count in 1..=8 {
            let client = TcpStream::connect(address).await.unwrap();
            while accepted.borrow().len() < 2 * count - 1 {
                yield_now().await;
            }
            accepted.borrow_mut().push(client);
        }
        assert_eq!(active("TCPWRAP"), 0);
        let reads =
            |mut stream: TcpStream| spawn(async move { stream.read(&mut [0]).await.is_ok() });
        let readers: Vec<JoinHandle<bool>> = accepted.take().into_iter().map(reads).collect();
        yield_now().await;
        assert_eq!(active("TCPWRAP"), 16);
        readers.iter().for_each(JoinHandle::abort);
        for reader in readers {
            drop(reader.await);
        }
        assert_eq!(active("TCPSERVERWRAP"), 1);
        server.abort();
    });
}

#[test]
fn test_process_getactiveresources_track_active_requests() {
    // Node: parallel/test-process-getactiveresources-track-active-requests. Assertions: 2 there, 2
    // here; left out: none. An operation of ours begins with its first poll.
    async_script(async {
        let open = || spawn(async { fs::File::open("Cargo.toml").await.is_ok() });
        let opened: Vec<JoinHandle<bool>> = (0..12).map(|_| open()).collect();
        microtask().await;
        assert_eq!(active("FSREQCALLBACK"), 12);
        for file in opened {
            assert!(file.await.unwrap());
        }
    });
}

#[test]
fn test_process_getactiveresources_track_interval_lifetime() {
    // Node: parallel/test-process-getactiveresources-track-interval-lifetime. Assertions: 4 there,
    // 7 here; left out: none. Added: a cleared interval is gone at once.
    let trace = script(|j| {
        assert_eq!(active("Timeout"), 0);
        let (j, count) = (j.clone(), Cell::new(0));
        let own: Rc<RefCell<Option<Timeout>>> = Rc::default();
        let handle = own.clone();
        let interval = set_interval(ms(0), move || {
            assert_eq!(active("Timeout"), 1);
            count.set(count.get() + 1);
            j.add(count.get());
            if count.get() == 3 {
                handle.take().expect("set below").clear();
                assert_eq!(active("Timeout"), 0);
            }
        });
        *own.borrow_mut() = Some(interval);
        assert_eq!(active("Timeout"), 1);
    });
    assert_eq!(trace, "1 2 3");
}

#[test]
fn test_process_getactiveresources_track_multiple_timers() {
    // Node: parallel/test-process-getactiveresources-track-multiple-timers. Assertions: 4 there, 3
    // here; left out: none.
    let trace = script(|j| {
        for delay in (0..10).flat_map(|delay| [delay; 10]) {
            let j = j.clone();
            set_timeout(ms(delay), move || j.add("t"));
        }
        assert_eq!(active("Timeout"), 100);
        for _ in 0..10 {
            let j = j.clone();
            set_immediate(move || j.add("i"));
        }
        assert_eq!(active("Immediate"), 10);
    });
    assert_eq!((trace.matches('t').count(), trace.matches('i').count()), (100, 10));
}

#[test]
fn test_process_getactiveresources_track_timer_lifetime() {
    // Node: parallel/test-process-getactiveresources-track-timer-lifetime. Assertions: 10 there, 10
    // here; left out: none.
    let trace = script(|j| {
        assert_eq!(active("Timeout"), 0);
        let own: Rc<RefCell<Option<Timeout>>> = Rc::default();
        let (journal, handle) = (j.clone(), own.clone());
        let timeout = set_timeout(ms(0), move || {
            assert_eq!(active("Timeout"), 1);
            handle.take().expect("set below").clear();
            assert_eq!(active("Timeout"), 0);
            journal.add("timeout");
        });
        *own.borrow_mut() = Some(timeout);
        assert_eq!(active("Timeout"), 1);

        assert_eq!(active("Immediate"), 0);
        let own = Rc::new(RefCell::new(None));
        let (journal, handle) = (j.clone(), own.clone());
        let immediate = set_immediate(move || {
            assert_eq!(active("Immediate"), 0);
            handle.take().map(|it: lunation::Immediate| it.clear()).expect("set below");
            assert_eq!(active("Immediate"), 0);
            journal.add("immediate");
        });
        *own.borrow_mut() = Some(immediate);
        assert_eq!(active("Immediate"), 1);
    });
    assert_eq!(trace, "immediate timeout");
}

#[test]
fn test_perf_hooks_eventlooputilization() {
    // Node: parallel/test-perf-hooks-eventlooputilization. Assertions: 34 there, 14 here; left out:
    // the alias (1), `nodeTiming` (4), the worker (3: each thread has its own loop), that times are
    // not negative (5: types), must-calls (4: the code is one async function). The virtual clock
    // says exactly what bounds say there.
    async_script(async {
        let start = event_loop_utilization(None);
        assert_eq!((start.idle, start.active, start.utilization), (ms(0), ms(0), 0.0));
        let again = event_loop_utilization(Some(&start));
        assert_eq!((again, event_loop_utilization(None).since(&start)), (start, start));
        time::sleep(ms(5)).await;
        let elu1 = event_loop_utilization(None);
        assert_eq!(elu1.idle, ms(5));
        time::advance(ms(50));
        let elu2 = event_loop_utilization(Some(&elu1));
        time::advance(ms(1));
        let elu3 = event_loop_utilization(None);
        let elu4 = elu3.since(&elu1);
        assert_eq!((elu2.idle, elu4.idle), (ms(0), ms(0)));
        assert_eq!((elu2.utilization, elu4.utilization), (1.0, 1.0));
        assert_eq!(elu3.active - elu1.active, elu4.active);
        assert_eq!(elu2.active, ms(50));
        assert!(elu2.active < elu4.active && elu3.active > elu2.active);
        time::sleep(ms(10)).await;
        let elu1 = event_loop_utilization(None);
        let sum = elu1.idle + elu1.active;
        assert_eq!(sum, ms(66));
        assert_eq!(elu1.utilization, elu1.active.as_secs_f64() / sum.as_secs_f64());
        time::sleep(ms(10)).await;
        let elu2 = event_loop_utilization(None);
        let elu3 = elu2.since(&elu1);
        assert_eq!(elu2.idle + elu2.active, ms(76));
        assert_eq!(elu3.active, elu2.active - elu1.active);
        assert_eq!(elu3.idle, elu2.idle - elu1.idle);
        assert_eq!(elu3.utilization, 0.0);
    });
}

#[test]
fn test_performance_eventloopdelay() {
    // Node: sequential/test-performance-eventloopdelay. Assertions: 21 there, 16 here; left out:
    // wrong types (3), `resolution` (1): no timer samples here, and a collector's run (1).
    // DIFFERENCE: an empty histogram says zero, where Node has NaN and the greatest number.
    async_script(async {
        let histogram = monitor_event_loop_delay();
        assert!(histogram.enable());
        assert!(!histogram.enable());
        histogram.reset();
        assert!(histogram.disable());
        assert!(!histogram.disable());

        let histogram = monitor_event_loop_delay();
        histogram.enable();
        for spin in 1..=5 {
            time::advance(ms(1000 * spin));
            time::sleep(ms(500)).await;
        }
        immediate().await;
        histogram.disable();
        assert!(histogram.min() > Duration::ZERO);
        assert_eq!(histogram.max().as_millis() / 10, 500);
        assert!(histogram.stddev() > Duration::ZERO);
        assert!(histogram.mean() > Duration::ZERO);
        assert!(!histogram.percentiles().is_empty());
        let mut before = Duration::ZERO;
        for tenth in 10..1000 {
            let delay = histogram.percentile(f64::from(tenth) / 10.0);
            assert!(delay >= before);
            before = delay;
        }
        histogram.reset();
        assert_eq!(histogram.min(), Duration::ZERO);
        assert_eq!(histogram.max(), Duration::ZERO);
        assert_eq!(histogram.stddev(), Duration::ZERO);
        assert_eq!(histogram.mean(), Duration::ZERO);
        assert_eq!((histogram.count(), histogram.percentiles()), (0, Vec::new()));
        for wrong in [-1.0, 0.0, 101.0, f64::NAN] {
            let ask = || histogram.percentile(wrong);
            assert!(catch_unwind(AssertUnwindSafe(ask)).is_err());
        }
    });
}

#[test]
fn test_process_beforeexit() {
    // Node: parallel/test-process-beforeexit. Assertions: 8 there, 12 here; left out: none. Each
    // word of the journal is a must-call; binding is no event here, so a turn stands for it.
    fn next(j: &Journal, word: &'static str, then: impl FnOnce() + 'static) {
        let j = j.clone();
        runtime_events().once(RuntimeEvent::BeforeExit, move |_| {
            j.add(word);
            then();
        });
    }
    fn repeat(j: Journal, left: u32) {
        set_timeout(ms(1), move || {
            j.add(left);
            if left > 1 {
                repeat(j, left - 1);
            }
        });
    }
    let trace = script(|j| {
        let (j1, j2, j3) = (j.clone(), j.clone(), j.clone());
        let repeated = {
            let j = j.clone();
            move || repeat(j, 5)
        };
        let try_listen = move || {
            drop(spawn(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                yield_now().await;
                drop(listener);
                j3.add("listening");
                next(&j3, "repeated", repeated);
            }));
        };
        let try_timer = move || {
            set_timeout(ms(1), move || {
                j2.add("timeout");
                next(&j2, "listen", try_listen);
            });
        };
        next(j, "immediate", move || {
            set_immediate(move || {
                j1.add("ran");
                next(&j1, "timer", try_timer);
            });
        });
    });
    assert_eq!(trace, "immediate ran timer timeout listen listening repeated 5 4 3 2 1");
}

#[test]
fn test_timers_unrefed_in_beforeexit() {
    // Node: parallel/test-timers-unrefed-in-beforeexit. Assertions: 1 there, 2 here; left out:
    // none.
    let trace = script(|j| {
        let (before, exit) = (j.clone(), j.clone());
        runtime_events().on(RuntimeEvent::BeforeExit, move |_| {
            set_timeout(ms(1), || {}).unref();
            before.add("before");
        });
        runtime_events().on(RuntimeEvent::Exit, move |_| exit.add("exit"));
    });
    assert_eq!(trace, "before exit");
}

/// Runs a program that ends at once as one does here: by a panic that nobody holds up. Gives what
/// the panic carries.
fn leaving(journal: &Journal, main: impl FnOnce()) -> &'static str {
    let builder = Runtime::builder().on_unhandled(|_| UnhandledPanic::Propagate);
    let runtime = builder.start_paused(true).build().expect("a runtime");
    runtime.enter(|| {
        let exits = journal.clone();
        runtime_events().on(RuntimeEvent::Exit, move |_| exits.add("exit"));
        main();
    });
    let left = catch_unwind(AssertUnwindSafe(|| runtime.run_to_idle()));
    left.expect_err("it leaves").downcast_ref::<&str>().expect("a text")
}

#[test]
fn test_beforeexit_event_exit() {
    // Node: parallel/test-beforeexit-event-exit. Assertions: 1 there, 2 here; left out: none.
    // DIFFERENCE: there is no `process.exit`; a panic that leaves the loop is the same to events.
    let journal = Journal::default();
    let left = leaving(&journal, || {
        let before = journal.clone();
        runtime_events().on(RuntimeEvent::BeforeExit, move |_| before.add("before"));
        next_tick(|| throw("exit"));
    });
    assert_eq!((left, journal.take().as_str()), ("exit", "exit"));
}

#[test]
fn test_process_exit_from_before_exit() {
    // Node: parallel/test-process-exit-from-before-exit. Assertions: 3 there, 3 here; left out:
    // none. DIFFERENCE: as above.
    let journal = Journal::default();
    let left = leaving(&journal, || {
        let j = journal.clone();
        runtime_events().on(RuntimeEvent::BeforeExit, move |_| {
            set_timeout(ms(5), j.adds("never"));
            j.add("before");
            throw::<()>("exit");
        });
    });
    assert_eq!((left, journal.take().as_str()), ("exit", "before exit"));
}

#[test]
fn test_process_exit_recursive() {
    // Node: parallel/test-process-exit-recursive. Assertions: 2 there, 3 here; left out: none.
    // DIFFERENCE: as above; a listener that leaves again is called once all the same, but the
    // first panic is the one that is seen, Node's last code is.
    let journal = Journal::default();
    let left = leaving(&journal, || {
        let j = journal.clone();
        runtime_events().on(RuntimeEvent::Exit, move |_| {
            j.add("again");
            throw::<()>("zero");
        });
        next_tick(|| throw("one"));
    });
    assert_eq!((left, journal.take().as_str()), ("one", "exit again"));
}

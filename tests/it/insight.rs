//! What keeps a loop alive, and what its tasks wait for.

use crate::support::{Journal, paused};
use lunation::io::Interest;
use lunation::net::{TcpListener, TcpStream};
use lunation::timers::promises;
use lunation::{
    ActiveResources, Completion, ResourceKind, WaitsFor, active_resources, all_resources,
    immediate, next_tick, queue_close, queue_microtask, set_immediate, set_interval, set_timeout,
    spawn, spawn_blocking, spawn_detached, task, time, yield_now,
};
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The kinds, in the order of the ids, joined by spaces.
fn kinds(resources: &ActiveResources) -> String {
    let kinds: Vec<_> = resources.iter().map(|it| it.kind.as_str()).collect();
    kinds.join(" ")
}

#[test]
fn everything_that_keeps_the_loop_alive_is_listed() {
    let runtime = paused();
    let (completer, guard) = runtime.enter(|| {
        set_timeout(ms(1), || {});
        set_immediate(|| {});
        next_tick(|| {});
        queue_microtask(|| {});
        queue_close(ResourceKind::User("CLOSER"), || {});
        let (completion, completer) = Completion::<()>::new(ResourceKind::User("WORK"));
        completion.on_complete(|_| {});
        drop(spawn(async {}));
        set_timeout(ms(1), || {}).unref();
        set_immediate(|| {}).unref();
        set_timeout(ms(1), || {}).clear();
        set_immediate(|| {}).clear();
        (completer, runtime.handle().keep_alive())
    });
    let active = runtime.active_resources();
    assert_eq!(kinds(&active), "Timeout Immediate TickObject Microtask CLOSER WORK TASK");
    assert!(active.iter().all(|it| it.keeps_alive && it.trigger_id.get() == 1));
    assert!(active.iter().all(|it| it.location.file() == "tests/it/insight.rs"));
    assert_eq!(active.keep_alive_guards(), 1);
    let all = runtime.all_resources();
    assert_eq!(kinds(&all), format!("{} Timeout Immediate", kinds(&active)));
    assert_eq!(all.iter().filter(|it| !it.keeps_alive).count(), 2);
    completer.complete(());
    drop(guard);
    runtime.run_to_idle();
    assert!(runtime.active_resources().is_empty());
    assert_eq!(runtime.active_resources().to_string(), "");
}

#[test]
fn a_task_says_what_it_waits_for_and_since_when() {
    let runtime = paused();
    runtime.block_on(async {
        let (completion, completer) = Completion::<()>::new(ResourceKind::User("WORK"));
        let work = completion.async_id();
        let sleeper = spawn(time::sleep(ms(700)));
        let (turner, worker) = (spawn(immediate()), spawn(async { completion.await.is_ok() }));
        let joined = worker.async_id();
        let joiner = spawn(async { worker.await.is_ok() });
        let stuck = task::Builder::new().name("stuck").spawn(pending::<()>());
        let ids =
            [&sleeper.async_id(), &turner.async_id(), &joined, &joiner.async_id()].map(|id| *id);
        lunation::microtask().await;
        time::advance(ms(200));
        let all = all_resources();
        let of = |id| all.iter().find(|it| it.id == id).expect("listed");
        let waits = |id| of(id).waits.iter().map(|it| (it.what, it.elapsed)).collect::<Vec<_>>();
        let time = WaitsFor::Time { due_in: ms(500) };
        assert_eq!(waits(ids[0]), [(time, Some(ms(200)))]);
        assert_eq!(waits(ids[1]), [(WaitsFor::Turn, None)]);
        let completion = WaitsFor::Completion { id: work, kind: ResourceKind::User("WORK") };
        assert_eq!(waits(ids[2]), [(completion, Some(Duration::ZERO))]);
        assert_eq!(waits(ids[3]), [(WaitsFor::Task { id: joined }, None)]);
        assert_eq!(
            (of(stuck.async_id()).name.as_deref(), waits(stuck.async_id())),
            (Some("stuck"), vec![])
        );
        // Who waits for what keeps the loop alive, keeps it alive; who waits for such a task not.
        let active: Vec<_> = active_resources().iter().map(|it| it.id).collect();
        assert_eq!(active, [work, ids[0], ids[1], ids[2]]);
        completer.complete(());
        assert!(joiner.await.unwrap());
    });
}

#[test]
fn the_display_answers_why_the_process_still_runs() {
    let runtime = paused();
    runtime.block_on(async {
        let line = line!() + 1;
        let _task = task::Builder::new().name("nap").spawn(time::sleep(ms(3000)));
        yield_now().await;
        time::advance(ms(1000));
        yield_now().await;
        let id = _task.async_id();
        assert_eq!(
            active_resources().to_string(),
            format!(
                "TASK {id} \"nap\", created at tests/it/insight.rs:{line}:54 by 1, 1s ago\n  \
                 waits 1s for a timer that is due in 2s\n"
            )
        );
    });
}

#[test]
fn main_is_listed_as_the_root_with_the_call_of_block_on() {
    let runtime = paused();
    let seen = Rc::new(Cell::new(None));
    let (at, line) = (seen.clone(), line!() + 1);
    runtime.block_on(async {
        set_timeout(ms(5), move || at.set(Some(active_resources())));
        time::sleep(ms(10)).await;
    });
    let active = seen.take().expect("called");
    // The timer counts while it runs, as in Node.
    assert_eq!(kinds(&active), "ROOT Timeout");
    assert_eq!((active[0].id.get(), active[0].location.line()), (1, line));
    assert_eq!(active[0].waits[0].what, WaitsFor::Time { due_in: ms(5) });
}

#[test]
fn sockets_are_active_while_an_operation_waits() {
    let runtime = lunation::Runtime::new();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(kinds(&active_resources()), "");
        assert_eq!(kinds(&all_resources()), "ROOT TCPSERVERWRAP");
        let server = spawn(async move { listener.accept().await.map(|(stream, _)| stream) });
        yield_now().await;
        assert_eq!(kinds(&active_resources()), "TCPSERVERWRAP TASK");
        let client = TcpStream::connect(address).await.unwrap();
        let mut served = server.await.unwrap().unwrap();
        let (peer, id) = (served.async_id(), client.async_id());
        let reader = spawn(async move { served.read(&mut [0; 1]).await });
        yield_now().await;
        let active = active_resources();
        assert_eq!(kinds(&active), "TCPWRAP TASK");
        let waits: Vec<_> = active[1].waits.iter().map(|it| it.what).collect();
        let (kind, interest) = (ResourceKind::TcpWrap, Interest::READABLE);
        assert_eq!(waits, [WaitsFor::Io { id: peer, kind, interest }]);
        assert!(all_resources().iter().any(|it| it.id == id && !it.keeps_alive));
        drop(client);
        assert_eq!(reader.await.unwrap().unwrap(), 0);
    });
}

#[test]
fn an_unrefed_source_is_listed_among_all() {
    let runtime = lunation::Runtime::new();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.unref();
        let server = spawn(async move { listener.accept().await.map(drop) });
        yield_now().await;
        assert_eq!(kinds(&active_resources()), "");
        let all = all_resources();
        assert_eq!(kinds(&all), "ROOT TCPSERVERWRAP TASK");
        assert_eq!(all[2].waits.len(), 1);
        server.abort();
    });
}

#[test]
fn a_blocking_job_is_active_until_its_result_is_back() -> io::Result<()> {
    let runtime = lunation::Runtime::new();
    runtime.block_on(async {
        let (open, closed) = std::sync::mpsc::channel::<()>();
        let job = spawn_blocking(move || closed.recv().is_err());
        assert_eq!(kinds(&active_resources()), "JOB");
        drop(open);
        assert!(job.await.unwrap());
        assert_eq!(kinds(&active_resources()), "");
        Ok(())
    })
}

/// A waker that hides the task it wakes, as that of `FuturesUnordered`.
struct Hiding(Waker);

impl Wake for Hiding {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

fn hidden<F: Future + Unpin>(mut future: F) -> impl Future<Output = F::Output> {
    poll_fn(move |context| {
        let waker = Waker::from(Arc::new(Hiding(context.waker().clone())));
        Pin::new(&mut future).poll(&mut Context::from_waker(&waker))
    })
}

#[test]
fn a_wait_behind_another_waker_is_shown_without_its_task() {
    let runtime = paused();
    runtime.block_on(async {
        let task = spawn(hidden(Box::pin(time::sleep(ms(50)))));
        yield_now().await;
        let active = active_resources();
        assert_eq!(kinds(&active), "");
        let what = WaitsFor::Time { due_in: ms(50) };
        assert_eq!(active.unclaimed().iter().map(|it| it.what).collect::<Vec<_>>(), [what]);
        assert_eq!(
            active.to_string(),
            "a task unknown, by a waker of another library, waits 0ns for a timer that is due in \
             50ms\n"
        );
        task.await.unwrap();
    });
}

#[test]
fn ages_come_from_the_turns() {
    let runtime = paused();
    let journal = Journal::default();
    let log = journal.clone();
    runtime.enter(|| {
        let first = set_timeout(ms(100_000), || {});
        let ids: Rc<Cell<Vec<_>>> = Rc::new(Cell::new(vec![first.async_id()]));
        let calls = Cell::new(0);
        let own: Rc<Cell<Option<lunation::Timeout>>> = Rc::default();
        let handle = own.clone();
        let interval = set_interval(ms(10), move || {
            calls.set(calls.get() + 1);
            let mut known = ids.take();
            if calls.get() == 5 {
                let all = all_resources();
                let age = |id| all.iter().find(|it| it.id == id).map_or(0, |it| it.age.as_millis());
                known.iter().for_each(|id| log.add(age(*id)));
                first.clear();
                handle.take().expect("set below").clear();
            }
            known.push(spawn_detached(pending::<()>()).async_id());
            ids.set(known);
        });
        own.set(Some(interval));
    });
    runtime.run_to_idle();
    // The one made in main was noted at the first timers phase; the others before the sleep after
    // the callback that made them.
    assert_eq!(journal.take(), "50 40 30 20 10");
}

#[test]
fn ages_are_noted_where_nobody_reads_the_clock() {
    let runtime = paused();
    runtime.block_on(async {
        let task = spawn_detached(pending::<()>()).async_id();
        for _ in 0..200 {
            time::advance(ms(10)); // as a computation would
            immediate().await;
        }
        let all = all_resources();
        let age = all.iter().find(|it| it.id == task).map_or(0, |it| it.age.as_millis());
        assert!((2000 - 65 * 10..=2000).contains(&age), "{age} ms for 2000");
    });
}

#[test]
fn asking_changes_nothing() {
    let runtime = paused();
    let log = Journal::default();
    runtime.block_on(async {
        let polls = Rc::new(Cell::new(0));
        let count = polls.clone();
        let task = spawn(poll_fn(move |_| {
            count.set(count.get() + 1);
            Poll::<()>::Pending
        }));
        let journal = log.clone();
        set_timeout(ms(5), move || journal.add("timer"));
        let handle = set_immediate(log.adds("immediate"));
        for _ in 0..3 {
            assert!(
                handle.has_ref()
                    == active_resources().iter().any(|it| it.kind.as_str() == "Immediate")
            );
            yield_now().await;
        }
        time::sleep(ms(10)).await;
        assert_eq!(polls.get(), 1);
        task.abort();
    });
    assert_eq!(log.take(), "immediate timer");
}

#[test]
fn a_task_says_which_promised_timer_it_awaits() {
    paused().block_on(async {
        let timer = spawn(promises::set_timeout(ms(300), ()));
        let turn = spawn(promises::set_immediate(()));
        let beat = spawn(async {
            let mut beats = promises::set_interval(ms(40), ());
            beats.next().await;
            beats.next().await
        });
        let unrefed = spawn(promises::set_timeout(ms(500), ()).unref());
        lunation::microtask().await;
        time::advance(ms(10));
        assert_eq!(kinds(&active_resources()), "Timeout TASK Immediate TASK TASK Timeout");
        let all = all_resources();
        let waits = |id| {
            let task = all.iter().find(|it| it.id == id).expect("listed");
            let waits: Vec<_> = task.waits.iter().map(|it| (it.what, it.elapsed)).collect();
            (waits, task.keeps_alive)
        };
        let until = |due| vec![(WaitsFor::Time { due_in: ms(due) }, Some(ms(10)))];
        assert_eq!(waits(timer.async_id()), (until(290), true));
        assert_eq!(waits(turn.async_id()), (vec![(WaitsFor::Turn, None)], true));
        assert_eq!(waits(beat.async_id()), (until(30), true));
        assert_eq!(waits(unrefed.async_id()), (until(490), false));
        turn.await.unwrap();
        time::sleep(ms(35)).await;
        let active = active_resources();
        let beating = active.iter().find(|it| it.id == beat.async_id()).expect("listed");
        let time = WaitsFor::Time { due_in: ms(35) };
        assert_eq!(beating.waits.iter().map(|it| it.what).collect::<Vec<_>>(), [time]);
        timer.abort();
        assert!(timer.await.is_err());
        assert_eq!(kinds(&active_resources()), "TASK Timeout");
        beat.abort();
        unrefed.abort();
    });
}

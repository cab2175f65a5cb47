//! Rows 6, 7, 19: pools, queues, and the two queues of the loop.

use super::{VALUE, ms, notes};
use crate::support::{Journal, paused, script};
use lunation::{
    AsyncResource, Completion, ResourceKind, Snapshot, execution_async_resource, immediate,
    next_tick, queue_close, queue_microtask, set_immediate, set_timeout, spawn, spawn_detached,
    tick, time, trigger_async_id,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A pool of one connection, as a library would write it.
#[derive(Clone, Default)]
struct Pool(Rc<RefCell<VecDeque<Lease>>>);

/// One use of the connection: a resource of its own, made where it is asked for.
struct Lease(AsyncResource, Box<dyn FnOnce()>);

impl Pool {
    /// Calls `work` when it is its turn.
    fn lease(&self, work: impl FnOnce() + 'static) {
        let lease = Lease(AsyncResource::new("LEASE"), Box::new(work));
        self.0.borrow_mut().push_back(lease);
        if self.0.borrow().len() == 1 {
            self.clone().serve();
        }
    }

    /// The connection's driver outlives who has opened it, so it starts from nothing.
    fn serve(self) {
        spawn_detached(async move {
            while !self.0.borrow().is_empty() {
                time::sleep(ms(1)).await;
                let Lease(resource, work) = self.0.borrow_mut().pop_front().expect("not empty");
                resource.run_in_async_scope(work);
            }
        });
    }
}

#[test]
fn row_06_a_pool_serves_each_in_its_own_context() {
    let leases: Rc<RefCell<Vec<_>>> = Rc::default();
    let trace = script(|j| {
        let pool = Pool::default();
        for user in ["ann", "bob", "eve"] {
            let (served, leases) = (notes(j, user), leases.clone());
            VALUE.run(user, || {
                pool.lease(move || {
                    leases.borrow_mut().push((execution_async_resource(), trigger_async_id()));
                    served();
                });
            });
        }
    });
    assert_eq!(trace, "ann=ann bob=bob eve=eve");
    // To hooks each lease is a resource of its own, triggered by who asked for it.
    let leases = leases.take();
    let ids: Vec<_> = leases.iter().map(|(lease, _)| lease.id()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    for (lease, trigger) in leases {
        assert_eq!((lease.kind().as_str(), trigger.get()), ("LEASE", 1));
    }
}

#[test]
fn row_07_a_batch_answers_each_in_its_own_context() {
    let trace = script(|j| {
        let batch: Rc<RefCell<Vec<_>>> = Rc::default();
        for user in ["ann", "bob"] {
            let entry = |answer| batch.borrow_mut().push((Snapshot::capture(), answer));
            VALUE.run(user, || entry(notes(j, user)));
        }
        let flushed = notes(j, "flush");
        VALUE.run("eve", || {
            set_immediate(move || {
                flushed();
                for (caller, answer) in batch.take() {
                    caller.run(answer);
                }
            })
        });
    });
    assert_eq!(trace, "flush=eve ann=ann bob=bob");
}

#[test]
fn row_07_the_queues_of_the_loop_keep_apart() {
    let trace = script(|j| {
        for (user, places) in [("ann", ["a1", "a2", "a3", "a4"]), ("bob", ["b1", "b2", "b3", "b4"])]
        {
            let [tick, micro, task, later] = places.map(|place| notes(j, place));
            VALUE.run(user, || {
                next_tick(tick);
                queue_microtask(micro);
                spawn(async move { task() });
                set_immediate(later);
            });
        }
    });
    let expected = "a1=ann b1=bob a2=ann a3=ann b2=bob b3=bob a4=ann b4=bob";
    assert_eq!(trace, expected);
}

/// From any place: first what runs, then the ticks, then the microtasks.
fn both(journal: &Journal, place: &'static str) -> impl FnOnce() + 'static + use<> {
    let journal = journal.clone();
    move || {
        let (tick, micro) = (journal.clone(), journal.clone());
        queue_microtask(move || micro.add(format_args!("{place}.micro")));
        next_tick(move || tick.add(format_args!("{place}.tick")));
        journal.add(place);
    }
}

#[test]
fn row_19_ticks_go_first_wherever_they_are_queued() {
    let journal = Journal::default();
    let j = &journal;
    let runtime = paused();
    runtime.enter(both(j, "script"));
    runtime.run_to_idle();
    runtime.block_on(async {
        both(j, "main")();
        tick().await;
        immediate().await;
        set_timeout(ms(1), both(j, "timer"));
        set_immediate(both(j, "immediate"));
        queue_close(ResourceKind::User("Close"), both(j, "close"));
        let (completion, completer) = Completion::<()>::new(ResourceKind::User("IO"));
        let completed = both(j, "completion");
        completion.on_complete(move |_| completed());
        completer.complete(());
        next_tick(both(j, "tick"));
        time::sleep(ms(2)).await;
    });
    let each = |place: &str| format!("{place} {place}.tick {place}.micro");
    let places = ["script", "main", "tick", "close", "completion", "immediate", "timer"];
    assert_eq!(journal.take(), places.map(each).join(" "));
}

#[test]
fn row_19_inside_of_a_microtask_the_microtasks_go_on() {
    // A task is a microtask, so this is the same rule: all ticks, all microtasks, and again.
    let expected = "task callback task.micro callback.micro task.tick callback.tick";
    let trace = script(|j| {
        let task = both(j, "task");
        spawn(async move { task() });
        queue_microtask(both(j, "callback"));
    });
    assert_eq!(trace, expected);
}

//! Waiting for events: in whose context, and that no listener stays.

use crate::support::{Journal, paused, script};
use lunation::{AbortSignal, AsyncLocalStorage, EventEmitter, events, microtask, spawn, time};
use std::rc::Rc;
use std::time::Duration;

static PLACE: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

#[test]
fn what_follows_an_event_runs_in_the_context_of_who_waits() {
    let trace = script(|j| {
        let emitter = Rc::new(EventEmitter::<&str, u32>::new());
        let (door, journal) = (emitter.clone(), j.clone());
        PLACE.run("once", || {
            spawn(async move {
                let first = events::once(&door, "open").await;
                journal.add(format_args!("{first}@{}", PLACE.cloned().expect("a place")));
            })
        });
        let (door, journal) = (emitter.clone(), j.clone());
        PLACE.run("on", || {
            spawn(async move {
                let mut opened = events::on(&door, "open");
                while let 1..3 = opened.next().await {
                    journal.add(PLACE.cloned().expect("a place"));
                }
                drop(opened);
                journal.add(door.listener_count("open"));
            })
        });
        let journal = j.clone();
        spawn(async move {
            for number in 1..4 {
                PLACE.run("emit", || emitter.emit("open", &number));
                journal.add("emitted");
            }
            microtask().await;
            journal.add("later");
        });
    });
    assert_eq!(trace, "emitted emitted emitted 1@once on on 0 later");
}

#[test]
fn a_wait_that_is_given_up_leaves_no_listener() {
    let journal = Journal::default();
    paused().block_on(async {
        let emitter = EventEmitter::<&str>::new();
        let second = Duration::from_secs(1);
        let signal = AbortSignal::timeout(second);
        let waiting = signal.abortable(|| events::once(&emitter, "never"));
        journal.add(emitter.listener_count("never"));
        // The signal's timer does not keep the loop alive; this one does.
        let _alive = spawn(time::sleep(second * 2));
        journal.add(waiting.await.is_err());
        journal.add(emitter.listener_count("never"));
        let mut stream = events::on(&emitter, "never");
        journal.add(time::timeout(second, stream.next()).await.is_err());
        journal.add(emitter.listener_count("never"));
        drop(stream);
        journal.add(emitter.listener_count("never"));
    });
    assert_eq!(journal.take(), "1 true 0 true 1 0");
}

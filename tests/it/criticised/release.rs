//! Rows 8, 9: when a value is let go of.

use super::ms;
use crate::support::{Journal, OnDrop, paused};
use lunation::{
    AsyncLocalStorage, clear_immediate, clear_timeout, immediate, microtask, set_immediate,
    set_interval, set_timeout, spawn, time,
};
use std::future::pending;

/// Adds to a journal when it is let go of.
static VALUE: AsyncLocalStorage<OnDrop> = AsyncLocalStorage::new();

#[test]
fn row_08_callbacks_let_go_when_they_have_fired_or_are_cleared() {
    let journal = Journal::default();
    let j = &journal;
    // All handles are kept.
    let runtime = paused();
    runtime.block_on(async {
        let _fired = VALUE.run(j.on_drop("fired"), || set_timeout(ms(1), || {}));
        let _ran = VALUE.run(j.on_drop("ran"), || set_immediate(|| {}));
        let timeout = VALUE.run(j.on_drop("timeout"), || set_timeout(ms(9), || {}));
        let interval = VALUE.run(j.on_drop("interval"), || set_interval(ms(1), || {}));
        let never = VALUE.run(j.on_drop("immediate"), || set_immediate(|| {}));
        j.add("made");
        clear_timeout(&timeout);
        clear_immediate(&never);
        j.add("cleared");
        time::sleep(ms(3)).await;
        j.add("slept");
        interval.clear();
        j.add("end");
    });
    assert_eq!(journal.take(), "made timeout immediate cleared ran fired slept interval end");
}

#[test]
fn row_08_tasks_let_go_when_they_have_ended() {
    let journal = Journal::default();
    let j = &journal;
    let runtime = paused();
    runtime.block_on(async {
        let ended = VALUE.run(j.on_drop("ended"), || spawn(microtask()));
        let aborted = VALUE.run(j.on_drop("aborted"), || spawn(pending::<()>()));
        immediate().await;
        j.add("abort");
        aborted.abort();
        immediate().await;
        j.add("joined");
        assert!(ended.await.is_ok() && aborted.await.is_err());
    });
    assert_eq!(journal.take(), "ended abort aborted joined");
}

#[test]
fn row_08_a_shadowed_value_is_not_kept_by_what_was_made_in_its_shadow() {
    let journal = Journal::default();
    let j = &journal;
    let runtime = paused();
    runtime.block_on(async {
        VALUE.run(j.on_drop("outer"), || {
            VALUE.run(j.on_drop("inner"), || spawn(pending::<()>()));
        });
        j.add("left");
        for name in ["one", "two"] {
            VALUE.enter_with(j.on_drop(name));
            microtask().await;
        }
        VALUE.exit(|| spawn(pending::<()>()));
        VALUE.disable();
        j.add("end");
    });
    drop(runtime);
    assert_eq!(journal.take(), "outer left one end two inner");
}

#[test]
fn row_09_the_drop_of_a_value_tells_that_its_last_user_is_gone() {
    let journal = Journal::default();
    let j = &journal;
    paused().block_on(async {
        let (short, long) = VALUE.run(j.on_drop("request is over"), || {
            let log = j.clone();
            let short = spawn(async move {
                set_timeout(ms(2), move || log.add("timer"));
            });
            (short, spawn(time::sleep(ms(5))))
        });
        assert!(short.await.is_ok());
        j.add("short");
        time::sleep(ms(3)).await;
        j.add("waiting");
        assert!(long.await.is_ok());
        j.add("long");
    });
    assert_eq!(journal.take(), "short timer waiting request is over long");
}

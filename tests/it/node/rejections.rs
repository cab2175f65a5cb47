//! Node's tests of promises whose rejection nobody handles: here, failed tasks without a handle.

use super::support::{ms, throw};
use crate::support::Journal;
use lunation::{
    JoinHandle, Runtime, UnhandledPanic, UnhandledRejections, Warning, fs, immediate, microtask,
    next_tick, set_immediate, set_timeout, spawn, tick, time,
};
use std::cell::RefCell;
use std::panic::resume_unwind;
use std::rc::Rc;

/// A task that fails; dropping the handle is not handling the error.
fn reject(text: &'static str) -> JoinHandle<()> {
    spawn(async move { throw(text) })
}

/// A task that fails with something that is no text. Node: null, a symbol.
fn reject_with_a_number() -> JoinHandle<()> {
    spawn(async { resume_unwind(Box::new(42)) })
}

/// Listens to everything: "warning", "uncaughtException", and if asked to "unhandledRejection".
fn listen(journal: &Journal, mode: UnhandledRejections, rejections: bool) -> Runtime {
    let [warned, uncaught, rejected] = [(); 3].map(|()| journal.clone());
    let mut builder = Runtime::builder()
        .start_paused(true)
        .unhandled_rejections(mode)
        .on_warning(move |warning: &Warning| warned.add(warning.name()))
        .on_unhandled(move |failure| {
            let (origin, message) = (failure.origin().as_str(), failure.message());
            uncaught.add(format_args!("uncaughtException:{origin}:{message}"));
            UnhandledPanic::Continue
        });
    if rejections {
        builder = builder.on_unhandled_rejection(move |failure| {
            rejected.add(format_args!("unhandledRejection:{}", failure.message()));
        });
    }
    builder.build().expect("a runtime")
}

/// What is heard of two failed tasks, one of which fails with a text.
fn two_rejections(mode: UnhandledRejections, rejections: bool) -> String {
    let journal = Journal::default();
    let runtime = listen(&journal, mode, rejections);
    runtime.enter(|| {
        drop(reject("One"));
        drop(reject_with_a_number());
        set_timeout(ms(2), journal.adds("timeout"));
    });
    runtime.run_to_idle();
    journal.take()
}

const UNCAUGHT_TWICE: &str = "uncaughtException:unhandledRejection:One \
                              uncaughtException:unhandledRejection:a value that is not a string \
                              timeout";
const REJECTED_TWICE: &str =
    "unhandledRejection:One unhandledRejection:a value that is not a string timeout";

#[test]
fn test_promise_unhandled_default() {
    // Node: parallel/test-promise-unhandled-default. Assertions: 7 there, 3 here (a journal); left
    // out: the wrapper of what is no error (3: a payload has a type), the exit code (1).
    assert_eq!(two_rejections(UnhandledRejections::default(), false), UNCAUGHT_TWICE);
}

#[test]
fn test_promise_unhandled_throw() {
    // Node: parallel/test-promise-unhandled-throw. Assertions: 7 there, 3 here (a journal); left
    // out: as in the default's.
    assert_eq!(two_rejections(UnhandledRejections::Throw, false), UNCAUGHT_TWICE);
}

#[test]
fn test_promise_unhandled_throw_handler() {
    // Node: parallel/test-promise-unhandled-throw-handler. Assertions: 6 there, 3 here (a journal);
    // left out: the exit code (1), 'rejectionHandled' (1: nothing is handled late).
    assert_eq!(two_rejections(UnhandledRejections::Throw, true), REJECTED_TWICE);
}

#[test]
fn test_promise_unhandled_error() {
    // Node: parallel/test-promise-unhandled-error. Assertions: 7 there, 4 here (two journals); left
    // out: the wrapper of what is no error (1), 'rejectionHandled' (1). Added: a handler of
    // rejections is called after that of exceptions, as Node documents of the mode.
    assert_eq!(two_rejections(UnhandledRejections::Strict, false), UNCAUGHT_TWICE);
    let both = "uncaughtException:unhandledRejection:One unhandledRejection:One";
    let journal = two_rejections(UnhandledRejections::Strict, true);
    assert!(journal.starts_with(both), "{journal}");
}

#[test]
fn test_promise_unhandled_silent() {
    // Node: parallel/test-promise-unhandled-silent. Assertions: 5 there, 3 here (a journal); left
    // out: 'rejectionHandled' (1).
    assert_eq!(two_rejections(UnhandledRejections::None, true), REJECTED_TWICE);
}

#[test]
fn test_promise_unhandled_silent_no_hook() {
    // Node: parallel/test-promise-unhandled-silent-no-hook. Assertions: 3 there, 1 here (a
    // journal).
    assert_eq!(two_rejections(UnhandledRejections::None, false), "timeout");
}

#[test]
fn test_promise_unhandled_warn() {
    // Node: parallel/test-promise-unhandled-warn. Assertions: 4 there, 5 here (a journal); left
    // out: 'rejectionHandled' (1). DIFFERENCE: one warning for each rejection, with all that is
    // known of it; Node's second one says where the first came from.
    let expected = "UnhandledRejection unhandledRejection:One UnhandledRejection \
                    unhandledRejection:a value that is not a string timeout";
    assert_eq!(two_rejections(UnhandledRejections::Warn, true), expected);
}

#[test]
fn test_promise_unhandled_warn_no_hook() {
    // Node: parallel/test-promise-unhandled-warn-no-hook. Assertions: 4 there, 3 here (a journal);
    // left out: 'rejectionHandled' (1). DIFFERENCE: one warning each.
    let expected = "UnhandledRejection UnhandledRejection timeout";
    assert_eq!(two_rejections(UnhandledRejections::Warn, false), expected);
}

#[test]
fn test_promises_warning_on_unhandled_rejection() {
    // Node: parallel/test-promises-warning-on-unhandled-rejection. Assertions: 11 there, 5 here;
    // left out: the deprecation (1), must-calls (2). DIFFERENCE: no warning that a rejection was
    // handled later (2): the task whose handle is kept waits for whoever reads it, and is nobody's
    // warning.
    let warnings = Rc::new(RefCell::new(Vec::new()));
    let log = warnings.clone();
    let runtime = Runtime::builder()
        .unhandled_rejections(UnhandledRejections::Warn)
        .on_warning(move |warning| log.borrow_mut().push(warning.clone()))
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let kept = reject("This is read later");
        drop(reject("This was rejected"));
        drop(reject_with_a_number());
        immediate().await;
        kept.await.expect_err("it has failed");
    });
    drop(runtime);
    let warnings = warnings.take();
    assert_eq!(warnings.len(), 2);
    assert!(warnings.iter().all(|warning| warning.name() == "UnhandledRejection"));
    let [first, second] = [0, 1].map(|nth: usize| warnings[nth].message().to_owned());
    assert!(first.starts_with("unhandled panic in TASK"), "{first}");
    assert!(first.ends_with("This was rejected"), "{first}");
    assert!(second.ends_with("a value that is not a string"), "{second}");
}

/// What is heard when `main` runs and the loop after it.
fn heard(main: impl FnOnce()) -> String {
    let journal = Journal::default();
    let runtime = listen(&journal, UnhandledRejections::Throw, true);
    runtime.enter(main);
    runtime.run_to_idle();
    drop(runtime);
    journal.take()
}

/// Waits for ticks and microtasks in turns, then reads what has failed.
async fn catch_late(failed: JoinHandle<()>) {
    for _ in 0..2 {
        tick().await;
        microtask().await;
    }
    failed.await.expect_err("it has failed");
}

/// A handler that is attached after some ticks and microtasks.
fn attach_late() {
    let failed = reject("late");
    drop(spawn(catch_late(failed)));
}

/// Reads what has failed, in a task of its own.
fn read(failed: JoinHandle<()>) {
    drop(spawn(async { failed.await.expect_err("it has failed") }));
}

fn rejected(text: &str) -> String {
    format!("unhandledRejection:{text}")
}

#[test]
fn test_promises_unhandled_rejections() {
    // Node: parallel/test-promises-unhandled-rejections. Assertions: 46 there, 27 here (with
    // journals); left out: executors, thenables, derived promises and which promise it is, all of
    // which are one task here (24), 'rejectionHandled' (5). DIFFERENCE: a handle that is kept is
    // never too late, neither after an immediate nor after a timeout (6); what makes a failure
    // unhandled is that nobody is left who could read it.
    nobody_reads_it();
    it_is_read_in_time();
    some_of_several_are_read();
    // What the handler queues runs at once; a failure of its own that is read is none.
    assert_eq!(queueing_handler(), "rejection tick read timeout");
    // The handler may fail a task in turn, which is heard of in the same drain.
    assert_eq!(failing_handler(), "first second immediate");
}

fn nobody_reads_it() {
    assert_eq!(heard(|| drop(reject("at once"))), rejected("at once"));
    assert_eq!(heard(|| drop(set_immediate(|| drop(reject("i"))))), rejected("i"));
    assert_eq!(heard(|| drop(set_timeout(ms(1), || drop(reject("t"))))), rejected("t"));
    // Thrown again in a handler: the new error alone.
    let rethrown = || {
        let first = reject("first");
        drop(spawn(async {
            first.await.expect_err("it has failed");
            throw::<()>("second");
        }));
    };
    assert_eq!(heard(rethrown), rejected("second"));
    assert_eq!(heard(|| drop(set_timeout(ms(1), rethrown))), rejected("second"));
    // A task that hands on what it waits for.
    let adopted = || {
        drop(spawn(async {
            time::sleep(ms(1)).await;
            reject("adopted").await.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        }));
    };
    assert_eq!(heard(adopted), rejected("adopted"));
    // A task whose future fails when it is dropped is one as well.
    struct FailsInDrop;
    impl Drop for FailsInDrop {
        fn drop(&mut self) {
            throw::<()>("in drop");
        }
    }
    let dropped = || {
        drop(spawn(async {
            let _fails = FailsInDrop;
        }));
    };
    assert_eq!(heard(dropped), rejected("in drop"));
}

fn it_is_read_in_time() {
    // At once, with a tick, and after ticks and microtasks in turns.
    assert_eq!(heard(|| read(reject("now"))), "");
    let with_a_tick = || {
        let failed = reject("tick");
        next_tick(|| read(failed));
    };
    assert_eq!(heard(with_a_tick), "");
    assert_eq!(heard(attach_late), "");
    assert_eq!(heard(|| drop(set_immediate(attach_late))), "");
    assert_eq!(heard(|| drop(set_timeout(ms(0), attach_late))), "");
    // DIFFERENCE: never too late.
    let kept = |later: fn(JoinHandle<()>)| heard(move || later(reject("kept")));
    assert_eq!(kept(|failed| drop(set_immediate(|| read(failed)))), "");
    assert_eq!(kept(|failed| drop(set_timeout(ms(10), || read(failed)))), "");
    // But a handle that is dropped unread, late as it may be, is heard of.
    assert_eq!(kept(|failed| drop(set_timeout(ms(10), || drop(failed)))), rejected("kept"));
}

fn some_of_several_are_read() {
    let all = |reads: bool| {
        heard(move || {
            let tasks = [reject("a"), reject("b")];
            tasks.into_iter().for_each(|task| {
                if reads {
                    read(task)
                }
            });
        })
    };
    assert_eq!(all(true), "");
    assert_eq!(all(false), "unhandledRejection:a unhandledRejection:b");
    // One that is read says nothing of another.
    let one_of_two = || {
        drop(reject("1"));
        read(reject("2"));
    };
    assert_eq!(heard(one_of_two), rejected("1"));
    // Callbacks that fail meanwhile are a matter of their own.
    let beside = || {
        drop(reject("task"));
        next_tick(|| throw("tick"));
    };
    let both = "uncaughtException:uncaughtException:tick unhandledRejection:task";
    assert_eq!(heard(beside), both);
    // Of a batch of failures each is heard of, in order, before the next callback.
    let batch = heard(|| {
        ["1", "2", "3"].map(reject).into_iter().for_each(drop);
        set_immediate(|| drop(reject("4")));
    });
    assert_eq!(batch, ["1", "2", "3", "4"].map(rejected).join(" "));
}

fn queueing_handler() -> String {
    let journal = Journal::default();
    let log = journal.clone();
    let runtime = Runtime::builder()
        .start_paused(true)
        .on_unhandled_rejection(move |_| {
            log.add("rejection");
            next_tick(log.adds("tick"));
            set_timeout(ms(1), log.adds("timeout"));
            let (own, read) = (reject("own"), log.adds("read"));
            next_tick(|| {
                drop(spawn(async move {
                    own.await.expect_err("it has failed");
                    read();
                }));
            });
        })
        .build()
        .expect("a runtime");
    runtime.enter(|| drop(reject("first")));
    runtime.run_to_idle();
    journal.take()
}

fn failing_handler() -> String {
    let journal = Journal::default();
    let log = journal.clone();
    let runtime = Runtime::builder()
        .on_unhandled_rejection(move |failure| {
            log.add(failure.message());
            if failure.message() == "first" {
                drop(reject("second"));
            }
        })
        .build()
        .expect("a runtime");
    runtime.enter(|| {
        drop(reject("first"));
        set_immediate(journal.adds("immediate"));
    });
    runtime.run_to_idle();
    journal.take()
}

#[test]
fn test_promise_unhandled_issue_43655() {
    // Node: parallel/test-promise-unhandled-issue-43655. Assertions: 1 there, 2 here. Node measures
    // that a timeout after many handled rejections comes in time; here, that none of them is left
    // for the end of a drain, and that each has cost one poll, and one of who reads it.
    const MANY: u64 = 100_000;
    let journal = Journal::default();
    let runtime = listen(&journal, UnhandledRejections::Throw, true);
    runtime.block_on(async {
        for _ in 0..MANY {
            reject("value").await.expect_err("it has failed");
        }
        time::sleep(ms(0)).await;
    });
    assert_eq!(journal.take(), "");
    let polls = runtime.metrics().polls;
    assert!(polls <= 2 * MANY + 2, "{polls} polls");
}

#[test]
fn test_promise_unhandled_error_with_reading_file() {
    // Node: parallel/test-promise-unhandled-error-with-reading-file. Assertions: 2 there, 2 here (a
    // journal). An operation of the file system goes on, whatever fails beside it.
    let journal = Journal::default();
    let runtime = listen(&journal, UnhandledRejections::Strict, false);
    let read = journal.clone();
    runtime.block_on(async move {
        drop(reject("foo"));
        let file = spawn(fs::read(file!())).await.expect("no panic");
        read.add(if file.is_ok_and(|text| !text.is_empty()) { "read" } else { "-" });
    });
    assert_eq!(journal.take(), "uncaughtException:unhandledRejection:foo read");
}

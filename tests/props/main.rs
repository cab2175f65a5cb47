//! Random programs on the real runtime and on a naive model: everything they read must be equal.
//!
//! `PROPTEST_CASES` sets the number of programs. `tests/props-mutants.sh` shows what they find.

mod body;
mod callbacks;
mod desk;
mod drive;
mod lockstep;
mod model;
mod program;
mod simple;
mod stores;
mod waits;

use crate::body::Code;
use crate::lockstep::{Capture, Ident, InFlow, Injected, expect, is_injected, model};
use crate::program::{Ending, Program};
use crate::stores::ALL;
use lunation::{Runtime, Turn, UnhandledPanic};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Cases of a default run, over which every operation must have run `ENOUGH` times, and
/// `ENOUGH_DEEP` times in a body at depth 3 or more.
const CASES: u32 = 256;
const ENOUGH: u32 = 200;
const ENOUGH_DEEP: u32 = 50;

fn runtime() -> Runtime {
    let builder = Runtime::builder().start_paused(true).on_unhandled(|failure| {
        match failure.payload().downcast_ref::<Injected>() {
            Some(injected) => injected.handle(),
            None => expect(false, || format!("a failure of its own: {failure}")),
        }
        UnhandledPanic::Continue
    });
    builder.build().expect("the system gives a selector")
}

fn run_main(runtime: &Runtime, program: &Program) {
    let code = Code { body: program.main.clone(), depth: 0, task: 0 };
    let capture = Capture::all();
    let main = InFlow::new(capture.start(), Some(Ident::fixed(1, 0)), code.future());
    drop(capture);
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(main)));
    if let Err(payload) = result {
        let text = payload.downcast_ref::<String>().cloned();
        expect(is_injected(&*payload), || format!("block_on panicked: {text:?}"));
    }
}

/// Runs a program; the first difference.
fn run(program: &Program) -> Option<String> {
    lockstep::begin();
    body::refuel();
    let runtime = runtime();
    if program.main.len().is_multiple_of(2) {
        run_main(&runtime, program);
    } else {
        // Main starts in the context of the call.
        let (number, guard) = model(|model, flow| {
            let number = model.number();
            (number, model.push(flow, 0, Some(number)))
        });
        ALL[0].run(number, &mut || run_main(&runtime, program));
        model(|model, flow| model.leave(flow, guard));
    }
    match program.ending {
        Ending::Idle => runtime.run_to_idle(),
        Ending::Turns(turns) => {
            for _ in 0..turns {
                runtime.turn(Turn::NoWait).expect("the selector works");
            }
        }
        Ending::KeptFirst => desk::clear(),
    }
    body::end(runtime);
    desk::clear();
    lockstep::end()
}

#[test]
fn programs_read_what_the_model_says() {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if config.max_shrink_iters == u32::MAX {
        // Programs are long: the default would leave much of one that fails.
        config.max_shrink_iters = 50_000;
    }
    let cases = config.cases;
    let mut runner = TestRunner::new(config);
    let result = runner.run(&program::program(), |program| match run(&program) {
        None => Ok(()),
        Some(difference) => Err(TestCaseError::fail(difference)),
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, program)) => panic!("{reason}\nin {program:#?}"),
        Err(error) => panic!("{error}"),
    }
    if cases == CASES {
        let rare: Vec<_> = body::counts()
            .into_iter()
            .filter(|(_, all, deep)| *all < ENOUGH || *deep < ENOUGH_DEEP)
            .collect();
        assert!(rare.is_empty(), "operations that ran too seldom (all, deep): {rare:?}");
    }
}

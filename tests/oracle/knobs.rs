//! The comparison can fail: settings that change what a program does, or what is recorded, change
//! its trace.

use crate::corpus::{Case, all, is_whole};
use crate::interp::trace::{difference, project};
use crate::interp::{Options, compare, replay};

/// Programs that must notice the smallest drain budget.
const NOTICE_BUDGET: usize = 20;

#[test]
fn drain_budget_of_one_changes_traces() {
    let options = Options { drain_budget: Some(1), ..Options::default() };
    let changed: Vec<String> = all()
        .filter(|Case { program, node }| {
            let run = replay(program, &options).expect("it is runnable");
            compare(program, node, &run.trace, u8::MAX).is_some()
        })
        .map(|case| case.program.name)
        .collect();
    assert!(!is_whole() || changed.len() >= NOTICE_BUDGET, "only {changed:?} changed");
}

#[test]
fn without_hooks_levels_2_and_3_are_empty_and_level_0_is_the_same() {
    let off = Options { hooks: false, ..Options::default() };
    for Case { program, .. } in all() {
        let without = replay(&program, &off).expect("it is runnable").trace;
        assert_eq!(project(&without, 3), project(&without, 1), "{}", program.name);
        let with = replay(&program, &Options::default()).expect("it is runnable").trace;
        if let Some(difference) = difference(&with, &without, 0) {
            panic!("{}: {difference}", program.name);
        }
    }
}

#[test]
fn a_second_run_on_the_same_thread_has_the_same_trace() {
    for Case { program, .. } in all() {
        let mut runs = (0..2).map(|_| replay(&program, &Options::default()).expect("runnable"));
        let (first, second) = (runs.next().unwrap(), runs.next().unwrap());
        assert_eq!(first.trace, second.trace, "{}", program.name);
    }
}

//! Where design decides against Node: `disable`.
//!
//! Node removes the key from the current frame, in place: who captured this very frame sees it,
//! frames copied from it before do not. Here the storage gets a new key: every value set before is
//! unset, in whatever frame, and what is set afterwards is read.

use crate::corpus::{Case, all, is_whole};
use crate::interp::trace::difference;
use crate::interp::{Options, Program, replay};

/// The label and the stores of every `log` of a program, in order.
fn logs(als: &str, main: &str) -> Vec<String> {
    let text = format!(
        r#"{{"name": "n", "clock": "any", "level": 3, "needs": [], "als": {als}, "main": {main}}}"#
    );
    let program = Program::parse(&text).expect("a program");
    let run = replay(&program, &Options::default()).expect("it is runnable");
    let logs = run.trace.iter().filter(|entry| entry[0] == "log");
    logs.map(|entry| format!("{} {}", entry[1].as_str().unwrap(), entry[2])).collect()
}

#[test]
fn what_was_set_before_is_unset_in_every_frame() {
    let main = r#"[
        {"op": "run", "als": 0, "value": 1, "body": [
            {"op": "nextTick", "body": [{"op": "log", "label": "captured it"}]},
            {"op": "snapshot", "slot": 0},
            {"op": "run", "als": 1, "value": 2, "body": [
                {"op": "disable", "als": 0},
                {"op": "log", "label": "here"}]},
            {"op": "log", "label": "around"}]},
        {"op": "restore", "slot": 0, "body": [{"op": "log", "label": "earlier frame"}]}]"#;
    let expected = [
        "here [null,2]",
        "around [null,null]",
        "earlier frame [null,null]",
        "captured it [null,null]",
    ];
    assert_eq!(logs("[{}, {}]", main), expected);
}

#[test]
fn the_default_shows_and_what_is_set_afterwards_is_read() {
    let main = r#"[
        {"op": "enterWith", "als": 0, "value": 1},
        {"op": "disable", "als": 0},
        {"op": "log", "label": "disabled"},
        {"op": "enterWith", "als": 0, "value": 2},
        {"op": "nextTick", "body": [{"op": "log", "label": "captured since"}]},
        {"op": "log", "label": "set since"}]"#;
    assert_eq!(
        logs(r#"[{"default": 100}]"#, main),
        ["disabled [100]", "set since [2]", "captured since [2]"]
    );
}

#[test]
fn leaving_a_scope_restores_only_what_was_set_since() {
    let main = r#"[
        {"op": "enterWith", "als": 0, "value": 9},
        {"op": "scope", "als": 0, "value": 1, "body": [
            {"op": "disable", "als": 0},
            {"op": "enterWith", "als": 0, "value": 3},
            {"op": "scope", "als": 0, "value": 4, "body": []},
            {"op": "log", "label": "set since"}]},
        {"op": "log", "label": "set before"}]"#;
    // Node puts back 9, which was set before.
    assert_eq!(logs("[{}]", main), ["set since [3]", "set before [null]"]);
}

#[test]
fn only_programs_with_disable_differ_from_node_and_only_in_its_stores() {
    let differ: Vec<String> = all()
        .filter(|Case { program, node }| {
            let run = replay(program, &Options::default()).expect("it is runnable");
            let level = program.level.min(node.level);
            let differs = difference(&node.trace, &run.trace, level).is_some();
            assert!(!differs || !program.disabled().is_empty(), "{}", program.name);
            differs
        })
        .map(|case| case.program.name)
        .collect();
    assert!(!is_whole() || !differ.is_empty(), "some program shows the difference");
}

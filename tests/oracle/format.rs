//! The reader of programs, the levels, the renumbering of ids: what the comparison itself relies
//! on.

use serde_json::json;

use crate::interp::program::Stmt;
use crate::interp::trace::{Entry, blank, difference, project};
use crate::interp::{Options, Program, replay};

/// The example of FORMAT.md, section 10.
const EXAMPLE: &str = r#"{"name": "example", "clock": "any", "level": 3, "needs": [],
"als": [{}, {"default": 100}], "main": [
  {"op": "run", "als": 0, "value": 1, "body": [
    {"op": "spawn", "slot": 0, "body": [
      {"op": "log", "label": "task"}, {"op": "enterWith", "als": 0, "value": 2}, {"op": "tick"},
      {"op": "immediate", "slot": null, "body": [{"op": "log", "label": "immediate"}]},
      {"op": "throw", "value": "oops"}]},
    {"op": "nextTick", "body": [{"op": "log", "label": "tick"}]}]},
  {"op": "spawn", "slot": 1, "body": [
    {"op": "try", "body": [{"op": "join", "slot": 0}], "catch": []}, {"op": "sleep", "ms": 20}]},
  {"op": "log", "label": "main"}]}"#;

fn run(text: &str) -> Vec<Entry> {
    let program = Program::parse(text).expect("a program");
    replay(&program, &Options::default()).expect("it is runnable").trace
}

#[test]
fn the_example_of_the_format() {
    let expected = r#"["init",2,"Task",1]
["init",3,"TickObject",1]
["init",4,"Task",1]
["log","main",[null,100],1,0]
["before",3]
["log","tick",[1,100],3,1]
["after",3]
["before",2]
["log","task",[1,100],2,1]
["after",2]
["before",4]
["after",4]
["before",2]
["init",5,"Immediate",2]
["fail",0,"oops",[2,100],2,1]
["after",2]
["before",4]
["catch","oops",[null,100],4,1]
["after",4]
["destroy",3]
["destroy",2]
["before",5]
["log","immediate",[2,100],5,2]
["after",5]
["destroy",5]
["before",4]
["done",1,[null,100],4,1]
["after",4]
["destroy",4]
["end",[]]"#;
    assert_eq!(project(&run(EXAMPLE), 3).join("\n"), expected);
}

#[test]
fn ids_are_numbered_from_2_whatever_ran_before_on_the_thread() {
    run(EXAMPLE);
    let trace = run(EXAMPLE);
    assert_eq!(trace[0], json!(["init", 2, "Task", 1]));
}

#[test]
fn statements_are_read_with_their_fields() {
    let text = r#"{"name": "n", "clock": "virtual", "level": 0, "needs": ["als"], "als": [],
    "main": [
        {"op": "enterWith", "value": null, "als": 3},
        {"op": "try", "body": [], "catch": [{"op": "tick"}]},
        {"op": "resource", "slot": 1, "type": "R"},
        {"op": "on", "slot": 0, "event": "v", "body": []}]}"#;
    let main = Program::parse(text).expect("a program").main;
    assert!(matches!(main[0], Stmt::EnterWith { als: 3, value: None }));
    assert!(matches!(&main[1], Stmt::Try { handler, .. } if matches!(handler[..], [Stmt::Tick])));
    assert!(matches!(&main[2], Stmt::Resource { slot: 1, kind } if kind == "R"));
    assert!(matches!(&main[3], Stmt::On { slot: 0, event, .. } if event == "v"));
    assert!(Program::parse(&text.replace("enterWith", "leaveWith")).is_err());
}

#[test]
fn fuel_ends_every_body() {
    let text = r#"{"name": "n", "clock": "any", "level": 3, "needs": [], "als": [], "main": [
        {"op": "spawn", "slot": 7, "body": [{"op": "log", "label": "never"}]},
        {"op": "repeat", "times": 100, "body": [{"op": "repeat", "times": 100, "body": [
            {"op": "enterWith", "als": 0, "value": 1}]}]}]}"#;
    let text = text.replace(r#""als": []"#, r#""als": [{}]"#);
    assert_eq!(project(&run(&text), 0), [r#"["fuel"]"#, r#"["done",7,[null]]"#, r#"["end",[]]"#]);
}

#[test]
fn levels_keep_what_the_format_says() {
    let trace = [
        json!(["init", 2, "Task", 1]),
        json!(["log", "a", [null, 1], 2, 1]),
        json!(["destroy", 2]),
        json!(["end", []]),
    ];
    let log = r#"["log","a",[null,1],2,1]"#;
    assert_eq!(project(&trace, 0), [r#"["log","a",[null,1]]"#, r#"["end",[]]"#]);
    assert_eq!(project(&trace, 1), [log, r#"["end",[]]"#]);
    assert_eq!(project(&trace, 2), [r#"["init",2,"Task",1]"#, log, r#"["end",[]]"#]);
    assert_eq!(project(&trace, 3).len(), 4);
}

#[test]
fn a_difference_shows_the_first_line_that_differs() {
    let expected = [json!(["destroy", 2]), json!(["end", []])];
    let actual = [json!(["destroy", 3]), json!(["end", []])];
    assert!(difference(&expected, &actual, 2).is_none());
    let text = difference(&expected, &actual, 3).expect("they differ").to_string();
    assert!(text.starts_with("differs at line 1\n"), "{text}");
    assert!(text.contains("> [\"destroy\",2]") && text.contains("> [\"destroy\",3]"), "{text}");
    let shorter = difference(&expected, &actual[..0], 3).expect("they differ").to_string();
    assert!(shorter.contains("> (nothing)"), "{shorter}");
}

#[test]
fn blanking_touches_the_named_stores_only() {
    let mut trace = [json!(["fail", 0, "e", [1, 2], 3, 1]), json!(["end", [1]])];
    blank(&mut trace, &[1]);
    assert_eq!(trace, [json!(["fail", 0, "e", [1, null], 3, 1]), json!(["end", [1]])]);
}

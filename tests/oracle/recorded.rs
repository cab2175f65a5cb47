//! Every recorded program has the trace it has on Node, at its own level.

use crate::corpus::check;

#[test]
fn hand() {
    check("hand", 75);
}

#[test]
fn channels() {
    check("channels", 20);
}

#[test]
fn context() {
    check("context", 25);
}

#[test]
fn disable() {
    check("disable", 15);
}

#[test]
fn everything() {
    check("everything", 15);
}

#[test]
fn inline() {
    check("inline", 30);
}

#[test]
fn mixed() {
    check("mixed", 30);
}

#[test]
fn phases() {
    check("phases", 30);
}

#[test]
fn resources() {
    check("resources", 25);
}

#[test]
fn tasks() {
    check("tasks", 45);
}

#[test]
fn timers() {
    check("timers", 25);
}

#[test]
fn vmixed() {
    check("vmixed", 15);
}

#[test]
fn vtimers() {
    check("vtimers", 25);
}

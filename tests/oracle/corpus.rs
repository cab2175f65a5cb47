//! The recorded programs and their traces on Node.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::interp::{Options, Program, Recorded, compare, replay};

/// The hand-written programs and the profiles of the generated ones: names of files.
pub(crate) const FILES: [&str; 13] = [
    "hand",
    "channels",
    "context",
    "disable",
    "everything",
    "inline",
    "mixed",
    "phases",
    "resources",
    "tasks",
    "timers",
    "vmixed",
    "vtimers",
];

/// Names one program, the only one to be run.
const ONLY: &str = "LUNATION_ORACLE";

/// A program and its trace on Node.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) program: Program,
    pub(crate) node: Recorded,
}

/// The programs of a file, or those of them that `LUNATION_ORACLE` names.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let programs = lines("programs", file);
    let programs = programs.iter().map(|line| Program::parse(line).expect("a program"));
    let traces = lines("golden", file);
    let traces = traces.iter().map(|line| serde_json::from_str::<Recorded>(line).expect("a trace"));
    let mut cases: Vec<Case> =
        programs.zip(traces).map(|(program, node)| Case { program, node }).collect();
    assert!(cases.iter().all(|case| case.program.name == case.node.name), "{file}: not in order");
    if let Ok(name) = env::var(ONLY) {
        cases.retain(|case| case.program.name == name);
    }
    cases
}

/// The programs of all files.
pub(crate) fn all() -> impl Iterator<Item = Case> {
    FILES.into_iter().flat_map(cases)
}

/// Whether the corpus is the whole one, so that its programs can be counted.
pub(crate) fn is_whole() -> bool {
    env::var_os(ONLY).is_none()
}

fn lines(kind: &str, file: &str) -> Vec<String> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/data");
    let path: PathBuf = data.join(kind).join(format!("{file}.jsonl"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(String::from).collect()
}

/// Runs all programs of a file, which are `expected` many, and compares them with Node.
pub(crate) fn check(file: &str, expected: usize) {
    let mut different = Vec::new();
    let mut compared = 0;
    for Case { program, node } in cases(file) {
        let run = replay(&program, &Options::default()).expect("it is runnable");
        compared += 1;
        if let Some(difference) = compare(&program, &node, &run.trace, u8::MAX) {
            different.push(format!("{}: {difference}", program.name));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {compared} programs of '{file}' differ from Node\n{}",
        different.len(),
        different.join("\n")
    );
    assert!(!is_whole() || compared == expected, "{compared} instead of {expected} were compared");
}

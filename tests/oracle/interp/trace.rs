//! Traces: their projection to a level, and what makes two of them different (FORMAT.md, section
//! 6).

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::program::Program;

/// One line of a trace: a JSON array that begins with the kind of the entry.
pub(crate) type Entry = Value;

/// A line of a file of recorded traces.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) name: String,
    /// The level at which the trace is comparable; 3 if the file does not say.
    #[serde(default = "highest_level")]
    pub(crate) level: u8,
    pub(crate) trace: Vec<Entry>,
}

const LEVEL_IDS: u8 = 1;
const LEVEL_HOOKS: u8 = 2;
const LEVEL_DESTROY: u8 = 3;

/// Lines shown before and after the first one that differs.
const CONTEXT: usize = 6;

fn highest_level() -> u8 {
    LEVEL_DESTROY
}

/// The lines of a trace that count at a level.
pub(crate) fn project(trace: &[Entry], level: u8) -> Vec<String> {
    let kept = trace.iter().filter(|entry| level >= level_of(entry));
    kept.map(|entry| if level < LEVEL_IDS { without_ids(entry) } else { entry.to_string() })
        .collect()
}

fn kind(entry: &Entry) -> &str {
    entry.get(0).and_then(Value::as_str).unwrap_or_default()
}

fn level_of(entry: &Entry) -> u8 {
    match kind(entry) {
        "destroy" => LEVEL_DESTROY,
        "init" | "before" | "after" => LEVEL_HOOKS,
        _ => 0,
    }
}

/// Whether an entry ends with `stores, id, trigger`.
fn has_ids(entry: &Entry) -> bool {
    matches!(kind(entry), "log" | "catch" | "uncaught" | "recv" | "done" | "fail")
}

fn without_ids(entry: &Entry) -> String {
    let mut entry = entry.clone();
    if has_ids(&entry)
        && let Some(fields) = entry.as_array_mut()
    {
        fields.truncate(fields.len().saturating_sub(2));
    }
    entry.to_string()
}

/// Replaces the stores of some instances by null in every entry.
pub(crate) fn blank(trace: &mut [Entry], instances: &[usize]) {
    for entry in trace.iter_mut().filter(|entry| has_ids(entry)) {
        let stores = entry.as_array_mut().and_then(|fields| {
            let at = fields.len().checked_sub(3)?;
            fields[at].as_array_mut()
        });
        let Some(stores) = stores else { continue };
        for &instance in instances {
            stores[instance] = Value::Null;
        }
    }
}

/// How a trace of a program differs from the recorded one, at the level of the program or below.
///
/// Node's `disable` removes a key from one frame in place; ours gives the storage a new key, so
/// that every value set before is unset everywhere. The stores of instances which the program
/// disables are therefore not compared.
pub(crate) fn compare(
    program: &Program,
    recorded: &Recorded,
    actual: &[Entry],
    level: u8,
) -> Option<Difference> {
    let (mut expected, mut actual) = (recorded.trace.clone(), actual.to_vec());
    let disabled = program.disabled();
    blank(&mut expected, &disabled);
    blank(&mut actual, &disabled);
    difference(&expected, &actual, level.min(program.level).min(recorded.level))
}

/// The first line in which two traces differ, with what surrounds it on both sides.
#[derive(Debug)]
pub(crate) struct Difference {
    line: usize,
    expected: Vec<String>,
    actual: Vec<String>,
}

/// `None` when the traces are equal at the level.
pub(crate) fn difference(expected: &[Entry], actual: &[Entry], level: u8) -> Option<Difference> {
    let (expected, actual) = (project(expected, level), project(actual, level));
    if expected == actual {
        return None;
    }
    let line = expected.iter().zip(&actual).take_while(|(a, b)| a == b).count();
    Some(Difference { line, expected, actual })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "differs at line {}", self.line + 1)?;
        for (side, lines) in [("expected", &self.expected), ("actual", &self.actual)] {
            writeln!(f, "  {side}:")?;
            let from = self.line.saturating_sub(CONTEXT);
            for (at, text) in lines.iter().enumerate().skip(from).take(2 * CONTEXT) {
                let mark = if at == self.line { '>' } else { ' ' };
                writeln!(f, "  {mark} {text}")?;
            }
            if lines.len() <= self.line {
                writeln!(f, "  > (nothing)")?;
            }
        }
        Ok(())
    }
}

//! The hand-written programs of clock class "any" with the real clock.

use crate::corpus::{Case, cases};
use crate::interp::program::Clock;
use crate::interp::{Options, Pace, Program, Run, compare, replay};

use std::time::Duration;

/// A run is on time if no callback was this far from its nominal time (FORMAT.md, section 7).
const ON_TIME: Duration = Duration::from_millis(10);

/// Stretching a program gives a slow machine more time per nominal millisecond.
const SCALES: [u32; 5] = [1, 2, 4, 8, 16];

#[test]
fn hand_written_programs_do_not_need_the_virtual_clock() {
    let mut different = Vec::new();
    for Case { program, node } in cases("hand") {
        if program.clock != Clock::Any {
            continue;
        }
        match on_time(&program) {
            None => eprintln!("{}: skipped, this machine was never on time", program.name),
            Some(run) => {
                if let Some(difference) = compare(&program, &node, &run.trace, u8::MAX) {
                    different.push(format!("{}: {difference}", program.name));
                }
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// The first run that was on time. Late ones prove nothing: their timers raced with what else there
/// was.
fn on_time(program: &Program) -> Option<Run> {
    SCALES.into_iter().find_map(|scale| {
        let options = Options { pace: Pace::Real { scale }, ..Options::default() };
        let run = replay(program, &options).expect("it is runnable");
        (run.drift < ON_TIME).then_some(run)
    })
}

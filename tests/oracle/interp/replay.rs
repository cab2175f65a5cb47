//! One program on a runtime of its own.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use lunation::{Runtime, Unhandled, UnhandledPanic};
use serde_json::json;

use super::machine::Machine;
use super::on_time::OnTime;
use super::program::{Clock, Program};
use super::recorder::{Hooks, Recorder};
use super::sync::{Thrown, catch};
use super::trace::Entry;

/// The clock of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Stands while code runs, and jumps by exactly what the loop would have slept.
    Virtual,
    /// Real time, with every duration that many times longer.
    Real { scale: u32 },
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) pace: Pace,
    /// As [`lunation::Builder::drain_budget`].
    pub(crate) drain_budget: Option<u32>,
    /// Whether hook events are recorded.
    pub(crate) hooks: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { pace: Pace::Virtual, drain_budget: None, hooks: true }
    }
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) trace: Vec<Entry>,
    /// The largest distance of a callback from its nominal time, in unscaled time.
    pub(crate) drift: Duration,
}

/// Why a program is not run.
#[derive(Debug)]
pub(crate) enum Refusal {
    NeedsVirtualClock,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NeedsVirtualClock => write!(f, "skipped: needs the virtual clock"),
        }
    }
}

/// Runs a program to its end.
///
/// # Errors
///
/// The program needs another clock.
///
/// # Panics
///
/// On a panic that is no `throw` of the program, and if the system refuses a runtime.
pub(crate) fn replay(program: &Program, options: &Options) -> Result<Run, Refusal> {
    let scale = match options.pace {
        Pace::Real { .. } if program.clock == Clock::Virtual => {
            return Err(Refusal::NeedsVirtualClock);
        }
        Pace::Real { scale } => scale,
        Pace::Virtual => 1,
    };

    let recorder = Rc::new(Recorder::default());
    let machine = Machine::new(program, recorder.clone(), OnTime::new(scale));
    let runtime = start(&machine, options);
    let hook = lunation::create_hook(Hooks(recorder.clone()));
    if options.hooks {
        hook.enable();
    }
    runtime.block_on(async {
        machine.on_time.begin();
        if let Err(thrown) = catch(|| machine.exec(&program.main)) {
            machine.uncaught(&thrown);
        }
    });
    runtime.run_to_idle();
    recorder.push(json!(["end", machine.slots.unfinished()]));
    let trace = recorder.close();

    hook.disable();
    machine.slots.clear();
    drop(runtime);
    Ok(Run { trace, drift: machine.on_time.drift() })
}

fn start(machine: &Rc<Machine>, options: &Options) -> Runtime {
    let machine = machine.clone();
    let on_unhandled = move |unhandled: &Unhandled| {
        let Some(thrown) = unhandled.payload().downcast_ref::<Thrown>() else {
            return UnhandledPanic::Propagate;
        };
        machine.uncaught(thrown);
        UnhandledPanic::Continue
    };
    let builder = Runtime::builder()
        .drain_budget(options.drain_budget)
        .start_paused(matches!(options.pace, Pace::Virtual))
        // A guard of the interpreter never leaves its flow; one that seems to is a bug.
        .strict_guards(true)
        .on_unhandled(on_unhandled);
    builder.build().expect("the system gives a runtime")
}

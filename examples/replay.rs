//! Replays programs of the differential oracle (tests/oracle/FORMAT.md) and prints their traces.
//!
//! ```text
//! replay FILE                   one program ('-' is stdin): prints its trace, one entry per line
//! replay --batch FILE           one program per line: prints a line {"name","trace"} for each, in
//!                               the same order
//! replay --golden TRACES FILE   one program per line: prints where they differ from the recorded
//!                               TRACES
//!     --name NAME        only this program of the batch
//!     --level N          compare at most at level N
//!     --no-hooks         record no hook events
//!     --drain-budget N   instead of none
//!     --real-clock       instead of the virtual clock
//!     --scale N          N times longer durations
//! ```

#[path = "../tests/oracle/interp/mod.rs"]
mod interp;

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};

use interp::{Options, Pace, Program, Recorded, Run, compare, replay};
use serde_json::json;

/// A run with the real clock counts if no callback was further than this from its nominal time.
const ON_TIME: Duration = Duration::from_millis(10);

#[derive(Debug)]
struct Args {
    file: String,
    batch: bool,
    golden: Option<String>,
    name: Option<String>,
    level: u8,
    options: Options,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = parse(env::args().skip(1))?;
    let text = read(&args.file)?;
    if !args.batch && args.golden.is_none() {
        let Some(run) = run(&Program::parse(&text)?, &args.options) else {
            return Ok(ExitCode::FAILURE);
        };
        let lines: String = run.trace.iter().map(|entry| format!("{entry}\n")).collect();
        io::stdout().write_all(lines.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }

    let lines = text.lines().filter(|line| !line.is_empty());
    let mut programs = lines.map(Program::parse).collect::<Result<Vec<_>, _>>()?;
    programs.retain(|program| args.name.as_ref().is_none_or(|name| *name == program.name));
    match &args.golden {
        Some(file) => print_differences(&programs, &recorded(file)?, &args),
        None => print_traces(&programs, &args.options),
    }
}

fn print_traces(programs: &[Program], options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for program in programs {
        if let Some(run) = run(program, options) {
            writeln!(out, "{}", json!({"name": program.name, "trace": run.trace}))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_differences(
    programs: &[Program],
    golden: &HashMap<String, Recorded>,
    args: &Args,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let (mut compared, mut equal) = (0, 0);
    for program in programs {
        let Some(run) = run(program, &args.options) else { continue };
        compared += 1;
        let Some(recorded) = golden.get(&program.name) else {
            writeln!(out, "{}: no recorded trace", program.name)?;
            continue;
        };
        match compare(program, recorded, &run.trace, args.level) {
            Some(difference) => writeln!(out, "{}: {difference}", program.name)?,
            None => equal += 1,
        }
    }
    writeln!(out, "{equal} of {compared} equal")?;
    Ok(if equal == compared { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a program, and says on stderr why it was not run or does not count.
fn run(program: &Program, options: &Options) -> Option<Run> {
    match replay(program, options) {
        Ok(run) => {
            if matches!(options.pace, Pace::Real { .. }) && run.drift >= ON_TIME {
                eprintln!("{}: late run", program.name);
            }
            Some(run)
        }
        Err(refusal) => {
            eprintln!("{}: {refusal}", program.name);
            None
        }
    }
}

fn recorded(file: &str) -> Result<HashMap<String, Recorded>, Box<dyn Error>> {
    let mut traces = HashMap::new();
    for line in read(file)?.lines().filter(|line| !line.is_empty()) {
        let recorded: Recorded = serde_json::from_str(line)?;
        traces.insert(recorded.name.clone(), recorded);
    }
    Ok(traces)
}

fn read(file: &str) -> io::Result<String> {
    if file != "-" {
        return fs::read_to_string(file);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, Box<dyn Error>> {
    let mut args = Args {
        file: String::from("-"),
        batch: false,
        golden: None,
        name: None,
        level: u8::MAX,
        options: Options::default(),
    };
    let (mut real_clock, mut scale) = (false, 1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--batch" => args.batch = true,
            "--golden" => args.golden = Some(value()?),
            "--name" => args.name = Some(value()?),
            "--level" => args.level = value()?.parse()?,
            "--no-hooks" => args.options.hooks = false,
            "--drain-budget" => args.options.drain_budget = Some(value()?.parse()?),
            "--real-clock" => real_clock = true,
            "--scale" => scale = value()?.parse()?,
            option if option.starts_with("--") => return Err(format!("unknown {option}").into()),
            _ => args.file = word,
        }
    }
    if real_clock {
        args.options.pace = Pace::Real { scale };
    }
    Ok(args)
}

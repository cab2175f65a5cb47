//! A soak: everything a server does, at once and for minutes, and what stays behind.
//!
//! It fails if the resident memory grows by more than [`GROWTH`] in the last four fifths of the
//! time (the least-squares slope times the span), or if there are more tasks, timers, sockets,
//! descriptors or other resources at the end than there were at the start.

mod gauge;
mod pace;
mod work;
mod world;

use gauge::{Counts, Sample};
use lunation::{Runtime, UnhandledPanic, time};
use pace::Pace;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};
use world::World;

/// Bytes by which the memory may grow in the last four fifths of the time.
const GROWTH: f64 = 1024.0 * 1024.0;
/// How long everything may take to come to rest.
const REST: Duration = Duration::from_secs(30);

const USAGE: &str = "usage: soak [--minutes N] [--load FACTOR] [--only WORK] [--seed N]
  --minutes  how long it works; 10 by default. The memory is judged from 1 minute on.
  --load     how often it does everything, compared with usual
  --only     only works that have this in their names
  --seed     of the random numbers";

struct Options {
    time: Duration,
    load: f64,
    only: String,
    seed: u64,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = Runtime::builder()
        .on_unhandled(|failure| {
            assert!(work::is_expected(failure), "a panic that no work makes: {failure:?}");
            UnhandledPanic::Continue
        })
        .on_warning(|warning| eprintln!("warning: {warning}"))
        .build();
    let verdict = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let runtime = Rc::new(runtime);
        runtime.block_on(soak(&runtime, &options))
    });
    match verdict {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options =
        Options { time: Duration::from_secs(600), load: 1.0, only: String::new(), seed: 1 };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name}: no value"))?;
        let number = || value.parse::<f64>().map_err(|error| format!("{name} {value}: {error}"));
        match name.as_str() {
            "--minutes" => {
                let time = Duration::try_from_secs_f64(60.0 * number()?);
                options.time = time.map_err(|error| format!("{name} {value}: {error}"))?;
            }
            "--load" => options.load = number()?,
            "--seed" => options.seed = number()? as u64,
            "--only" => options.only = value,
            _ => return Err(format!("unknown: {name}")),
        }
    }
    Ok(options)
}

async fn soak(runtime: &Rc<Runtime>, options: &Options) -> Result<(), String> {
    let mut works = work::all();
    works.retain(|work| work.name.contains(&options.only));
    if works.is_empty() {
        return Err(format!("no work is named {:?}", options.only));
    }
    let world =
        World::open(runtime.clone(), options.seed).await.map_err(|error| error.to_string())?;
    // Once each, so that all that is made once exists.
    for work in &works {
        work.once(&world).await?;
    }
    let start = at_rest(&world, |_| true).await?;
    println!("at the start: {start}; allocated {} bytes", gauge::allocated());
    let samples = Pace::start(&world, works, options.load).watch(options.time).await?;
    let end = at_rest(&world, |counts| *counts == start).await?;
    println!("at the end:   {end}; allocated {} bytes", gauge::allocated());
    judge(&samples, options.time)?;
    if end == start { Ok(()) } else { Err(format!("left behind: {}", end.beyond(&start))) }
}

/// What there is when nothing has changed for two seconds, or when `is_wanted`.
async fn at_rest(world: &Rc<World>, is_wanted: impl Fn(&Counts) -> bool) -> Result<Counts, String> {
    let (begin, mut same) = (Instant::now(), 0);
    let mut known = None;
    while begin.elapsed() < REST {
        world.client.close_idle();
        time::sleep(Duration::from_millis(200)).await;
        let counts = Counts::of(&world.runtime).map_err(|error| error.to_string())?;
        same = if known.as_ref() == Some(&counts) { same + 1 } else { 0 };
        if same >= 10 && is_wanted(&counts) {
            return Ok(counts);
        }
        known = Some(counts);
    }
    known.filter(|_| same >= 10).ok_or_else(|| format!("nothing comes to rest within {REST:?}"))
}

fn judge(samples: &[Sample], time: Duration) -> Result<(), String> {
    let judged: Vec<&Sample> =
        samples.iter().filter(|sample| sample.at >= time.as_secs_f64() / 5.0).collect();
    let growth = |of: fn(&Sample) -> f64| gauge::growth(&judged, of);
    let resident = growth(|sample| sample.resident);
    println!(
        "growth in the last {:.0} s, least squares: resident {:.3} MiB, allocated {:.3} MiB",
        time.as_secs_f64() * 0.8,
        resident / GROWTH,
        growth(|sample| sample.allocated) / GROWTH,
    );
    if resident > GROWTH && time >= Duration::from_secs(60) {
        return Err(format!("the resident memory grows by more than {GROWTH} bytes"));
    }
    Ok(())
}

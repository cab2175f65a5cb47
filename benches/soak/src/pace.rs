//! Doing everything again and again, and looking at the memory meanwhile.

use crate::gauge::{Counts, Sample};
use crate::work::Work;
use crate::world::World;
use lunation::{JoinHandle, performance, spawn, time};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(1);
/// Between two lines of output.
const LINE: u64 = 60;

/// The works under way, each in a task of its own.
pub struct Pace {
    world: Rc<World>,
    ends: Rc<Cell<bool>>,
    loops: Vec<(&'static str, JoinHandle<Result<u64, String>>)>,
}

impl Pace {
    pub fn start(world: &Rc<World>, works: Vec<Work>, load: f64) -> Pace {
        let ends = Rc::new(Cell::new(false));
        let loops = works.into_iter().map(|work| {
            let name = work.name;
            (name, spawn(repeat(work, world.clone(), load, ends.clone())))
        });
        Pace { world: world.clone(), ends: ends.clone(), loops: loops.collect() }
    }

    /// Looks on, stops the works and waits for their ends.
    pub async fn watch(self, span: Duration) -> Result<Vec<Sample>, String> {
        let (start, busy) = (Instant::now(), performance::event_loop_utilization(None));
        let mut samples = Vec::new();
        while start.elapsed() < span {
            time::sleep(LOOK.min(span)).await;
            if let Some((name, _)) = self.loops.iter().find(|(_, work)| work.is_finished()) {
                eprintln!("{name} has ended early");
                break;
            }
            let sample = Sample::now(start.elapsed().as_secs_f64()).map_err(|e| e.to_string())?;
            if samples.len() as u64 % LINE == LINE - 1 {
                let counts = Counts::of(&self.world.runtime).map_err(|e| e.to_string())?;
                let busy = performance::event_loop_utilization(Some(&busy)).utilization;
                let [resident, allocated] =
                    [sample.resident, sample.allocated].map(|bytes| bytes / 1024.0);
                println!(
                    "{:5.0} s: resident {resident:.0} KiB, allocated {allocated:.0} KiB, \
                     loop {:.0} % busy; {counts}",
                    sample.at,
                    100.0 * busy,
                );
            }
            samples.push(sample);
        }
        self.ends.set(true);
        for (name, work) in self.loops {
            let rounds = work.await.map_err(|error| format!("{name}: {error}"))??;
            println!("{name}: {rounds} rounds");
        }
        Ok(samples)
    }
}

async fn repeat(
    work: Work,
    world: Rc<World>,
    load: f64,
    ends: Rc<Cell<bool>>,
) -> Result<u64, String> {
    let mut rounds = 0;
    while !ends.get() {
        work.once(&world).await?;
        rounds += 1;
        time::sleep(work.pause.div_f64(load)).await;
    }
    Ok(rounds)
}

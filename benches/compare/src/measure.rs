//! Interleaved rounds, medians and minima.

use crate::columns::Column;
use crate::goals::{Figure, Figures};
use crate::rows::Row;
use crate::scripts::{Engine, Session};
use lunation_workloads::Work;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Rounds of a row, at most.
    pub rounds: usize,
    /// A row that takes longer gets fewer rounds, but three.
    pub budget: Duration,
}

/// Runs all columns of a row in turn, again and again, after one round that is not counted: noise
/// hits them alike.
pub fn time(row: &Row, effort: Effort, engines: &[Engine]) -> Result<Figures, String> {
    let mut sessions = if row.script.is_some() { Session::start_all(engines)? } else { Vec::new() };
    let mut samples: BTreeMap<Column, Vec<f64>> = BTreeMap::new();
    let mut rounds = effort.rounds.min(1);
    let mut round = 0;
    while round <= rounds {
        let start = Instant::now();
        for (column, elapsed) in one_round(row, &mut sessions)? {
            let nanos = elapsed.as_nanos() as f64 / row.own.load.ops as f64;
            if round > 0 {
                samples.entry(column).or_default().push(nanos);
            }
        }
        if round == 0 {
            rounds = rounds_within(effort, start.elapsed());
        }
        round += 1;
    }
    Ok(samples.into_iter().filter_map(|(column, s)| Some((column, figure(&s)?))).collect())
}

fn rounds_within(effort: Effort, first: Duration) -> usize {
    let affordable = effort.budget.as_secs_f64() / first.as_secs_f64();
    effort.rounds.min((affordable as usize).max(3))
}

fn one_round(row: &Row, sessions: &mut [Session]) -> Result<Vec<(Column, Duration)>, String> {
    let load = row.own.load;
    let run = |(column, work): &(Column, Work)| (*column, work(load));
    let own = [(Column::Lunation, row.own.work)];
    let mut done: Vec<_> = own.iter().chain(&row.peers).map(run).collect();
    let Some(script) = row.script else { return Ok(done) };
    for session in sessions {
        done.extend(session.run(script, load)?.map(|elapsed| (session.column, elapsed)));
    }
    Ok(done)
}

/// Median and least.
pub fn figure(samples: &[f64]) -> Option<Figure> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Figure { median: *sorted.get(sorted.len() / 2)?, least: *sorted.first()? })
}

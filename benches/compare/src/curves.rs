//! How the time of an operation grows with what it is done among.

use crate::columns::Column;
use crate::measure::figure;
use crate::own_ways::{locals, run_tokio, with_tokio};
use crate::peers::*;
use crate::scripts::{Engine, Session};
use lunation_workloads::contexts::{guards, run_existing, run_new, scopes, with};
use lunation_workloads::tasks::yields;
use lunation_workloads::timers::{fire, look, rearm, sleeps_among};
use lunation_workloads::{Load, Work};
use std::time::Duration;

/// What a plot shows, and where it is.
pub struct Axes {
    pub title: &'static str,
    /// Of the plot, without its ending.
    pub file: &'static str,
    pub axis: &'static str,
}

/// A family of curves: one plot.
pub struct Curve {
    pub axes: Axes,
    pub sizes: &'static [u64],
    /// How much is done at a size.
    load: fn(u64) -> Load,
    series: Vec<(Series, Source)>,
}

/// One line of a plot.
#[derive(Clone)]
pub struct Series {
    pub column: Column,
    /// What it does, if that is not what the title says.
    pub what: &'static str,
    /// How much lunation may grow from the first size to the last.
    pub growth: Option<f64>,
}

impl Series {
    /// What the legend says.
    pub fn name(&self) -> String {
        let name = self.column.name();
        if self.what.is_empty() { name.to_owned() } else { format!("{name}: {}", self.what) }
    }
}

enum Source {
    Work(Work),
    Script(&'static str),
}

/// A measured series: nanoseconds, by size.
pub struct Line {
    pub series: Series,
    pub points: Vec<(u64, f64)>,
}

const MANY: &[u64] = &[1, 10, 100, 1000, 10_000, 100_000, 1_000_000];
const TIMERS: &[u64] = &[1000, 10_000, 100_000, 1_000_000];
const STORES: &[u64] = &[1, 4, 16, 64];

fn ours(what: &'static str, growth: f64, work: Work) -> (Series, Source) {
    let series = Series { column: Column::Lunation, what, growth: Some(growth) };
    (series, Source::Work(work))
}

fn peer(column: Column, what: &'static str, work: Work) -> (Series, Source) {
    (Series { column, what, growth: None }, Source::Work(work))
}

fn node(what: &'static str, script: &'static str) -> (Series, Source) {
    (Series { column: Column::Node, what, growth: None }, Source::Script(script))
}

/// At least so many operations, and two of each thing.
fn each_twice(size: u64) -> Load {
    Load { ops: size * 100_000_u64.div_ceil(size).max(2), size }
}

fn fixed(size: u64) -> Load {
    Load { ops: 50_000, size }
}

/// The sleeps themselves are the operations.
fn all_of_them(size: u64) -> Load {
    Load { ops: size, size: 1 }
}

/// All curves. The allowed growth is what prototypes of the same structures showed, doubled where
/// the last size does not fit into the caches.
pub fn all() -> Vec<Curve> {
    [task_and_timer_curves(), context_curves()].into_iter().flatten().collect()
}

fn task_and_timer_curves() -> Vec<Curve> {
    vec![
        Curve {
            axes: Axes { title: "Yield among tasks", file: "tasks", axis: "tasks" },
            sizes: MANY,
            load: each_twice,
            series: vec![
                ours("", 6.0, yields::<Lunation>),
                peer(Column::TokioRuntime, "", yields::<TokioRuntime>),
                peer(Column::Smol, "", yields::<Smol>),
                peer(Column::Monoio, "", yields::<Monoio>),
            ],
        },
        Curve {
            axes: Axes {
                title: "Sleep made and dropped among pending ones",
                file: "timers-insert",
                axis: "pending sleeps",
            },
            sizes: TIMERS,
            load: fixed,
            series: vec![
                ours("", 2.0, sleeps_among::<Lunation>),
                peer(Column::TokioRuntime, "", sleeps_among::<TokioRuntime>),
                peer(Column::Smol, "", sleeps_among::<Smol>),
                peer(Column::Monoio, "", sleeps_among::<Monoio>),
            ],
        },
        Curve {
            axes: Axes {
                title: "Re-arm of one of the pending sleeps",
                file: "timers-rearm",
                axis: "pending sleeps",
            },
            sizes: TIMERS,
            load: fixed,
            series: vec![
                ours("", 8.3, rearm::<Lunation>),
                peer(Column::Lunation, "a look at it", look),
                peer(Column::TokioRuntime, "", rearm::<TokioRuntime>),
                peer(Column::Smol, "", rearm::<Smol>),
                peer(Column::Monoio, "", rearm::<Monoio>),
            ],
        },
        Curve {
            axes: Axes {
                title: "Sleeps of 1 to 100 ms that all fire, processor time of each",
                file: "timers-fire",
                axis: "sleeps",
            },
            sizes: TIMERS,
            load: all_of_them,
            series: vec![
                ours("", 5.3, fire::<Lunation>),
                peer(Column::TokioRuntime, "", fire::<TokioRuntime>),
                peer(Column::Monoio, "", fire::<Monoio>),
            ],
        },
    ]
}

fn context_curves() -> Vec<Curve> {
    vec![
        Curve {
            axes: Axes { title: "Context among stores", file: "stores", axis: "stores" },
            sizes: STORES,
            load: fixed,
            series: vec![
                ours("with", 1.3, with),
                ours("run, set before", 1.3, run_existing),
                ours("run, new", 7.7, run_new),
                peer(Column::TokioSet, "with", with_tokio),
                peer(Column::TokioSet, "sync_scope", run_tokio),
                node("getStore", "with"),
                node("run, set before", "run_existing"),
            ],
        },
        Curve {
            axes: Axes { title: "Yield under nested context", file: "nesting", axis: "levels" },
            sizes: STORES,
            load: fixed,
            series: vec![
                ours("guards", 1.3, guards),
                ours("scopes", 12.0, scopes),
                peer(Column::TokioSet, "task locals", locals),
                node("nested run", "turns_within"),
            ],
        },
    ]
}

impl Curve {
    /// Measures all series at all sizes up to `largest`, in turn. A point is the least of the
    /// rounds: a curve shall show growth, not what else the machine did.
    pub fn measure(
        &self,
        rounds: usize,
        largest: u64,
        engines: &[Engine],
    ) -> Result<Vec<Line>, String> {
        let mut sessions = Session::start_all(engines)?;
        let mut lines = Vec::new();
        for (series, _) in &self.series {
            lines.push(Line { series: series.clone(), points: Vec::new() });
        }
        for size in self.sizes.iter().copied().filter(|size| *size <= largest) {
            let load = (self.load)(size);
            let mut samples = vec![Vec::new(); self.series.len()];
            for _ in 0..rounds {
                for ((series, source), samples) in self.series.iter().zip(&mut samples) {
                    let elapsed = match source {
                        Source::Work(work) => Some(work(load)),
                        Source::Script(name) => script(&mut sessions, series.column, name, load)?,
                    };
                    samples.extend(elapsed.map(|time| time.as_nanos() as f64 / load.ops as f64));
                }
            }
            for (line, samples) in lines.iter_mut().zip(&samples) {
                line.points.extend(figure(samples).map(|figure| (size, figure.least)));
            }
        }
        lines.retain(|line| !line.points.is_empty());
        Ok(lines)
    }
}

fn script(
    sessions: &mut [Session],
    column: Column,
    name: &str,
    load: Load,
) -> Result<Option<Duration>, String> {
    let session = sessions.iter_mut().find(|session| session.column == column);
    session.map_or(Ok(None), |session| session.run(name, load))
}

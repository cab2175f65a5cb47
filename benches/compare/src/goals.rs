//! The goals of a row: what its time may be, measured against others in the same rounds.

use crate::columns::Column;
use std::collections::BTreeMap;

/// Nanoseconds per operation over all rounds.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub median: f64,
    pub least: f64,
}

/// The figures of one row.
pub type Figures = BTreeMap<Column, Figure>;
/// The figures of all rows so far.
pub type Results = BTreeMap<&'static str, Figures>;

/// What lunation's time is divided by.
#[derive(Clone, Copy)]
pub enum Against {
    /// The fastest way to use tokio.
    Tokio,
    One(Column),
    /// The fastest other Rust runtime.
    BestRust,
    /// The fastest other runtime of all.
    BestOfAll,
    /// Another row of lunation.
    Own(&'static str),
    /// What lunation takes more than in the row named, by what the other one takes more.
    Growth(Column, &'static str),
}

/// A goal: at most so many times what it is measured against.
#[derive(Clone, Copy)]
pub struct Goal {
    pub against: Against,
    pub at_most: f64,
}

/// What became of a goal.
pub struct Verdict {
    pub text: String,
    pub is_met: bool,
}

impl Verdict {
    /// `figure` of `unit` may be at most `goal`.
    pub fn new(figure: f64, goal: f64, decimals: usize, unit: &str) -> Verdict {
        let is_met = figure <= goal;
        let sign = if is_met { "met" } else { "**missed**" };
        Verdict { text: format!("{sign}: {figure:.decimals$} {unit} (<= {goal})"), is_met }
    }
}

impl Goal {
    /// Judges the medians. `None` if what it is measured against did not run.
    pub fn judge(&self, figures: &Figures, results: &Results) -> Option<Verdict> {
        let ours = figures.get(&Column::Lunation)?.median;
        let (ratio, name) = match self.against {
            Against::Own(row) => {
                let base = results.get(row)?.get(&Column::Lunation)?.median;
                (ours / base, format!("\"{row}\""))
            }
            Against::Growth(column, row) => {
                let base = results.get(row)?;
                let growth = |of: Column| Some(figures.get(&of)?.median - base.get(&of)?.median);
                let ratio = growth(Column::Lunation)? / growth(column)?;
                (ratio, format!("{}'s growth over \"{row}\"", column.name()))
            }
            against => {
                let takes_part = |column: Column| match against {
                    Against::Tokio => column.is_tokio(),
                    Against::One(one) => column == one,
                    Against::BestRust => column != Column::Lunation && !column.is_scripted(),
                    _ => column != Column::Lunation,
                };
                let others = figures.iter().filter(|(column, _)| takes_part(**column));
                let best = others.min_by(|a, b| a.1.median.total_cmp(&b.1.median))?;
                (ours / best.1.median, best.0.name().to_owned())
            }
        };
        let decimals = if ratio < 0.1 { 3 } else { 2 };
        Some(Verdict::new(ratio, self.at_most, decimals, &format!("x {name}")))
    }
}

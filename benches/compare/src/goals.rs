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
    /// Judges the medians, and says what the least are. `None` if what it is measured against did
    /// not run.
    pub fn judge(&self, figures: &Figures, results: &Results) -> Option<Verdict> {
        let (ratio, name) = self.ratio(|figure| figure.median, figures, results)?;
        let (least, _) = self.ratio(|figure| figure.least, figures, results)?;
        let decimals = if ratio < 0.1 { 3 } else { 2 };
        let unit = format!("x {name}, {least:.decimals$} by the least");
        Some(Verdict::new(ratio, self.at_most, decimals, &unit))
    }

    /// What is judged, and what it is measured against.
    fn ratio(
        &self,
        time: impl Fn(&Figure) -> f64,
        figures: &Figures,
        results: &Results,
    ) -> Option<(f64, String)> {
        let time = |figures: &Figures, of: Column| figures.get(&of).map(&time);
        let ours = time(figures, Column::Lunation)?;
        Some(match self.against {
            Against::Own(row) => {
                (ours / time(results.get(row)?, Column::Lunation)?, format!("\"{row}\""))
            }
            Against::Growth(column, row) => {
                let base = results.get(row)?;
                let growth = |of| Some(time(figures, of)? - time(base, of)?);
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
                let others = figures.keys().copied().filter(|column| takes_part(*column));
                let times = others.filter_map(|column| Some((time(figures, column)?, column)));
                let (best, column) = times.min_by(|a, b| a.0.total_cmp(&b.0))?;
                (ours / best, column.name().to_owned())
            }
        })
    }
}

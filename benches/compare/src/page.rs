//! The page of results, in Markdown.

use crate::columns::Column;
use crate::curves::{Axes, Line};
use crate::goals::{Figures, Results, Verdict};
use crate::rows::{Group, Row};
use crate::scripts::Engine;
use lunation_workloads::callgrind::{self, Counts};
use std::fmt::Write;
use std::process::Command;

/// Everything that is shown.
#[derive(Default)]
pub struct Page {
    body: String,
    met: usize,
    missed: Vec<String>,
}

impl Page {
    fn judge(&mut self, name: &str, verdict: &Verdict) {
        if verdict.is_met {
            self.met += 1;
        } else {
            self.missed.push(format!("- {name}: {}", verdict.text.replace("**missed**: ", "")));
        }
    }

    /// A section of its own making, with what became of its goals.
    pub fn section(&mut self, title: &str, text: &str, verdicts: &[(String, Verdict)]) {
        let _ = write!(self.body, "\n## {title}\n\n{text}");
        for (name, verdict) in verdicts {
            self.judge(name, verdict);
        }
    }

    /// A table of rows: the columns that have a figure in it.
    pub fn group(&mut self, group: &Group, rows: &[&Row], results: &Results, counts: &Counts) {
        let has_any =
            |column: &Column| rows.iter().any(|row| results[row.own.name].contains_key(column));
        let columns: Vec<Column> = Column::ALL.into_iter().filter(has_any).collect();
        let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
        let mut text = String::new();
        if let Some((row, file)) = group.plot {
            let _ = writeln!(text, "![{row}](plots/{file}.svg)\n");
        }
        let _ = writeln!(text, "| ns | {} | ins | goals |", names.join(" | "));
        let _ = writeln!(text, "|---|{}---|", "---:|".repeat(columns.len() + 1));
        for row in rows {
            let name = row.own.name;
            let figures = &results[name];
            let verdicts = verdicts(row, figures, results, counts);
            let cells: Vec<String> = columns.iter().map(|column| cell(figures, *column)).collect();
            let count = counts.get(name).map_or("-".to_owned(), |count| format!("{count:.0}"));
            let goals: Vec<&str> = verdicts.iter().map(|verdict| verdict.text.as_str()).collect();
            let (cells, goals) = (cells.join(" | "), goals.join("; "));
            let _ = writeln!(text, "| {name} | {cells} | {count} | {goals} |");
            verdicts.iter().for_each(|verdict| self.judge(name, verdict));
        }
        self.section(group.title, &text, &[]);
    }

    /// The figures of curves, with the plot beside them.
    pub fn curve(&mut self, axes: &Axes, lines: &[Line]) {
        let sizes: Vec<u64> = lines
            .first()
            .map_or(Vec::new(), |line| line.points.iter().map(|point| point.0).collect());
        let heads: Vec<String> = sizes.iter().map(u64::to_string).collect();
        let mut text = format!("![{}](plots/{}.svg)\n\n", axes.title, axes.file);
        let _ = writeln!(text, "| ns at so many {} | {} | growth |", axes.axis, heads.join(" | "));
        let _ = writeln!(text, "|---|{}---|", "---:|".repeat(sizes.len()));
        for line in lines {
            let cells: Vec<String> = line.points.iter().map(|p| format!("{:.1}", p.1)).collect();
            let name = line.series.name();
            let growth = match (line.points.first(), line.points.last()) {
                (Some(first), Some(last)) => last.1 / first.1,
                _ => 1.0,
            };
            let verdict = line.series.growth.map(|goal| Verdict::new(growth, goal, 1, "times"));
            let shown = verdict.as_ref().map_or(format!("{growth:.1} times"), |v| v.text.clone());
            let _ = writeln!(text, "| {name} | {} | {shown} |", cells.join(" | "));
            if let Some(verdict) = verdict {
                self.judge(&format!("{}, {name}", axes.title), &verdict);
            }
        }
        self.section(axes.title, &text, &[]);
    }

    /// The whole page.
    pub fn finish(self, engines: &[Engine], rounds: usize) -> String {
        let mut text = String::from("# Results\n\n");
        let _ = writeln!(
            text,
            "Written by `compare`; [README.md](README.md) says how to read and repeat it.\n"
        );
        let _ = writeln!(text, "- {}; up to {rounds} interleaved rounds.", date());
        let _ = writeln!(text, "- {}", machine());
        let _ = writeln!(text, "- {}", versions(engines));
        let all = self.met + self.missed.len();
        let _ = writeln!(text, "\n{} of {all} goals are met. Missed:\n", self.met);
        let missed = if self.missed.is_empty() { "none".into() } else { self.missed.join("\n") };
        let _ = writeln!(text, "{missed}");
        text + &self.body
    }
}

fn cell(figures: &Figures, column: Column) -> String {
    let figure = figures.get(&column);
    figure.map_or("-".to_owned(), |figure| format!("{:.1} ({:.1})", figure.median, figure.least))
}

fn verdicts(row: &Row, figures: &Figures, results: &Results, counts: &Counts) -> Vec<Verdict> {
    let times = row.goals.iter().filter_map(|goal| goal.judge(figures, results));
    let count = counts.get(row.own.name);
    let goal = callgrind::goal(&row.own, counts);
    let judge = |(count, goal): (&f64, f64)| Verdict::new(*count, goal, 0, "ins");
    times.chain(count.zip(goal).map(judge)).collect()
}

// ---- where and when ----

fn first_line_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
}

fn date() -> String {
    first_line_of("date", &["-u", "+%-d %B %Y"])
}

fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpus.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(": ").nth(1)).unwrap_or("?").to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (name, family, model) = (field("model name"), field("cpu family"), field("model\t"));
    let kernel = first_line_of("uname", &["-srm"]);
    format!("{cores} cores of {name} (family {family}, model {model}), {kernel}.")
}

/// The peers as the lock file has them, the engines as they say.
fn versions(engines: &[Engine]) -> String {
    let lock = include_str!("../Cargo.lock");
    let locked = |package: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
        Some(format!("{package} {}", rest.split('"').next()?))
    };
    let packages = "lunation tokio smol async-executor futures-executor monoio compio runite hyper";
    let rust = packages.split(' ').filter_map(locked);
    let scripted = engines.iter().map(|e| format!("{} {}", e.column.name(), e.version));
    let all: Vec<String> = rust.chain(scripted).collect();
    format!("{}, fat LTO; {}.", first_line_of("rustc", &["--version"]), all.join(", "))
}

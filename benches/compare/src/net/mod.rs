//! The network: servers in processes of their own, one load generator for all. What is compared is
//! the servers' CPU time (the scheduler's own count), their instructions (callgrind), system calls
//! (strace) and memory, never throughput, which on a busy machine says more about the neighbours.

mod echo;
mod http;
mod idle;
mod load;
mod rows;
mod server;
mod tools;

use crate::curves::{Axes, Line, Series};
use crate::goals::{Figure, Verdict};
use crate::measure::figure;
use crate::page::Page;
use crate::{Options, plot_curve};
use load::Load;
use lunation_workloads::callgrind;
use rows::{Goal, Group, Row};
use server::Server;
pub use server::serve_once;
use std::error::Error;
use std::io;

/// What was measured of a row, by columns. Nothing where the tool is missing.
struct Measured {
    cpu: Vec<Option<Figure>>,
    instructions: Vec<f64>,
    calls: Vec<f64>,
}

/// Adds the tables and the curve to the page.
pub fn measure(options: &Options, page: &mut Page) -> Result<(), Box<dyn Error>> {
    raise_descriptor_limit();
    for group in rows::groups() {
        let wanted = |row: &&Row| options.wants(&format!("{}: {}", group.title, row.name));
        let rows: Vec<&Row> = group.rows.iter().filter(wanted).collect();
        if !rows.is_empty() {
            measure_group(&group, &rows, options, page)?;
        }
    }
    let group = rows::echo_by_connections();
    if options.wants(group.title) {
        measure_curve(&group, options, page)?;
    }
    if options.wants("Idle connections") {
        eprintln!("Idle connections");
        let (table, verdicts) = idle::table()?;
        page.section("Idle connections", &table, &verdicts);
    }
    Ok(())
}

fn measure_group(
    group: &Group,
    rows: &[&Row],
    options: &Options,
    page: &mut Page,
) -> io::Result<()> {
    let titles: Vec<&str> = group.columns.iter().map(|(title, _)| *title).collect();
    let mut text = format!("| of a request | {} | goals |\n", titles.join(" | "));
    text += &format!("|---|{}---|\n", "---:|".repeat(titles.len()));
    let mut verdicts = Vec::new();
    for row in rows {
        eprintln!("{}: {}", group.title, row.name);
        let measured = measure_row(group, row, options)?;
        let judged: Vec<Verdict> =
            row.goals.iter().filter_map(|goal| goal.judge(group, &measured)).collect();
        let mut goals = judged.iter().map(|verdict| verdict.text.as_str()).collect::<Vec<_>>();
        for (what, cells) in measured.lines() {
            // All beside the first line: they are the row's.
            let shown = std::mem::take(&mut goals).join("; ");
            text += &format!("| {}: {what} | {} | {shown} |\n", row.name, cells.join(" | "));
        }
        let name = format!("{}, {}", group.title, row.name);
        verdicts.extend(judged.into_iter().map(|verdict| (name.clone(), verdict)));
    }
    page.section(group.title, &text, &verdicts);
    Ok(())
}

fn measure_row(group: &Group, row: &Row, options: &Options) -> io::Result<Measured> {
    let each = |wanted: bool, count: fn(&str, &Row) -> io::Result<f64>| -> io::Result<Vec<f64>> {
        let columns = group.columns.iter().filter(|_| wanted);
        columns.map(|(_, name)| count(name, row)).collect()
    };
    let calls = options.callgrind && callgrind::can_run("strace");
    Ok(Measured {
        cpu: cpu_time(group, row, options.effort.rounds)?,
        instructions: each(options.callgrind, tools::instructions)?,
        calls: each(calls, tools::system_calls)?,
    })
}

impl Measured {
    /// The lines of the table: what they tell, and the cells.
    fn lines(&self) -> Vec<(&'static str, Vec<String>)> {
        let time = |figure: &Option<Figure>| match figure {
            Some(figure) => format!("{:.0} ({:.0})", figure.median, figure.least),
            None => "-".to_owned(),
        };
        let lines = [
            ("CPU ns", self.cpu.iter().map(time).collect::<Vec<_>>()),
            ("instructions", self.instructions.iter().map(|n| format!("{n:.0}")).collect()),
            ("system calls", self.calls.iter().map(|n| format!("{n:.2}")).collect()),
        ];
        lines.into_iter().filter(|line| !line.1.is_empty()).collect()
    }
}

impl Goal {
    /// `None` if it was not measured.
    fn judge(&self, group: &Group, measured: &Measured) -> Option<Verdict> {
        let cpu = |place: usize| measured.cpu.get(place).copied().flatten();
        let instructions = |place: usize| measured.instructions.get(place).copied();
        let times = |ratio: f64, at_most: f64, what: &str, title: &str| {
            Verdict::new(ratio, at_most, 3, &format!("x the {what} of {title}"))
        };
        Some(match *self {
            Goal::Least(title, at_most) => {
                let ratio = cpu(0)?.least / cpu(group.place(title)?)?.least;
                times(ratio, at_most, "least CPU time", title)
            }
            Goal::Median(title, at_most) => {
                let ratio = cpu(0)?.median / cpu(group.place(title)?)?.median;
                times(ratio, at_most, "CPU time", title)
            }
            Goal::Instructions(at_most) => Verdict::new(instructions(0)?, at_most, 0, "ins"),
            Goal::InstructionsOf(title, at_most) => {
                let ratio = instructions(0)? / instructions(group.place(title)?)?;
                times(ratio, at_most, "instructions", title)
            }
            Goal::MoreInstructions(title, at_most) => {
                let more = instructions(0)? - instructions(group.place(title)?)?;
                Verdict::new(more.round(), at_most, 0, &format!("ins more than {title}"))
            }
            Goal::Calls(at_most) => {
                let calls = *measured.calls.first()?;
                Verdict::new(calls, at_most, 2, "system calls")
            }
        })
    }
}

/// CPU time and instructions of a message on ever more connections.
fn measure_curve(group: &Group, options: &Options, page: &mut Page) -> Result<(), Box<dyn Error>> {
    let series = |column| Series {
        column,
        what: "",
        growth: (column == rows::LINES[0]).then_some(rows::GROWTH),
    };
    let mut lines: Vec<Line> =
        rows::LINES.map(|column| Line { series: series(column), points: Vec::new() }).into();
    for row in &group.rows {
        eprintln!("{}: {}", group.title, row.name);
        let figures = cpu_time(group, row, options.effort.rounds.min(5))?;
        for (line, figure) in lines.iter_mut().zip(figures) {
            let point = figure.map(|figure| (row.connections as u64, figure.least));
            line.points.extend(point);
        }
    }
    let axes = Axes { title: group.title, file: "connections", axis: "connections" };
    plot_curve(options, &axes, &lines)?;
    page.curve(&axes, &lines);
    Ok(())
}

/// Nanoseconds of the servers' CPU time per request, in rounds in which all take turns.
fn cpu_time(group: &Group, row: &Row, rounds: usize) -> io::Result<Vec<Option<Figure>>> {
    let mut runs = Vec::new();
    for (_, name) in group.columns {
        let server = Server::start(name, &[])?;
        let load = Load::open(server.address, row.connections, row.request.clone())?;
        runs.push((server, load, Vec::new()));
    }
    for round in 0..=rounds {
        for (server, load, samples) in &mut runs {
            let before = server.cpu_nanos()?;
            load.run(row.count)?;
            let nanos = (server.cpu_nanos()? - before) as f64 / row.count as f64;
            // One round that is not counted.
            if round > 0 {
                samples.push(nanos);
            }
        }
    }
    Ok(runs.into_iter().map(|(_, _, samples)| figure(&samples)).collect())
}

/// tokio's current-thread runtime, with time and I/O.
fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a tokio runtime")
}

/// monoio on epoll: io_uring is not everywhere, and would not be the same work.
fn monoio_runtime() -> monoio::Runtime<monoio::time::TimeDriver<monoio::LegacyDriver>> {
    let builder = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().enable_timer();
    builder.build().expect("a monoio runtime")
}

/// Thousands of connections need as many descriptors, in both processes: here for all servers that
/// are compared at once.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let more = maximum.map(|maximum| maximum.max(32_768));
    // Only root may raise the maximum. What cannot be raised shows itself when a connection cannot
    // be opened.
    let _ = [more, maximum].into_iter().any(|limit| {
        setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).is_ok()
    });
}

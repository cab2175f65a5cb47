//! The network rows: servers in processes of their own, one load generator for all.
//!
//! `cargo bench --manifest-path benches/compare/Cargo.toml --bench net -- [FILTER..] [--rounds N]
//! [--no-tools]`. What is compared is the servers' CPU
//! time (the scheduler's own count), their instructions (callgrind), system calls (strace) and
//! memory, never throughput, which on a busy machine says more about the neighbours.

mod echo;
mod http;
mod load;

use load::Load;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The argument by which the benchmark calls itself to be a server.
const SERVE: &str = "--serve";
const USAGE: &str = "usage: net [FILTER..] [--rounds N] [--no-tools]";

/// A group of rows with the same servers.
struct Group {
    name: &'static str,
    /// Column titles, and the names by which [`server`] knows them.
    columns: &'static [(&'static str, &'static str)],
    rows: Vec<Row>,
}

struct Row {
    name: String,
    connections: usize,
    request: Vec<u8>,
    /// Requests per round.
    count: u64,
}

fn server(name: &str) -> Option<fn(TcpListener) -> io::Result<()>> {
    Some(match name {
        "echo-lunation" => echo::lunation,
        "echo-raw" => echo::raw,
        "echo-tokio" => echo::tokio,
        "echo-monoio" => echo::monoio,
        "idle-lunation" => echo::lunation_idle,
        "idle-tokio" => echo::tokio_idle,
        "http-lunation" => http::lunation,
        "http-plain" => http::lunation_plain,
        "http-context" => http::lunation_context,
        "http-bare" => http::lunation_bare,
        "http-bare-untimed" => http::lunation_untimed,
        "http-tokio" => http::tokio,
        "http-tokio-untimed" => http::tokio_untimed,
        "http-monoio" => http::monoio,
        "http-monoio-untimed" => http::monoio_untimed,
        _ => return None,
    })
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

const ECHO: &[(&str, &str)] = &[
    ("lunation", "echo-lunation"),
    ("raw epoll", "echo-raw"),
    ("tokio", "echo-tokio"),
    ("monoio", "echo-monoio"),
];
const HTTP: &[(&str, &str)] = &[
    ("lunation http::serve", "http-lunation"),
    ("hyper on lunation", "http-bare"),
    ("hyper on tokio", "http-tokio"),
    ("hyper on monoio", "http-monoio"),
];
const HTTP_UNTIMED: &[(&str, &str)] = &[
    ("hyper on lunation", "http-bare-untimed"),
    ("hyper on tokio", "http-tokio-untimed"),
    ("hyper on monoio", "http-monoio-untimed"),
];
const CONTEXT: &[(&str, &str)] = &[("without", "http-plain"), ("with", "http-context")];
const IDLE: &[(&str, &str)] = &[
    ("lunation, buffer kept", "echo-lunation"),
    ("lunation, readable first", "idle-lunation"),
    ("tokio, buffer kept", "echo-tokio"),
    ("tokio, readable first", "idle-tokio"),
    ("monoio", "echo-monoio"),
    ("http::serve", "http-lunation"),
    ("hyper on tokio", "http-tokio"),
];

fn echo_row(connections: usize, size: usize) -> Row {
    let unit = if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) };
    let name = format!("echo {unit}, {connections} connections");
    let count = if size < 1024 { 20_000 } else { 10_000 };
    Row { name, connections, request: vec![b'x'; size], count }
}

fn http_row(name: &str, request: String) -> Row {
    Row { name: name.to_owned(), connections: 50, request: request.into_bytes(), count: 10_000 }
}

fn get() -> String {
    "GET /greeting HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".to_owned()
}

fn post() -> String {
    let body = "x".repeat(99) + "\n";
    format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{body}")
}

fn groups() -> Vec<Group> {
    // Of those of 16 KiB each fills the server's buffer, so that nothing tells it to be the last.
    let sizes = [64, 15 * 1024, 16 * 1024].map(|size| [(50, size), (500, size)]);
    // Four servers, of which the load generator opens all connections: 20000 descriptors is a usual
    // limit.
    let curve = [1, 10, 100, 1000, 4900];
    vec![
        Group {
            name: "TCP echo",
            columns: ECHO,
            rows: sizes.concat().into_iter().map(|(many, size)| echo_row(many, size)).collect(),
        },
        Group {
            name: "TCP echo by connections",
            columns: ECHO,
            rows: curve.map(|connections| echo_row(connections, 63)).into(),
        },
        Group {
            name: "HTTP/1.1, keep-alive",
            columns: HTTP,
            rows: vec![http_row("GET", get()), http_row("POST 100 B", post())],
        },
        Group {
            name: "HTTP/1.1, keep-alive, no time limits",
            columns: HTTP_UNTIMED,
            rows: vec![http_row("GET", get()), http_row("POST 100 B", post())],
        },
        Group {
            name: "Context of a request",
            columns: CONTEXT,
            rows: vec![http_row("GET, id read after an await", get())],
        },
    ]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [serve_as, name] = arguments.as_slice()
        && serve_as == SERVE
    {
        return serve(name).expect("the server goes on");
    }
    match Options::parse(arguments.into_iter()) {
        Ok(options) => compare(&options).expect("all servers answer"),
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            std::process::exit(2);
        }
    }
}

/// What the command line asks for.
struct Options {
    /// Only rows whose names contain one of these; all if there is none.
    filters: Vec<String>,
    rounds: usize,
    /// Count instructions and system calls too, if valgrind and strace are there.
    tools: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { filters: Vec::new(), rounds: 15, tools: true };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--no-tools" => options.tools = false,
                "--rounds" => {
                    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                    options.rounds = rounds.ok_or("--rounds needs a number")?;
                }
                other if other.starts_with('-') => return Err(format!("unknown: {other}")),
                filter => options.filters.push(filter.to_owned()),
            }
        }
        Ok(options)
    }
}

/// Serves until told to end.
fn serve(name: &str) -> io::Result<()> {
    let server = server(name).ok_or_else(|| io::Error::other(format!("no such server: {name}")))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    // As many as one run opens: a full queue costs a connection a second.
    rustix::net::listen(&listener, 5000)?;
    println!("{} {}", listener.local_addr()?, std::process::id());
    // A benchmark that is broken off leaves no server behind.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    server(listener)
}

fn compare(options: &Options) -> io::Result<()> {
    raise_descriptor_limit();
    let wanted = |name: &str| {
        options.filters.is_empty() || options.filters.iter().any(|filter| name.contains(filter))
    };
    for group in groups() {
        let rows: Vec<&Row> = group
            .rows
            .iter()
            .filter(|row| wanted(&format!("{}: {}", group.name, row.name)))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let titles: Vec<&str> = group.columns.iter().map(|(title, _)| *title).collect();
        println!("\n| {} | {} |", group.name, titles.join(" | "));
        println!("|---|{}", "---:|".repeat(titles.len()));
        for row in rows {
            compare_row(&group, row, options)?;
        }
    }
    if wanted("idle connection") {
        idle()?;
    }
    Ok(())
}

fn compare_row(group: &Group, row: &Row, options: &Options) -> io::Result<()> {
    let print = |what: &str, cells: Vec<String>| {
        println!("| {}: {what} | {} |", row.name, cells.join(" | "));
    };
    if options.rounds > 0 {
        let cells = cpu_time(group, row, options.rounds)?.into_iter().map(|samples| {
            let (median, least) = median_and_minimum(&samples).unwrap_or_default();
            format!("{median:.0} ({least:.0})")
        });
        print("CPU ns", cells.collect());
    }
    let each = |count: fn(&str, &Row) -> io::Result<f64>| -> io::Result<Vec<f64>> {
        group.columns.iter().map(|(_, name)| count(name, row)).collect()
    };
    if options.tools && has("valgrind") {
        let counts = each(instructions)?;
        print("instructions", counts.iter().map(|count| format!("{count:.0}")).collect());
    }
    if options.tools && has("strace") {
        let counts = each(system_calls)?;
        print("system calls", counts.iter().map(|count| format!("{count:.2}")).collect());
    }
    Ok(())
}

/// Nanoseconds of the server's CPU time per request, in rounds in which all servers take turns.
fn cpu_time(group: &Group, row: &Row, rounds: usize) -> io::Result<Vec<Vec<f64>>> {
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
            if round > 0 {
                samples.push(nanos);
            }
        }
    }
    Ok(runs.into_iter().map(|(_, _, samples)| samples).collect())
}

/// The server's instructions per request: those of a run of 2N requests less those of one of N.
fn instructions(name: &str, row: &Row) -> io::Result<f64> {
    let run = |rounds| {
        let file = temporary("callgrind");
        let output = format!("--callgrind-out-file={}", file.display());
        run_under(&["valgrind", "-q", "--tool=callgrind", &output], name, row, rounds)?;
        let total = total(&file).ok_or_else(|| io::Error::other("callgrind counted nothing"))?;
        std::fs::remove_file(&file)?;
        Ok(total as f64)
    };
    difference(run, row)
}

/// The server's system calls per request, counted likewise.
fn system_calls(name: &str, row: &Row) -> io::Result<f64> {
    let run = |rounds| {
        let file = temporary("strace");
        let output = file.display().to_string();
        run_under(&["strace", "-f", "-c", "-o", &output], name, row, rounds)?;
        let text = std::fs::read_to_string(&file)?;
        std::fs::remove_file(&file)?;
        let total = text.lines().find(|line| line.ends_with("total"));
        let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
        calls.ok_or_else(|| io::Error::other("strace counted nothing"))
    };
    difference(run, row)
}

/// `run` gets a number of rounds, in each of which every connection has one request.
fn difference(run: impl Fn(u64) -> io::Result<f64>, row: &Row) -> io::Result<f64> {
    let connections = row.connections as u64;
    let rounds = 4.max(2000 / connections);
    Ok((run(2 * rounds)? - run(rounds)?) / (rounds * connections) as f64)
}

/// A whole life of a server under a tool.
fn run_under(tool: &[&str], name: &str, row: &Row, rounds: u64) -> io::Result<()> {
    let mut server = Server::start(name, tool)?;
    let mut load = Load::open(server.address, row.connections, row.request.clone())?;
    load.run(500)?;
    load.run_in_step(rounds, |paused| server.pause(paused))?;
    server.end()
}

fn temporary(tool: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lunation-compare-{}.{tool}", std::process::id()))
}

/// Whether a tool can be run.
fn has(tool: &str) -> bool {
    let mut version = Command::new(tool);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// The instructions that a file of callgrind's tells of.
fn total(file: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// The middle of the samples, and the least.
fn median_and_minimum(samples: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((*sorted.get(sorted.len() / 2)?, *sorted.first()?))
}

/// What a connection costs that has not sent a byte, and one that waits for its next request.
fn idle() -> io::Result<()> {
    const FIRST: usize = 1000;
    const MORE: usize = 4000;
    println!("\n| bytes per idle connection | nothing sent yet | after a request |");
    println!("|---|---:|---:|");
    for (title, name) in IDLE {
        let request = if name.starts_with("http") { get().into_bytes() } else { vec![b'x'; 64] };
        let mut cells = Vec::new();
        for silent in [true, false] {
            let server = Server::start(name, &[])?;
            let open = |connections| -> io::Result<Load> {
                // The server has accepted them all once it has answered the last.
                let request = if silent { Vec::new() } else { request.clone() };
                let mut load = Load::open(server.address, connections, request)?;
                if !silent {
                    load.run(4 * connections as u64)?;
                }
                Load::open(server.address, 1, get_or(name))?.run(10)?;
                Ok(load)
            };
            let _first = open(FIRST)?;
            let before = server.resident_bytes()?;
            let _more = open(MORE)?;
            let grown = server.resident_bytes()?.saturating_sub(before);
            cells.push(format!("{}", grown / MORE as u64));
        }
        println!("| {title} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn get_or(name: &str) -> Vec<u8> {
    if name.starts_with("http") { get().into_bytes() } else { vec![b'x'; 64] }
}

/// A server process, which ends at the latest when this is dropped.
struct Server {
    /// Itself, or the tool that it runs under.
    child: Child,
    process: Pid,
    /// What it is told to end with.
    end: &'static [u8],
    address: SocketAddr,
}

impl Server {
    fn start(name: &str, tool: &[&str]) -> io::Result<Server> {
        let this = std::env::current_exe()?;
        let mut command = match tool {
            [] => Command::new(this),
            [tool, options @ ..] => {
                let mut command = Command::new(tool);
                command.args(options).arg(this);
                command
            }
        };
        command.args([SERVE, name]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        BufReader::new(output).read_line(&mut line)?;
        let not_understood = || io::Error::other(format!("not understood: {line}"));
        let (address, process) = line.trim().split_once(' ').ok_or_else(not_understood)?;
        let address = address.parse().map_err(io::Error::other)?;
        let process = process.parse().ok().and_then(Pid::from_raw).ok_or_else(not_understood)?;
        let is_http = name.starts_with("http");
        let end = if is_http { http::END.as_bytes() } else { &[echo::END] };
        Ok(Server { child, process, end, address })
    }

    /// Stops it until it is told to go on.
    fn pause(&self, paused: bool) -> io::Result<()> {
        let signal = if paused { Signal::STOP } else { Signal::CONT };
        kill_process(self.process, signal)?;
        let status = format!("/proc/{}/stat", self.process.as_raw_nonzero());
        while paused && !is_stopped(&std::fs::read_to_string(&status)?) {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// CPU time of its main thread, which is its only one.
    fn cpu_nanos(&self) -> io::Result<u64> {
        self.first_number("schedstat", 0)
    }

    fn resident_bytes(&self) -> io::Result<u64> {
        Ok(self.first_number("statm", 1)? * rustix::param::page_size() as u64)
    }

    fn first_number(&self, file: &str, place: usize) -> io::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))?;
        let number = text.split_whitespace().nth(place).and_then(|number| number.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("/proc/../{file} is not understood")))
    }

    fn end(&mut self) -> io::Result<()> {
        let mut last = TcpStream::connect(self.address)?;
        last.write_all(self.end)?;
        // hyper drops the request of a client that has gone.
        last.set_read_timeout(Some(Duration::from_secs(10)))?;
        if last.read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.child.kill()?;
        }
        self.child.wait().map(drop)
    }
}

/// Whether the state in `stat` is T, or t under a tool that traces.
fn is_stopped(stat: &str) -> bool {
    let state = stat.rsplit_once(") ").map_or("", |(_, state)| state);
    state.starts_with(['T', 't'])
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has ended already, as it should have.
        if self.end().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
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

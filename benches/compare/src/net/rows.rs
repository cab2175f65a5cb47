//! The rows of the network tables, and their goals.

use crate::columns::Column;

/// Rows with the same servers.
pub struct Group {
    pub title: &'static str,
    /// Titles, and the names by which the servers know themselves.
    pub columns: &'static [(&'static str, &'static str)],
    pub rows: Vec<Row>,
}

impl Group {
    /// The place of a column.
    pub fn place(&self, title: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.0 == title)
    }
}

pub struct Row {
    pub name: String,
    pub connections: usize,
    pub request: Vec<u8>,
    /// Requests per round.
    pub count: u64,
    pub goals: Vec<Goal>,
}

/// What the first column may take.
pub enum Goal {
    /// Least CPU time, at most so many times that of another column.
    Least(&'static str, f64),
    /// Median of the CPU time, likewise.
    Median(&'static str, f64),
    /// Instructions.
    Instructions(f64),
    /// Instructions, at most so many times those of another column.
    InstructionsOf(&'static str, f64),
    /// Instructions, at most so many more than another column.
    MoreInstructions(&'static str, f64),
    /// System calls.
    Calls(f64),
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
const CONTEXT: &[(&str, &str)] = &[("with", "http-context"), ("without", "http-plain")];

/// Servers whose idle connections are weighed, and the goals: bytes of one that has not sent any.
pub const IDLE: &[(&str, &str, Option<f64>)] = &[
    ("lunation, readable first", "idle-lunation", Some(1024.0)),
    ("lunation, buffer kept", "echo-lunation", None),
    ("tokio, readable first", "idle-tokio", None),
    ("tokio, buffer kept", "echo-tokio", None),
    ("monoio", "echo-monoio", None),
    ("lunation http::serve", "http-lunation", Some(1024.0)),
    ("hyper on tokio", "http-tokio", None),
];

/// The sizes of the curve. With four servers the load generator opens four times as many: 20,000
/// descriptors is a usual limit.
pub const CONNECTIONS: [usize; 5] = [1, 10, 100, 1000, 4900];

/// How much CPU time per message may grow over them.
pub const GROWTH: f64 = 1.3;

/// The servers of the curve, as columns of the other plots.
pub const LINES: [Column; 4] =
    [Column::Lunation, Column::RawEpoll, Column::TokioSet, Column::Monoio];

/// Echoes of so many bytes.
fn echo_row(connections: usize, size: usize, goals: Vec<Goal>) -> Row {
    let unit = if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) };
    let name = format!("{unit}, {connections} connections");
    let count = if size < 1024 { 20_000 } else { 10_000 };
    Row { name, connections, request: vec![b'x'; size], count, goals }
}

fn http_row(name: &str, request: String, goals: Vec<Goal>) -> Row {
    let request = request.into_bytes();
    Row { name: name.to_owned(), connections: 50, request, count: 10_000, goals }
}

pub fn get() -> String {
    "GET /greeting HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".to_owned()
}

fn post() -> String {
    let body = "x".repeat(99) + "\n";
    format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{body}")
}

fn echo() -> Group {
    let raw = "raw epoll";
    let small =
        || vec![Goal::Least(raw, 1.05), Goal::MoreInstructions(raw, 250.0), Goal::Calls(2.05)];
    // At 16 KiB each message fills the server's buffer, so that nothing tells it to be the last.
    let sizes = [(64, true), (15 * 1024, false), (16 * 1024, false)];
    let rows = sizes.map(|(size, judged)| {
        [50, 500].map(|many| {
            let goals = if judged { small() } else { vec![Goal::Calls(2.05)] };
            echo_row(many, size, goals)
        })
    });
    Group { title: "TCP echo", columns: ECHO, rows: rows.into_iter().flatten().collect() }
}

/// Echoes on ever more connections.
pub fn echo_by_connections() -> Group {
    let rows = CONNECTIONS.map(|connections| echo_row(connections, 64, Vec::new()));
    Group { title: "TCP echo by connections", columns: ECHO, rows: rows.into() }
}

/// All tables.
pub fn groups() -> Vec<Group> {
    let untimed = |instructions| {
        vec![
            Goal::Median("hyper on tokio", 1.0),
            Goal::InstructionsOf("hyper on monoio", 1.0),
            Goal::Instructions(instructions),
        ]
    };
    let timed = || vec![Goal::Median("hyper on tokio", 1.0)];
    let more = vec![Goal::MoreInstructions("without", 100.0)];
    vec![
        echo(),
        Group {
            title: "HTTP/1.1 with hyper, keep-alive, 50 connections",
            columns: HTTP_UNTIMED,
            rows: vec![
                http_row("GET", get(), untimed(6201.0)),
                http_row("POST 100 B", post(), untimed(9880.0)),
            ],
        },
        Group {
            title: "The same with time limits",
            columns: HTTP,
            rows: vec![http_row("GET", get(), timed()), http_row("POST 100 B", post(), timed())],
        },
        Group {
            title: "Context of a request",
            columns: CONTEXT,
            rows: vec![http_row("GET, id read three calls deep after an await", get(), more)],
        },
    ]
}

//! The JavaScript engines: for each row a process that does what it is told, so that its
//! just-in-time compiler is warm, its heap is not another row's, and its rounds stand between those
//! of the others.

use crate::columns::Column;
use lunation_workloads::Load;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/js/bench.mjs");

/// An engine that takes part.
pub struct Engine {
    pub column: Column,
    /// What it says of itself.
    pub version: String,
    path: String,
}

impl Engine {
    /// Those whose variables are set.
    pub fn find_all() -> Result<Vec<Engine>, String> {
        let set = Column::SCRIPTED.iter().filter_map(|(column, variable)| {
            let path = std::env::var(variable).ok().filter(|path| !path.is_empty())?;
            Some((*column, variable, path))
        });
        set.map(|(column, variable, path)| {
            let version =
                version(&path).map_err(|error| format!("${variable}: {path}: {error}"))?;
            Ok(Engine { column, version, path })
        })
        .collect()
    }
}

fn version(path: &str) -> io::Result<String> {
    let output = Command::new(path).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().find(|word| word.contains('.'));
    Ok(version.unwrap_or("of unknown version").trim_start_matches('v').to_owned())
}

/// A running engine.
pub struct Session {
    pub column: Column,
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Session {
    /// Starts the engines.
    pub fn start_all(engines: &[Engine]) -> Result<Vec<Session>, String> {
        let start =
            |engine| Session::start(engine).map_err(|error| format!("{}: {error}", engine.path));
        engines.iter().map(start).collect()
    }

    fn start(engine: &Engine) -> io::Result<Session> {
        let mut command = Command::new(&engine.path);
        if engine.column == Column::Deno {
            command.args(["run", "--allow-all"]);
        }
        command.arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let orders = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Ok(Session { column: engine.column, process, orders, answers })
    }

    /// Runs a workload. `Ok(None)` if the engine cannot do it.
    pub fn run(&mut self, name: &str, load: Load) -> Result<Option<Duration>, String> {
        self.order(name, load).map_err(|error| format!("{}, {name}: {error}", self.column.name()))
    }

    fn order(&mut self, name: &str, load: Load) -> io::Result<Option<Duration>> {
        writeln!(self.orders, "{name} {} {}", load.ops, load.size)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim() {
            "-" => Ok(None),
            nanos => {
                let nanos = nanos.parse().map_err(|_| io::Error::other(format!("{nanos:?}")))?;
                Ok(Some(Duration::from_nanos(nanos)))
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

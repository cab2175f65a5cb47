//! Instructions and system calls of a server, as valgrind and strace count them.

use super::load::Load;
use super::rows::Row;
use super::server::Server;
use lunation_workloads::callgrind;
use std::io;
use std::path::PathBuf;

/// The server's instructions per request: those of a run of 2N requests less those of one of N.
pub fn instructions(name: &str, row: &Row) -> io::Result<f64> {
    let run = |rounds| {
        let file = temporary("callgrind");
        let output = format!("--callgrind-out-file={}", file.display());
        run_under(&["valgrind", "-q", "--tool=callgrind", &output], name, row, rounds)?;
        let total = callgrind::total(&file);
        let total = total.ok_or_else(|| io::Error::other("callgrind counted nothing"))?;
        std::fs::remove_file(&file)?;
        Ok(total as f64)
    };
    difference(run, row)
}

/// The server's system calls per request, counted likewise.
pub fn system_calls(name: &str, row: &Row) -> io::Result<f64> {
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
    // Some rounds take a turn of the loop more than others: that has to be little of the whole.
    let rounds = 4.max(6000 / connections);
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

//! What an idle connection takes: the growth of the server's resident set.

use super::load::Load;
use super::rows::{IDLE, get};
use super::server::Server;
use crate::goals::Verdict;
use std::io;

/// Connections before those that are counted, so that nothing is made for the first time.
const FIRST: usize = 1000;
const COUNTED: usize = 4000;

/// The table, and what became of the goals.
pub fn table() -> io::Result<(String, Vec<(String, Verdict)>)> {
    let mut text = String::from("| bytes | nothing sent yet | after a request | goal |\n");
    text += "|---|---:|---:|---|\n";
    let mut verdicts = Vec::new();
    for (title, name, goal) in IDLE {
        let (silent, used) = (bytes(name, true)?, bytes(name, false)?);
        let judged = goal.map(|goal| Verdict::new(silent as f64, goal, 0, "bytes"));
        let shown = judged.as_ref().map_or("-", |verdict| &verdict.text);
        text += &format!("| {title} | {silent} | {used} | {shown} |\n");
        verdicts.extend(judged.map(|verdict| (format!("idle connection, {title}"), verdict)));
    }
    Ok((text, verdicts))
}

/// Bytes of a connection that has not sent a byte, or that waits for its next request.
fn bytes(name: &str, silent: bool) -> io::Result<u64> {
    let request = if name.starts_with("http") { get().into_bytes() } else { vec![b'x'; 64] };
    let server = Server::start(name, &[])?;
    let open = |connections| -> io::Result<Load> {
        let first = if silent { Vec::new() } else { request.clone() };
        let mut load = Load::open(server.address, connections, first)?;
        if !silent {
            load.run(4 * connections as u64)?;
        }
        // The server has accepted them all once it has answered the last.
        Load::open(server.address, 1, request.clone())?.run(10)?;
        Ok(load)
    };
    let _first = open(FIRST)?;
    let before = server.resident_bytes()?;
    let _counted = open(COUNTED)?;
    let grown = server.resident_bytes()?.saturating_sub(before);
    Ok(grown / COUNTED as u64)
}

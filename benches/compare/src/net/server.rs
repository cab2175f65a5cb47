//! The servers: the benchmark calls itself to be one, in a process of its own.

use super::{echo, http};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The argument by which the benchmark calls itself.
const SERVE: &str = "--serve";

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

/// If the arguments ask for a server, is one until told to end, and returns true.
pub fn serve_once(arguments: &[String]) -> io::Result<bool> {
    match arguments {
        [serve_as, name] if serve_as == SERVE => serve(name).map(|()| true),
        _ => Ok(false),
    }
}

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

/// A server process, which ends at the latest when this is dropped.
pub struct Server {
    /// Itself, or the tool that it runs under.
    child: Child,
    process: Pid,
    /// What it is told to end with.
    end: &'static [u8],
    pub address: SocketAddr,
}

impl Server {
    pub fn start(name: &str, tool: &[&str]) -> io::Result<Server> {
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
    pub fn pause(&self, paused: bool) -> io::Result<()> {
        let signal = if paused { Signal::STOP } else { Signal::CONT };
        kill_process(self.process, signal)?;
        let status = format!("/proc/{}/stat", self.process.as_raw_nonzero());
        while paused && !is_stopped(&std::fs::read_to_string(&status)?) {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// CPU time of its main thread, which is its only one.
    pub fn cpu_nanos(&self) -> io::Result<u64> {
        self.first_number("schedstat", 0)
    }

    pub fn resident_bytes(&self) -> io::Result<u64> {
        Ok(self.first_number("statm", 1)? * rustix::param::page_size() as u64)
    }

    fn first_number(&self, file: &str, place: usize) -> io::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))?;
        let number = text.split_whitespace().nth(place).and_then(|number| number.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("/proc/../{file} is not understood")))
    }

    pub fn end(&mut self) -> io::Result<()> {
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

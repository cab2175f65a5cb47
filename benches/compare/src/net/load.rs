//! The load generator of the network rows: one thread, the same for every server.

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Longest time one run may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(20);

/// Connections on which one request after the other is sent, each when the last was answered.
pub struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    request: Vec<u8>,
    /// Bytes of each response.
    response: usize,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    written: usize,
    read: usize,
    busy: bool,
}

impl Load {
    /// Opens `connections` and learns how long a response to `request` is: as long as the request
    /// for an echo, else what the first response's head says.
    pub fn open(server: SocketAddr, connections: usize, request: Vec<u8>) -> io::Result<Load> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut load =
            Load { epoll, connections: Vec::new(), request, response: 0, scratch: vec![0; 65536] };
        for number in 0..connections {
            let mut stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(LIMIT))?;
            if number == 0 {
                load.response = first_response(&mut stream, &load.request)?;
            }
            stream.set_nonblocking(true)?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&load.epoll, &stream, EventData::new_u64(number as u64), flags)?;
            load.connections.push(Connection { stream, written: 0, read: 0, busy: false });
        }
        Ok(load)
    }

    /// Sends `count` requests in all and waits for their responses.
    pub fn run(&mut self, count: u64) -> io::Result<()> {
        let end = Instant::now() + LIMIT;
        let (mut begun, mut done) = (0, 0);
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        for number in 0..self.connections.len() {
            self.advance(number, count, &mut begun, &mut done)?;
        }
        while done < count {
            if Instant::now() > end {
                return Err(io::Error::other(format!("{done} of {count} responses in {LIMIT:?}")));
            }
            events.clear();
            let second = rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 };
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&second))?;
            for event in &events {
                self.advance(event.data.u64() as usize, count, &mut begun, &mut done)?;
            }
        }
        Ok(())
    }

    /// Sends a request on every connection while the server is `paused`, then waits for all
    /// responses; `rounds` times. So the server finds each request whole, and all at once: what it
    /// does then can be counted.
    pub fn run_in_step(
        &mut self,
        rounds: u64,
        paused: impl Fn(bool) -> io::Result<()>,
    ) -> io::Result<()> {
        let streams = || self.connections.iter().map(|connection| &connection.stream);
        streams().try_for_each(|stream| stream.set_nonblocking(false))?;
        let mut response = vec![0; self.response];
        for _ in 0..rounds {
            paused(true)?;
            streams().try_for_each(|mut stream| stream.write_all(&self.request))?;
            paused(false)?;
            streams().try_for_each(|mut stream| stream.read_exact(&mut response))?;
        }
        streams().try_for_each(|stream| stream.set_nonblocking(true))
    }

    /// Writes and reads on one connection until it would block or nothing is left to send.
    fn advance(
        &mut self,
        number: usize,
        count: u64,
        begun: &mut u64,
        done: &mut u64,
    ) -> io::Result<()> {
        let connection = &mut self.connections[number];
        loop {
            if !connection.busy {
                if *begun == count {
                    return Ok(());
                }
                *begun += 1;
                (connection.busy, connection.written, connection.read) = (true, 0, 0);
            }
            if connection.written < self.request.len() {
                match connection.stream.write(&self.request[connection.written..]) {
                    Ok(written) => connection.written += written,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            match connection.stream.read(&mut self.scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => connection.read += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if connection.read >= self.response {
                connection.busy = false;
                *done += 1;
            }
        }
    }
}

fn first_response(stream: &mut TcpStream, request: &[u8]) -> io::Result<usize> {
    if request.is_empty() {
        return Ok(0);
    }
    stream.write_all(request)?;
    if !request.ends_with(b"\n") {
        let mut echo = vec![0; request.len()];
        stream.read_exact(&mut echo)?;
        return Ok(echo.len());
    }
    let mut response = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk)?;
        response.extend_from_slice(&chunk[..read]);
        if let Some(length) = complete(&response) {
            return Ok(length);
        }
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The length of a response, once it is there.
fn complete(response: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(response).ok()?;
    let head = text.find("\r\n\r\n")? + 4;
    let lines = text[..head].lines().map(str::to_ascii_lowercase);
    let length: usize = lines
        .filter_map(|line| line.strip_prefix("content-length:").map(str::to_owned))
        .find_map(|length| length.trim().parse().ok())?;
    (response.len() >= head + length).then_some(head + length)
}

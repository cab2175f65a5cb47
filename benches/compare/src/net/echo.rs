//! Echo servers: the same few lines on each runtime, and on epoll itself.

use super::{monoio_runtime, tokio_runtime};
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Bytes of each connection's buffer: as many as the longest message has, so that a read can fill
/// it.
pub const BUFFER: usize = 16 * 1024;

/// A message that begins with it ends the server. No thread waits for the end: libc's functions
/// are slower where there are two.
pub const END: u8 = b'q';

fn end_if_told(message: &[u8]) {
    if message[0] == END {
        std::process::exit(0);
    }
}

/// Echoes on lunation.
pub fn lunation(listener: TcpListener) -> io::Result<()> {
    lunation::Runtime::new().block_on(async {
        let listener = lunation::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            lunation::spawn_detached(async move {
                let mut buffer = vec![0; BUFFER];
                loop {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => {
                            end_if_told(&buffer);
                            if stream.write_all(&buffer[..read]).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    })
}

/// Echoes on lunation, with a buffer only while there is something to read.
pub fn lunation_idle(listener: TcpListener) -> io::Result<()> {
    lunation::Runtime::new().block_on(async {
        let listener = lunation::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            lunation::spawn_detached(async move {
                while stream.readable().await.is_ok() {
                    let mut buffer = vec![0; BUFFER];
                    match stream.try_read(&mut buffer) {
                        Ok(0) => return,
                        Ok(read) => {
                            end_if_told(&buffer);
                            if stream.write_all(&buffer[..read]).await.is_err() {
                                return;
                            }
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return,
                    }
                }
            });
        }
    })
}

/// Echoes on tokio.
pub fn tokio(listener: TcpListener) -> io::Result<()> {
    use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
    let local = ::tokio::task::LocalSet::new();
    local.block_on(&tokio_runtime(), async {
        let listener = ::tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            ::tokio::task::spawn_local(async move {
                let mut buffer = vec![0; BUFFER];
                loop {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => {
                            end_if_told(&buffer);
                            if stream.write_all(&buffer[..read]).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    })
}

/// Echoes on tokio, with a buffer only while there is something to read.
pub fn tokio_idle(listener: TcpListener) -> io::Result<()> {
    use ::tokio::io::AsyncWriteExt;
    let local = ::tokio::task::LocalSet::new();
    local.block_on(&tokio_runtime(), async {
        let listener = ::tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            ::tokio::task::spawn_local(async move {
                while stream.readable().await.is_ok() {
                    let mut buffer = vec![0; BUFFER];
                    match stream.try_read(&mut buffer) {
                        Ok(0) => return,
                        Ok(read) => {
                            end_if_told(&buffer);
                            if stream.write_all(&buffer[..read]).await.is_err() {
                                return;
                            }
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return,
                    }
                }
            });
        }
    })
}

/// Echoes on monoio, which takes buffers by value.
pub fn monoio(listener: TcpListener) -> io::Result<()> {
    use ::monoio::io::{AsyncReadRent, AsyncWriteRentExt};
    let mut runtime = monoio_runtime();
    runtime.block_on(async {
        let listener = ::monoio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            drop(::monoio::spawn(async move {
                let mut buffer = Vec::with_capacity(BUFFER);
                loop {
                    let read;
                    (read, buffer) = stream.read(buffer).await;
                    if !matches!(read, Ok(1..)) {
                        return;
                    }
                    end_if_told(&buffer);
                    let written;
                    (written, buffer) = stream.write_all(buffer).await;
                    if written.is_err() {
                        return;
                    }
                }
            }));
        }
    })
}

/// Echoes on epoll and nothing else: the floor. Edge-triggered; a read that does not fill the
/// buffer is the last.
pub fn raw(listener: TcpListener) -> io::Result<()> {
    const LISTENER: u64 = u64::MAX;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: Vec<Echo> = Vec::new();
    let mut events: Vec<Event> = Vec::with_capacity(1024);
    let mut buffer = vec![0; BUFFER];
    loop {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            waited => waited?,
        };
        for event in &events {
            if event.data.u64() == LISTENER {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
                let number = connections.len() as u64;
                epoll::add(&epoll, &stream, EventData::new_u64(number), flags)?;
                connections.push(Echo { stream: Some(stream), unsent: Vec::new() });
            } else {
                let connection = &mut connections[event.data.u64() as usize];
                if connection.advance(&mut buffer).is_err() {
                    connection.stream = None;
                }
            }
        }
    }
}

struct Echo {
    /// None once it has ended.
    stream: Option<TcpStream>,
    unsent: Vec<u8>,
}

impl Echo {
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if !self.unsent.is_empty() {
            let written = stream.write(&self.unsent);
            self.unsent.drain(..unless_blocked(written)?);
            if !self.unsent.is_empty() {
                return Ok(());
            }
        }
        loop {
            let read = match stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            end_if_told(buffer);
            let written = unless_blocked(stream.write(&buffer[..read]))?;
            if written < read {
                self.unsent.extend_from_slice(&buffer[written..read]);
                return Ok(());
            }
            if read < buffer.len() {
                return Ok(());
            }
        }
    }
}

/// What was done; nothing if it would have blocked.
fn unless_blocked(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

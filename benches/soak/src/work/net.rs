//! Sockets: connections that stay, that come and go, and that break.

use crate::world::World;
use lunation::net::{Family, Listener, Stream, TcpStream, UdpSocket, UnixListener, UnixStream};
use lunation::task::AbortOnDrop;
use lunation::{spawn, time};
use std::io;
use std::rc::Rc;
use std::time::Duration;

const CONNECTIONS: u64 = 16;
const MESSAGES: u64 = 20;

/// Answers everybody with what they say.
pub async fn echo_streams<F: Family>(listener: Listener<F>) {
    loop {
        let (stream, _) = listener.accept().await.expect("connections can be accepted");
        // Peers break off, on purpose.
        spawn(async move { drop(echo_stream(stream).await) });
    }
}

async fn echo_stream<F: Family>(mut stream: Stream<F>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..length]).await?;
    }
}

pub async fn echo_datagrams(socket: UdpSocket) {
    let mut bytes = [0; 2048];
    loop {
        let (length, peer) = socket.recv_from(&mut bytes).await.expect("datagrams are received");
        // A peer that has gone already gets none.
        let _ = socket.send_to(&bytes[..length], peer).await;
    }
}

/// Clients that say something again and again.
pub async fn echo(world: Rc<World>) {
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|n| {
            let (world, length) = (world.clone(), 1 + world.random(10_000) as usize);
            AbortOnDrop::new(spawn(async move {
                if n % 2 == 0 {
                    talk(TcpStream::connect(world.tcp).await?, length).await
                } else {
                    talk(UnixStream::connect(&world.unix).await?, length).await
                }
            }))
        })
        .collect();
    for client in clients {
        client.await.expect("it ends").expect("the echo comes");
    }
}

/// Writes and reads at the same time, in two tasks.
async fn talk<F: Family>(stream: Stream<F>, length: usize) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let writing = spawn(async move {
        for n in 0..MESSAGES {
            writer.write_all(&vec![n as u8; length]).await?;
            time::sleep(Duration::from_millis(5)).await;
        }
        writer.shutdown().await
    });
    let mut bytes = vec![0; length];
    for n in 0..MESSAGES {
        reader.read_exact(&mut bytes).await?;
        assert!(bytes.iter().all(|byte| *byte == n as u8));
    }
    assert_eq!(reader.read(&mut bytes).await?, 0);
    writing.await.expect("it ends")
}

/// Clients that come, say little, and go in one of many ways.
pub async fn connections(world: Rc<World>) {
    let clients: Vec<_> = (0..CONNECTIONS).map(|n| spawn(come_and_go(world.clone(), n))).collect();
    for client in clients {
        client.await.expect("it ends").expect("the server can be reached");
    }
    listeners(&world).await.expect("a listener of one's own");
}

async fn come_and_go(world: Rc<World>, n: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(world.tcp).await?;
    match n % 8 {
        // Without a word.
        0 => {}
        // In the middle of an answer.
        1 => stream.write_all(&[1; 100_000]).await?,
        // With a reset.
        2 => {
            stream.write_all(b"lost").await?;
            stream.set_linger(Some(Duration::ZERO))?;
        }
        // While it waits.
        3 => {
            let read = time::timeout(Duration::from_millis(2), stream.read(&mut [0; 8])).await;
            assert!(read.is_err());
        }
        // On another thread.
        4 => world.elsewhere(move || drop(stream)),
        5 => {
            let (reader, mut writer) = stream.into_split();
            drop(reader);
            writer.write_all(b"half").await?;
        }
        // Before it is connected, and where nobody listens.
        6 => {
            let _ = time::timeout(Duration::ZERO, TcpStream::connect(world.tcp)).await;
            assert!(TcpStream::connect("127.0.0.1:1").await.is_err());
        }
        _ => {
            stream.write_all(b"hello").await?;
            stream.readable().await?;
            stream.read_exact(&mut [0; 5]).await?;
        }
    }
    Ok(())
}

async fn listeners(world: &World) -> io::Result<()> {
    let path = world.folder().join("one");
    let listener = UnixListener::bind(&path)?;
    let waits = time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(waits.is_err());
    let _unaccepted = UnixStream::connect(&path).await?;
    drop(listener);
    std::fs::remove_file(path)?;
    let (one, mut other) = UnixStream::pair()?;
    drop(one);
    assert_eq!(other.read(&mut [0; 1]).await?, 0);
    Ok(())
}

pub async fn datagrams(world: Rc<World>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port is free");
    for n in 0..MESSAGES {
        let sent = vec![n as u8; 1 + world.random(1000) as usize];
        socket.send_to(&sent, world.udp).await.expect("it can be sent");
        let mut bytes = [0; 2048];
        let received = time::timeout(Duration::from_secs(5), socket.recv_from(&mut bytes)).await;
        let (length, _) = received.expect("an answer comes").expect("it can be received");
        assert_eq!(bytes[..length], sent);
    }
}

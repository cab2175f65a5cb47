//! Facts of the types that hold for the compiler alone.

use lunation_reactor::net::{
    OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpListener, TcpSocket, TcpStream,
    UdpSocket, WriteHalf,
};
#[cfg(unix)]
use lunation_reactor::net::{Unix, UnixListener, UnixStream};
use lunation_reactor::{Interest, Notifier, Registration};

use crate::support::ANY_PORT;

fn shared<T: Send + Sync>() {}
fn sent<F: Future + Send>(_: F) {}

#[test]
fn handles_are_send_and_sync() {
    shared::<TcpStream>();
    shared::<TcpListener>();
    shared::<TcpSocket>();
    shared::<OwnedReadHalf>();
    shared::<OwnedWriteHalf>();
    shared::<ReuniteError>();
    shared::<ReadHalf<'_>>();
    shared::<WriteHalf<'_>>();
    shared::<UdpSocket>();
    shared::<Notifier>();
    shared::<Registration<mio::net::UdpSocket>>();
}

#[test]
#[cfg(unix)]
fn unix_handles_are_send_and_sync() {
    shared::<UnixStream>();
    shared::<UnixListener>();
    shared::<OwnedReadHalf<Unix>>();
    shared::<OwnedWriteHalf<Unix>>();
    shared::<ReuniteError<Unix>>();
}

#[test]
#[cfg(all(unix, feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
fn all_streams_and_halves_have_the_traits() {
    fn futures_io<R: futures_io::AsyncRead + Unpin, W: futures_io::AsyncWrite + Unpin>() {}
    fn hyper<R: hyper::rt::Read + Unpin, W: hyper::rt::Write + Unpin>() {}
    fn tokio<R: tokio::io::AsyncRead + Unpin, W: tokio::io::AsyncWrite + Unpin>() {}
    futures_io::<UnixStream, TcpStream>();
    futures_io::<OwnedReadHalf<Unix>, OwnedWriteHalf<Unix>>();
    futures_io::<ReadHalf<'_, Unix>, WriteHalf<'_>>();
    hyper::<UnixStream, TcpStream>();
    hyper::<OwnedReadHalf<Unix>, OwnedWriteHalf<Unix>>();
    hyper::<ReadHalf<'_, Unix>, WriteHalf<'_>>();
    tokio::<UnixStream, TcpStream>();
    tokio::<OwnedReadHalf<Unix>, OwnedWriteHalf<Unix>>();
    tokio::<ReadHalf<'_, Unix>, WriteHalf<'_>>();
}

/// Never called: libraries demand `Send` of futures that use our sockets.
#[allow(dead_code, reason = "compiling it is the test")]
fn futures_are_send(stream: &mut TcpStream, listener: &TcpListener, socket: TcpSocket) {
    sent(TcpStream::connect(ANY_PORT));
    sent(TcpListener::bind(ANY_PORT));
    sent(listener.accept());
    sent(stream.read(&mut [0]));
    sent(stream.read_exact(&mut [0]));
    sent(stream.write_all(&[0]));
    sent(stream.peek(&mut [0]));
    sent(stream.readable());
    sent(stream.shutdown());
    sent(socket.connect(([127, 0, 0, 1], 1).into()));
}

/// Never called, as above.
#[allow(dead_code, reason = "compiling it is the test")]
fn datagram_futures_are_send(socket: &UdpSocket) {
    sent(UdpSocket::bind(ANY_PORT));
    sent(socket.connect(ANY_PORT));
    sent(socket.send_to(&[0], ANY_PORT));
    sent(socket.recv_from(&mut [0]));
    sent(socket.ready(Interest::READABLE));
}

/// Never called, as above.
#[cfg(unix)]
#[allow(dead_code, reason = "compiling it is the test")]
fn unix_futures_are_send(stream: &mut UnixStream, listener: &UnixListener) {
    sent(UnixStream::connect("path"));
    sent(listener.accept());
    sent(stream.read(&mut [0]));
    let (mut reader, mut writer) = stream.split();
    sent(reader.read(&mut [0]));
    sent(writer.write_all(&[0]));
}

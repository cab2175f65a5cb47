//! Facts of the types that hold for the compiler alone.

use lunation_reactor::net::{
    OwnedReadHalf, OwnedWriteHalf, ReuniteError, TcpListener, TcpSocket, TcpStream,
};
use lunation_reactor::{Notifier, Registration};

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
    shared::<Notifier>();
    shared::<Registration<mio::net::UdpSocket>>();
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

//! Sharing a port, where the system can.

use std::io;

use crate::net::socket::TcpSocket;

impl TcpSocket {
    /// Whether other sockets may listen on the same port.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn reuseport(&self) -> io::Result<bool> {
        self.socket.reuse_port()
    }

    /// Lets other sockets that ask for it too listen on the same port (`SO_REUSEPORT`); Linux
    /// spreads the connections over them. The way to one runtime per core.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuseport)
    }
}

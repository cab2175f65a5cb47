//! The selector's descriptor, on Unix: for hosts that poll the runtime among others.

use std::os::fd::{AsRawFd, RawFd};

use crate::reactor::Reactor;

impl AsRawFd for Reactor {
    /// The selector's descriptor: readable while [`wait`](Reactor::wait) would find events. Only
    /// to be polled, never read.
    fn as_raw_fd(&self) -> RawFd {
        self.registry().as_raw_fd()
    }
}

//! A file descriptor as a source of the selector.

use lunation_reactor::{Interest, Registry, Source, SourceFd, Token};
use std::io;
use std::os::fd::AsRawFd;

/// Something with a descriptor, which it keeps for as long as it is registered.
#[derive(Debug)]
pub(super) struct Descriptor<T>(pub(super) T);

impl<T: AsRawFd> Source for Descriptor<T> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}

//! Descriptors of processes, which Linux has since 5.3.

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;

/// A descriptor that is readable from the end of the process on.
pub(super) fn open(process: Pid) -> io::Result<OwnedFd> {
    Ok(pidfd_open(process, PidfdFlags::NONBLOCK)?)
}

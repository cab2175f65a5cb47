//! The end of a child as a descriptor that becomes readable.

use crate::pool;
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

#[cfg(target_os = "linux")]
use crate::process::pidfd::open;

#[cfg(not(target_os = "linux"))]
fn open(_: Pid) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A descriptor that is readable from the end of `child` on. The caller has not waited for it yet.
pub(super) fn watch(child: Pid) -> io::Result<OwnedFd> {
    open(child).or_else(|_| wait_on_the_pool(child))
}

/// The same by a thread that waits and then closes its end of a pair of sockets.
fn wait_on_the_pool(child: Pid) -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let wait = move || {
        // The status is left for `try_wait`: until then the id cannot be another process's.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(child), options), Err(Errno::INTR)) {}
        drop(theirs);
    };
    pool::run(wait);
    Ok(ours.into())
}

#[cfg(test)]
mod tests {
    use super::wait_on_the_pool;
    use rustix::process::Pid;
    use std::fs::File;
    use std::io::{ErrorKind, Read};
    use std::process::{Command, Stdio};

    #[test]
    fn the_pool_tells_the_end_and_leaves_the_status() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let ended = wait_on_the_pool(Pid::from_child(&child)).expect("descriptors");
        let mut ended = File::from(ended);
        let blocks = ended.read(&mut [0]).expect_err("it runs");
        assert_eq!(blocks.kind(), ErrorKind::WouldBlock);
        drop(child.stdin.take());
        rustix::io::ioctl_fionbio(&ended, false).expect("a socket");
        assert_eq!(ended.read(&mut [0]).expect("closed"), 0);
        assert!(child.try_wait().expect("a child").expect("it has ended").success());
    }
}

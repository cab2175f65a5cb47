//! Error numbers that the standard library has no stable kind for.

use std::io;

#[cfg(unix)]
mod numbers {
    pub(super) const OUT_OF_DESCRIPTORS: &[i32] = &[libc::EMFILE, libc::ENFILE];
    pub(super) const IN_PROGRESS: &[i32] = &[libc::EINPROGRESS];
}

#[cfg(windows)]
mod numbers {
    /// WSAEMFILE.
    pub(super) const OUT_OF_DESCRIPTORS: &[i32] = &[10024];
    /// WSAEWOULDBLOCK and WSAEINPROGRESS.
    pub(super) const IN_PROGRESS: &[i32] = &[10035, 10036];
}

/// The process or the system has no descriptor left for a new connection.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| numbers::OUT_OF_DESCRIPTORS.contains(&number))
}

/// A connect has begun and its result will come as an event.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| numbers::IN_PROGRESS.contains(&number))
}

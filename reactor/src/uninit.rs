//! Reads into memory that was never written: the only unsafe code of this crate.
#![allow(unsafe_code, reason = "hyper hands out uninitialised memory and is told what is filled")]

use std::io;

use hyper::rt::ReadBufCursor;
use socket2::SockRef;

/// Receives into the rest of `cursor` and advances it by what came. Returns how much came and how
/// much there was room for.
pub(crate) fn receive(
    socket: SockRef<'_>,
    cursor: &mut ReadBufCursor<'_>,
) -> io::Result<(usize, usize)> {
    // SAFETY: `as_mut` demands that bytes which are initialised are not made uninitialised. The
    // slice goes to `recv` alone, which writes received bytes into it and nothing else.
    let room = unsafe { cursor.as_mut() };
    let wanted = room.len();
    let received = socket.recv(room)?;
    // SAFETY: `advance` demands that the next `received` bytes are initialised. `recv` returns how
    // many bytes the kernel wrote, from the beginning of the slice, and that slice began there.
    unsafe { cursor.advance(received) };
    Ok((received, wanted))
}

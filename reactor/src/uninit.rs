//! Reads into memory that was never written: the only unsafe code of this crate.
#![allow(
    unsafe_code,
    reason = "the traits hand out uninitialised memory and are told what is filled"
)]

use std::io;

use socket2::SockRef;

/// Receives into the rest of `cursor`, shows what came to `see`, and advances it by that. Returns
/// how much came and how much there was room for.
#[cfg(feature = "hyper")]
#[inline]
pub(crate) fn receive_hyper(
    socket: SockRef<'_>,
    cursor: &mut hyper::rt::ReadBufCursor<'_>,
    see: impl FnOnce(&[u8]),
) -> io::Result<(usize, usize)> {
    // SAFETY: `as_mut` demands that bytes which are initialised are not made uninitialised. The
    // slice goes to `recv` alone, which writes received bytes into it and nothing else.
    let room = unsafe { cursor.as_mut() };
    let wanted = room.len();
    let received = socket.recv(room)?;
    let came: *const u8 = room[..received].as_ptr().cast();
    // SAFETY: `from_raw_parts` demands `received` initialised bytes that nobody changes meanwhile:
    // `recv` returns how many bytes the kernel wrote, from the beginning of the slice, which is
    // borrowed from the cursor until after the call.
    see(unsafe { std::slice::from_raw_parts(came, received) });
    // SAFETY: `advance` demands that the next `received` bytes are initialised: see above.
    unsafe { cursor.advance(received) };
    Ok((received, wanted))
}

/// Receives into the rest of `buf` and fills it by what came. Returns how much came and how much
/// there was room for.
#[cfg(feature = "tokio-io")]
pub(crate) fn receive_tokio(
    socket: SockRef<'_>,
    buf: &mut tokio::io::ReadBuf<'_>,
) -> io::Result<(usize, usize)> {
    // SAFETY: `unfilled_mut` demands that bytes which are initialised are not made uninitialised.
    // The slice goes to `recv` alone, which writes received bytes into it and nothing else.
    let room = unsafe { buf.unfilled_mut() };
    let wanted = room.len();
    let received = socket.recv(room)?;
    // SAFETY: `assume_init` demands that the first `received` unfilled bytes are initialised.
    // `recv` returns how many bytes the kernel wrote, from the beginning of that slice.
    unsafe { buf.assume_init(received) };
    buf.advance(received);
    Ok((received, wanted))
}

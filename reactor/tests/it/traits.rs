//! The I/O traits of others.

#[cfg(feature = "futures-io")]
#[test]
fn futures_io() {
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::pin::Pin;

    use futures_io::{AsyncRead, AsyncWrite};

    let rig = crate::support::Rig::new();
    let (mut stream, mut peer) = rig.blocked_pair();
    peer.write_all(b"in").unwrap();
    rig.block_on(async {
        let mut buf = [0; 8];
        let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut buf)).await;
        assert_eq!(read.unwrap(), 2);
        let written = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, b"out")).await;
        assert_eq!(written.unwrap(), 3);
        let (_reader, mut writer) = stream.into_split();
        poll_fn(|cx| Pin::new(&mut writer).poll_flush(cx)).await.unwrap();
        poll_fn(|cx| Pin::new(&mut writer).poll_close(cx)).await.unwrap();
        let mut all = String::new();
        peer.read_to_string(&mut all).unwrap();
        assert_eq!(all, "out");
    });
}

#[cfg(feature = "hyper")]
#[test]
fn hyper_reads_into_memory_never_written() {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::mem::MaybeUninit;
    use std::pin::Pin;

    use hyper::rt::{Read, ReadBuf, Write};

    let rig = crate::support::Rig::new();
    let (mut stream, mut peer) = rig.blocked_pair();
    peer.write_all(b"hello").unwrap();
    rig.block_on(async {
        let mut memory = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.unfilled().put_slice(b">");
        poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, buf.unfilled())).await.unwrap();
        assert_eq!(buf.filled(), b">hello");
        drop(peer);
        poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, buf.unfilled())).await.unwrap();
        assert_eq!(buf.filled(), b">hello", "the end fills nothing");
        poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await.unwrap();
    });
}

#[cfg(feature = "tokio-io")]
#[test]
fn tokio_reads_into_memory_never_written() {
    use std::future::poll_fn;
    use std::io::{IoSlice, Read, Write};
    use std::mem::MaybeUninit;
    use std::pin::Pin;

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    let rig = crate::support::Rig::new();
    let (stream, mut peer) = rig.blocked_pair();
    let (mut reader, mut writer) = stream.into_split();
    peer.write_all(b"hello").unwrap();
    rig.block_on(async {
        let mut memory = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_slice(b">");
        poll_fn(|cx| Pin::new(&mut reader).poll_read(cx, &mut buf)).await.unwrap();
        assert_eq!(buf.filled(), b">hello");
        assert_eq!(buf.initialized().len(), 6);
        assert!(writer.is_write_vectored());
        let bufs = [IoSlice::new(b"by"), IoSlice::new(b"e")];
        let written = poll_fn(|cx| Pin::new(&mut writer).poll_write_vectored(cx, &bufs)).await;
        assert_eq!(written.unwrap(), 3);
        poll_fn(|cx| Pin::new(&mut writer).poll_shutdown(cx)).await.unwrap();
    });
    let mut all = String::new();
    peer.read_to_string(&mut all).unwrap();
    assert_eq!(all, "bye");
}

#[cfg(all(unix, feature = "hyper", feature = "tokio-io"))]
#[test]
fn unix_streams_read_into_memory_never_written() {
    use std::future::poll_fn;
    use std::mem::MaybeUninit;
    use std::pin::Pin;

    use lunation_reactor::net::UnixStream;

    let rig = crate::support::Rig::new();
    let (mut ours, mut peer) = UnixStream::pair().unwrap();
    let mut memory = [MaybeUninit::uninit(); 8];
    rig.block_on(async {
        peer.write_all(b"one").await.unwrap();
        let mut buf = hyper::rt::ReadBuf::uninit(&mut memory);
        poll_fn(|cx| hyper::rt::Read::poll_read(Pin::new(&mut ours), cx, buf.unfilled()))
            .await
            .unwrap();
        assert_eq!(buf.filled(), b"one");
        peer.write_all(b"two").await.unwrap();
        let mut buf = tokio::io::ReadBuf::uninit(&mut memory);
        let (mut reader, _writer) = ours.split();
        poll_fn(|cx| tokio::io::AsyncRead::poll_read(Pin::new(&mut reader), cx, &mut buf))
            .await
            .unwrap();
        assert_eq!(buf.filled(), b"two");
    });
}

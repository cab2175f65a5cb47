//! What streams and listeners of all families do alike: each test runs for TCP and Unix sockets.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::thread;

use lunation_reactor::Interest;
use lunation_reactor::net::{
    Family, Listener, Stream, Tcp, TcpListener, TcpStream, Unix, UnixListener, UnixStream,
};

use crate::support::{ANY_PORT, Place, Rig, join, poll_once, std_pair, would_block};

type Check<F> = fn(&Rig, Stream<F>, Stream<F>);

/// Runs the check with two connected streams of either family.
fn with_pairs(tcp: Check<Tcp>, unix: Check<Unix>) {
    let rig = Rig::new();
    let (one, other) = std_pair();
    tcp(&rig, TcpStream::from_std(one).unwrap(), TcpStream::from_std(other).unwrap());
    let (one, other) = UnixStream::pair().unwrap();
    unix(&rig, one, other);
}

/// Disproves the readiness that is assumed of a fresh stream.
fn block<F: Family>(rig: &Rig, stream: &Stream<F>) {
    rig.turn();
    assert!(would_block(&stream.try_read(&mut [0])));
}

#[test]
fn borrowed_halves_work_side_by_side() {
    fn check<F: Family>(rig: &Rig, mut one: Stream<F>, mut other: Stream<F>) {
        rig.block_on(async {
            let (mut reader, mut writer) = one.split();
            let mut buf = [0; 6];
            let answer = async {
                let mut question = [0; 8];
                other.read_exact(&mut question).await.unwrap();
                other.write_all(b"answer").await.unwrap();
                question
            };
            let both = join(reader.read_exact(&mut buf), writer.write_all(b"question"));
            let (question, (read, written)) = join(answer, both).await;
            read.unwrap();
            written.unwrap();
            assert_eq!((&question, &buf), (b"question", b"answer"));
            // Dropping them ends nothing.
            one.write_all(b"more").await.unwrap();
            other.read_exact(&mut [0; 4]).await.unwrap();
        });
    }
    with_pairs(check, check);
}

#[test]
fn owned_halves_reunite_and_a_dropped_writer_tells_the_peer() {
    fn check<F: Family>(rig: &Rig, one: Stream<F>, mut other: Stream<F>) {
        let (reader, writer) = one.into_split();
        let (mut reader, writer) = reader.reunite(writer).unwrap().into_split();
        drop(writer);
        rig.block_on(async {
            assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
            other.write_all(b"late").await.unwrap();
            let mut buf = [0; 4];
            reader.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"late");
        });
    }
    with_pairs(check, check);
}

#[test]
fn half_closed_and_finished() {
    fn check<F: Family>(rig: &Rig, mut one: Stream<F>, mut other: Stream<F>) {
        rig.block_on(async {
            one.shutdown().await.unwrap();
            one.shutdown().await.unwrap();
            assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
            let error = one.write(b"x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            assert!(error.source().unwrap().is::<io::Error>());
            assert!(error.to_string().starts_with("write"), "{error}");
            other.write_all(b"abc").await.unwrap();
            drop(other);
            let error = one.read_exact(&mut [0; 4]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        });
    }
    with_pairs(check, check);
}

#[test]
fn ready_tells_what_is_known() {
    fn check<F: Family>(rig: &Rig, one: Stream<F>, mut other: Stream<F>) {
        let both = Interest::READABLE | Interest::WRITABLE;
        block(rig, &one);
        let ready = rig.block_on(one.ready(both)).unwrap();
        assert!(ready.is_writable() && !ready.is_readable() && !ready.is_read_closed());
        {
            let mut wait = Box::pin(one.ready(Interest::READABLE));
            assert!(poll_once(&mut wait).is_pending());
            assert_eq!(rig.reactor.waiting(), 1);
        }
        assert_eq!(rig.reactor.waiting(), 0, "a dropped wait waits no longer");
        let arrives = async { other.write_all(b"x").await.unwrap() };
        let (ready, ()) = rig.block_on(join(one.ready(Interest::READABLE), arrives));
        let ready = ready.unwrap();
        assert!(ready.is_readable() && !ready.is_writable() && !ready.is_empty());
        drop(other);
        rig.turn();
        let ready = rig.block_on(one.ready(both)).unwrap();
        assert!(ready.is_read_closed() && ready.is_readable() && ready.is_writable());
        #[cfg(target_os = "linux")]
        {
            let error = rig.block_on(one.ready(Interest::PRIORITY)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
    with_pairs(check, check);
}

#[test]
fn an_unrefed_stream_keeps_no_loop_alive() {
    fn check<F: Family>(rig: &Rig, one: Stream<F>, _other: Stream<F>) {
        block(rig, &one);
        let mut wait = Box::pin(one.readable());
        assert!(poll_once(&mut wait).is_pending());
        assert_eq!(rig.reactor.waiting(), 1);
        one.unref();
        assert_eq!(rig.reactor.waiting(), 0);
        one.ref_().unref().ref_();
        assert_eq!(rig.reactor.waiting(), 1);
    }
    with_pairs(check, check);
}

#[test]
fn an_unrefed_listener_keeps_no_loop_alive() {
    fn check<F: Family>(rig: &Rig, listener: Listener<F>) {
        rig.turn();
        let mut accept = Box::pin(listener.accept());
        assert!(poll_once(&mut accept).is_pending());
        assert_eq!(rig.reactor.waiting(), 1);
        listener.unref();
        assert_eq!(rig.reactor.waiting(), 0);
        listener.ref_();
        assert_eq!(rig.reactor.waiting(), 1);
        drop(accept);
    }
    let rig = Rig::new();
    let place = Place::new();
    check(&rig, rig.block_on(TcpListener::bind(ANY_PORT)).unwrap());
    check(&rig, UnixListener::bind(place.path("listener")).unwrap());
}

#[test]
fn elsewhere_it_fails_and_moves() {
    fn check<F>(rig: &Rig, mut one: Stream<F>, mut other: Stream<F>)
    where
        F: Family<StdStream: Send>,
        Stream<F>: Send,
    {
        let std = thread::scope(|scope| {
            let elsewhere = || {
                let stranger = Rig::new();
                let errors = [
                    one.try_read(&mut [0]).unwrap_err(),
                    stranger.block_on(one.read(&mut [0])).unwrap_err(),
                    stranger.block_on(one.write_all(b"x")).unwrap_err(),
                    stranger.block_on(one.shutdown()).unwrap_err(),
                    stranger.block_on(one.ready(Interest::READABLE)).unwrap_err(),
                ];
                for error in errors {
                    assert!(error.to_string().contains("into_std"), "{error}");
                }
                let std = one.unref().local_addr().is_ok().then(|| one.into_std().unwrap());
                let mut moved = Stream::<F>::from_std(std.unwrap()).unwrap();
                stranger.block_on(moved.write_all(b"elsewhere")).unwrap();
                moved.into_std().unwrap()
            };
            scope.spawn(elsewhere).join().unwrap()
        });
        let mut home = Stream::<F>::from_std(std).unwrap();
        rig.block_on(async {
            other.read_exact(&mut [0; 9]).await.unwrap();
            other.write_all(b"home").await.unwrap();
            home.read_exact(&mut [0; 4]).await.unwrap();
        });
    }
    with_pairs(check, check);
}

#[test]
fn dropped_elsewhere_its_slot_is_freed_by_the_next_wait() {
    fn check<F: Family>(rig: &Rig, one: Stream<F>, mut other: Stream<F>)
    where
        Stream<F>: Send,
    {
        block(rig, &one);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(one.poll_read_ready(&mut cx).is_pending());
        thread::scope(|scope| scope.spawn(|| drop(one)).join().unwrap());
        assert_eq!(rig.reactor.waiting(), 1);
        rig.turn();
        assert_eq!(rig.reactor.waiting(), 0);
        assert_eq!(rig.block_on(other.read(&mut [0])).unwrap(), 0);
    }
    with_pairs(check, check);
}

#[test]
fn peeking_through_a_half() {
    let rig = Rig::new();
    let (mut stream, mut peer) = rig.pair();
    io::Write::write_all(&mut peer, b"look").unwrap();
    let (mut reader, _writer) = stream.split();
    let mut buf = [0; 8];
    assert_eq!(rig.block_on(reader.peek(&mut buf)).unwrap(), 4);
    assert_eq!(rig.block_on(poll_fn(|cx| stream.poll_peek(cx, &mut buf))).unwrap(), 4);
    assert_eq!(rig.block_on(stream.read(&mut buf)).unwrap(), 4);
}

//! Waiting for one socket again and again: the wakers of tasks stay where they waited, and must
//! wake nobody but who waits now.

use lunation::net::{TcpListener, TcpStream};
use lunation::{Runtime, spawn};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// A loop that panics instead of hanging when nothing can wake main any more.
fn runtime() -> Runtime {
    Runtime::builder().start_paused(true).build().expect("a runtime")
}

async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let there = TcpStream::connect(listener.local_addr()?).await?;
    Ok((listener.accept().await?.0, there))
}

/// Reads what is there, and leaves the task's waker with the socket.
async fn meet(here: &TcpStream, there: &mut TcpStream) -> io::Result<()> {
    assert!(here.try_read(&mut [0; 8]).is_err(), "nothing was sent");
    let mut readable = pin!(here.readable());
    assert!(is_pending(readable.as_mut()).await);
    there.write_all(b"x").await?;
    readable.await?;
    assert_eq!(here.try_read(&mut [0; 8])?, 1);
    Ok(())
}

async fn is_pending(mut future: impl Future + Unpin) -> bool {
    poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut future).poll(cx).is_pending())).await
}

#[test]
fn of_two_waits_of_one_task_the_one_that_is_left_is_woken() -> io::Result<()> {
    runtime().block_on(async {
        for first_is_dropped in [true, false] {
            let (here, mut there) = pair().await?;
            for _ in 0..3 {
                meet(&here, &mut there).await?;
                let mut waits = [Box::pin(here.readable()), Box::pin(here.readable())];
                for wait in &mut waits {
                    assert!(is_pending(wait.as_mut()).await);
                }
                let [first, second] = waits;
                let (dropped, left) =
                    if first_is_dropped { (first, second) } else { (second, first) };
                drop(dropped);
                there.write_all(b"y").await?;
                left.await?;
                assert_eq!(here.try_read(&mut [0; 8])?, 1);
            }
        }
        Ok(())
    })
}

#[test]
fn a_dropped_wait_keeps_no_loop_alive() -> io::Result<()> {
    let runtime = runtime();
    let kept = runtime.block_on(async {
        let (here, mut there) = pair().await?;
        meet(&here, &mut there).await?;
        {
            let mut wait = pin!(here.readable());
            assert!(is_pending(wait.as_mut()).await);
        }
        io::Result::Ok((here, there))
    })?;
    runtime.run_to_idle();
    drop(kept);
    Ok(())
}

#[test]
fn a_task_that_has_waited_is_not_woken_for_another() -> io::Result<()> {
    runtime().block_on(async {
        let (here, mut there) = pair().await?;
        meet(&here, &mut there).await?;
        // Main's waker rests with the socket; from now on a task waits for it.
        let here = Rc::new(here);
        let mut reader = pin!(spawn({
            let here = here.clone();
            async move {
                here.readable().await?;
                here.try_read(&mut [0; 8])
            }
        }));
        let mut polls = 0;
        let read = poll_fn(|cx| {
            polls += 1;
            reader.as_mut().poll(cx)
        });
        let sending = spawn(async move { there.write_all(b"yz").await.map(|()| there) });
        assert_eq!(read.await.expect("no panic")?, 2);
        assert_eq!(polls, 2, "once at first, once for the join");
        drop(sending);
        Ok(())
    })
}

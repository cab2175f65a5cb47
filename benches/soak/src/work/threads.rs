//! Other threads: wakes, handles, posts, blocking jobs.

use super::fail;
use crate::world::World;
use lunation::{Handle, JoinError, spawn, spawn_blocking};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

const WAKES: u64 = 100;

pub async fn round(world: Rc<World>) {
    woken(&world).await;
    handles(&world).await;
    posts(&world).await;
    world.meet().await;
}

/// Wakers that are cloned, woken and dropped elsewhere; some outlive their task.
async fn woken(world: &Rc<World>) {
    let count = Arc::new(AtomicU64::new(0));
    let waiting = {
        let (count, world) = (count.clone(), world.clone());
        let asked = Cell::new(false);
        spawn(poll_fn(move |cx| {
            if count.load(Ordering::Acquire) == WAKES {
                return Poll::Ready(());
            }
            if !asked.replace(true) {
                let (count, waker) = (count.clone(), cx.waker().clone());
                let errand = move || {
                    for _ in 0..WAKES {
                        let waker = waker.clone();
                        count.fetch_add(1, Ordering::Release);
                        waker.wake();
                    }
                };
                world.elsewhere(errand);
            }
            Poll::Pending
        }))
    };
    waiting.await.expect("it ends");
    assert_eq!(count.load(Ordering::Relaxed), WAKES);
}

/// Join and abort handles that are used and dropped elsewhere.
async fn handles(world: &World) {
    let (joined, aborted) = (spawn(async { vec![1; 1000] }), spawn(pending::<()>()));
    let abort = spawn(pending::<()>());
    let abort_handle = abort.abort_handle();
    world.elsewhere(move || {
        drop(joined);
        aborted.abort();
        drop(aborted);
        abort_handle.abort();
    });
    assert!(matches!(abort.await, Err(JoinError::Cancelled)));
}

async fn posts(world: &World) {
    let handle = Handle::current();
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    world.elsewhere(move || {
        let guard = handle.keep_alive();
        for n in 0..WAKES {
            let counted = counted.clone();
            let add = move || {
                counted.fetch_add(1, Ordering::Relaxed);
            };
            if n % 2 == 0 {
                handle.post(add);
            } else {
                handle.spawn_with(move || async move { add() });
            }
        }
        handle.post(|| fail());
        drop(guard);
    });
    world.meet().await;
    lunation::yield_now().await;
    assert_eq!(count.load(Ordering::Relaxed), WAKES);
}

/// Blocking jobs that return, panic, are let go and are aborted; host names.
pub async fn jobs(_: Rc<World>) {
    let jobs: Vec<_> = (0..8).map(|n| spawn_blocking(move || vec![n; 1000].len())).collect();
    for job in jobs {
        assert_eq!(job.await.ok(), Some(1000));
    }
    assert!(matches!(spawn_blocking(|| fail()).await, Err(JoinError::Panicked(_))));
    drop(spawn_blocking(|| ()));
    spawn_blocking(|| ()).abort();
    assert!(lunation::net::lookup_host("localhost:80").await.is_ok());
}

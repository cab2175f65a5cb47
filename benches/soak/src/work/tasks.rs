//! Tasks: joined, aborted, panicking, let go, in sets and in chains.

use super::fail;
use crate::world::World;
use lunation::task::{AbortOnDrop, Builder, JoinSet};
use lunation::{JoinError, JoinHandle, microtask, spawn, spawn_detached, time, yield_now};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

const TASKS: u64 = 64;

pub async fn round(world: Rc<World>) {
    joined().await;
    ended_early(&world).await;
    panicking().await;
    in_sets(&world).await;
    chained().await;
    of_many_sizes().await;
}

async fn joined() {
    let number = |n| async move {
        if n % 3 == 0 {
            yield_now().await;
        }
        n
    };
    let tasks: Vec<_> = (0..TASKS).map(|n| spawn(number(n))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("it ends");
    }
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
}

/// Before the first poll, while pending, at the end; by handles, by drops, by nobody.
async fn ended_early(world: &World) {
    let unpolled = spawn(pending::<()>());
    unpolled.abort();
    assert!(matches!(unpolled.await, Err(JoinError::Cancelled)));
    let sleeping = spawn(time::sleep(Duration::from_secs(1000 + world.random(1000))));
    microtask().await;
    let abort = sleeping.abort_handle();
    abort.abort();
    assert!(matches!(sleeping.await, Err(JoinError::Cancelled)));
    let finished = spawn(async {});
    microtask().await;
    finished.abort();
    assert!(finished.await.is_ok());
    drop(AbortOnDrop::new(spawn(pending::<()>())));
    drop(spawn(time::sleep(Duration::from_millis(world.random(20)))));
    spawn_detached(time::sleep(Duration::from_millis(world.random(20))));
    Builder::new().name(format!("round {}", world.random(1000))).spawn(microtask());
    select(world).await;
}

/// Whoever is last loses and is dropped, with what it waits for.
async fn select(world: &World) {
    for _ in 0..16 {
        let mut loser = Box::pin(time::sleep(Duration::from_millis(100 + world.random(10_000))));
        let mut winner = Box::pin(microtask());
        poll_fn(|cx| {
            assert!(loser.as_mut().poll(cx).is_pending());
            winner.as_mut().poll(cx)
        })
        .await;
    }
}

async fn panicking() {
    let joined: JoinHandle<()> = spawn(async { fail() });
    assert!(matches!(joined.await, Err(JoinError::Panicked(_))));
    // Nobody joins: the runtime's handler hears of them.
    drop::<JoinHandle<()>>(spawn(async { fail() }));
    let unread: JoinHandle<()> = spawn(async { fail() });
    yield_now().await;
    drop(unread);
}

async fn in_sets(world: &World) {
    let mut set = JoinSet::new();
    for n in 0..16 {
        set.spawn(async move {
            yield_now().await;
            n
        });
        set.spawn(async { pending().await });
    }
    for _ in 0..world.random(16) {
        assert!(matches!(set.join_next().await, Some(Ok(_))));
    }
    if world.random(2) == 0 {
        set.shutdown().await;
    }
}

/// Each waits for the one before; a waker of the first outlives them all.
async fn chained() {
    let mut waker = None;
    let mut last = spawn(poll_fn(move |cx| {
        waker.replace(cx.waker().clone());
        Poll::Ready(waker.clone())
    }));
    for _ in 0..32 {
        last = spawn(async { last.await.expect("it ends") });
    }
    let waker = last.await.expect("it ends").expect("it was polled");
    waker.wake();
}

async fn of_many_sizes() {
    async fn sized<const N: usize>() -> usize {
        let bytes = [1_u8; N];
        yield_now().await;
        bytes.iter().map(|byte| usize::from(*byte)).sum()
    }
    let tasks = [
        spawn(sized::<10>()),
        spawn(sized::<100>()),
        spawn(sized::<300>()),
        spawn(sized::<1_000>()),
        spawn(sized::<3_000>()),
        spawn(sized::<10_000>()),
    ];
    for task in tasks {
        assert!(task.await.is_ok_and(|sum| sum >= 10));
    }
}

//! Timers of all kinds, most of which never fire.

use super::fail;
use crate::world::World;
use lunation::timers::promises;
use lunation::{
    AbortController, AbortSignal, Timeout, immediate, microtask, refreshable_timeout, set_interval,
    set_timeout, spawn, time,
};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

const SLEEPS: u64 = 64;

/// Every duration is another one: a list for each must not stay.
fn any(world: &World) -> Duration {
    Duration::from_millis(1000 + world.random(1 << 31))
}

fn short(world: &World) -> Duration {
    Duration::from_millis(1 + world.random(30))
}

pub async fn sleeps(world: Rc<World>) {
    let short: Vec<_> = (0..SLEEPS)
        .map(|_| {
            let (duration, start) = (short(&world), Instant::now());
            spawn(async move {
                time::sleep(duration).await;
                assert!(start.elapsed() >= duration, "a sleep ended early");
            })
        })
        .collect();
    for _ in 0..SLEEPS {
        drop(time::sleep(any(&world)));
        let timeout = time::timeout(any(&world), microtask());
        assert!(timeout.await.is_ok());
    }
    let mut moved = Box::pin(time::sleep(any(&world)));
    let waits = time::timeout(Duration::ZERO, moved.as_mut());
    assert!(waits.await.is_err());
    for later in [Duration::from_secs(1 << 20), any(&world), Duration::from_millis(2)] {
        moved.as_mut().reset(time::now() + later);
    }
    moved.await;
    // Dropped on another thread.
    let (foreign, waits) = (time::sleep(any(&world)), Box::pin(time::sleep(any(&world))));
    world.elsewhere(move || drop((foreign, waits)));
    let mut interval = time::interval(Duration::from_millis(1));
    for _ in 0..3 {
        interval.tick().await;
    }
    for task in short {
        assert!(task.await.is_ok(), "a sleep ended early");
    }
    world.meet().await;
}

pub async fn timeouts(world: Rc<World>) {
    let fired = Rc::new(Cell::new(0));
    let count = || {
        let fired = fired.clone();
        move || fired.set(fired.get() + 1)
    };
    for _ in 0..SLEEPS {
        set_timeout(any(&world), count()).clear();
        drop(set_timeout(short(&world), count()));
        set_timeout(short(&world), count()).unref();
    }
    let refreshed = refreshable_timeout(short(&world), count());
    for _ in 0..SLEEPS {
        refreshed.refresh();
    }
    let refreshed_once_fired = refreshable_timeout(short(&world), count());
    Timeout::detached(short(&world), count());
    set_timeout(short(&world), || fail());
    let interval = set_interval(Duration::from_millis(3), count());
    with_signals(&world).await;
    promises::set_timeout(Duration::from_millis(32), ()).await;
    refreshed_once_fired.refresh();
    drop(refreshed);
    promises::set_timeout(Duration::from_millis(32), ()).await;
    assert!(fired.get() >= 2 * SLEEPS + 4, "only {} have fired", fired.get());
    interval.clear();
}

async fn with_signals(world: &World) {
    let controller = AbortController::new();
    let signal = controller.signal();
    let either = AbortSignal::any([&signal, &AbortSignal::timeout(any(world))]);
    let waiting = {
        let either = either.clone();
        let wait = promises::with_signal(&either).set_timeout(any(world), ());
        spawn(async move { either.abortable(|| wait).await.is_err() })
    };
    drop(promises::set_timeout(any(world), ()));
    let mut ticks = promises::with_signal(&either).set_interval(Duration::from_millis(1), 7);
    assert!(matches!(ticks.next().await, Some(Ok(7))));
    let listener = signal.on_abort(|_| {});
    signal.on_abort(|_| {}).detach();
    drop(listener);
    immediate().await;
    controller.abort();
    assert!(waiting.await.is_ok());
    assert!(either.aborted());
}

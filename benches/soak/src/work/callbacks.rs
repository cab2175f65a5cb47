//! Ticks, microtasks, immediates, close callbacks and completions.

use super::fail;
use crate::world::World;
use lunation::{
    Completion, ResourceKind, immediate, microtask, next_tick, queue_close, queue_microtask,
    set_immediate, tick, yield_now,
};
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

const CALLBACKS: u64 = 200;
const KIND: ResourceKind = ResourceKind::User("SOAK");

pub async fn round(world: Rc<World>) {
    let runs = Rc::new(Cell::new(0));
    let count = || {
        let runs = runs.clone();
        move || runs.set(runs.get() + 1)
    };
    for n in 0..CALLBACKS {
        next_tick(count());
        queue_microtask(count());
        let immediate = set_immediate(count());
        if n % 2 == 0 {
            immediate.clear();
        }
    }
    queue_close(KIND, count());
    next_tick(|| fail());
    queue_microtask(|| fail());
    set_immediate(|| fail());
    yield_now().await;
    yield_now().await;
    assert_eq!(runs.get(), 2 * CALLBACKS + CALLBACKS / 2 + 1);
    unwanted_turns().await;
    completions(&world).await;
}

/// Futures that are polled once and dropped.
async fn unwanted_turns() {
    for _ in 0..20 {
        let (mut tick, mut turn) = (Box::pin(tick()), Box::pin(immediate()));
        let mut task = Box::pin(microtask());
        poll_fn(|cx| {
            assert!(tick.as_mut().poll(cx).is_pending());
            assert!(turn.as_mut().poll(cx).is_pending());
            assert!(task.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}

async fn completions(world: &World) {
    let (completion, completer) = Completion::new(KIND);
    world.elsewhere(move || completer.complete(vec![1; 1000]));
    assert_eq!(completion.await.map(|bytes| bytes.len()), Ok(1000));
    let (completion, completer) = Completion::<()>::new(KIND);
    world.elsewhere(move || drop(completer));
    assert!(completion.await.is_err());
    let (forgotten, completer) = Completion::new(KIND);
    drop(forgotten);
    world.elsewhere(move || completer.complete(vec![2; 1000]));
    let (called, completer) = Completion::new(KIND);
    called.on_complete(|answer| assert_eq!(answer, Ok(42)));
    completer.complete(42);
    world.meet().await;
}

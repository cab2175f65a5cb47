//! After warm-up spawning, yielding and joining allocate nothing, and timers leave nothing.

use lunation_context::{
    AsyncHooks, AsyncId, AsyncLocalStorage, ResourceKind, ResourceRef, create_hook, hooks,
};
use lunation_executor::{
    JoinHandle, Runtime, microtask, next_tick, queue_microtask, set_timeout, spawn, tick, time,
};
use std::cell::Cell;
use std::time::Duration;

/// Cells of one size that the pool keeps.
const KEPT: usize = 4096;

/// Spawns as many tasks as `tasks` has room for, lets each yield twice, and joins them.
async fn spawn_yield_join(tasks: &mut Vec<JoinHandle<usize>>) {
    for n in 0..tasks.capacity() {
        tasks.push(spawn(async move {
            microtask().await;
            microtask().await;
            n
        }));
    }
    for (n, task) in tasks.drain(..).enumerate() {
        assert_eq!(task.await.unwrap(), n);
    }
}

/// How often `block_on(f())` allocates on this thread once it has run three times.
fn allocations_of(runtime: &Runtime, mut f: impl AsyncFnMut()) -> u64 {
    for _ in 0..3 {
        runtime.block_on(f());
    }
    allocation_counter::measure(|| runtime.block_on(f())).count_total
}

#[test]
fn tasks_allocate_nothing() {
    let runtime = Runtime::new();
    for live in [1, 100, KEPT] {
        let mut tasks = Vec::with_capacity(live);
        let count = allocations_of(&runtime, async || spawn_yield_join(&mut tasks).await);
        assert_eq!(count, 0, "{live} live tasks");
    }
}

/// Row 10 of what Node is criticised for: the cost of an operation does not grow with the number of
/// storages, set or not.
#[test]
fn row_10_storages_cost_tasks_nothing() {
    let runtime = Runtime::new();
    let storages: Vec<_> = (0..100).map(|_| AsyncLocalStorage::<usize>::new()).collect();
    for (n, storage) in storages.iter().enumerate().step_by(2) {
        storage.enter_with(n);
    }
    let mut tasks = Vec::with_capacity(100);
    let count = allocations_of(&runtime, async || spawn_yield_join(&mut tasks).await);
    assert_eq!(count, 0);
}

#[test]
fn what_the_pool_does_not_keep_is_allocated() {
    let runtime = Runtime::new();
    let mut tasks = Vec::with_capacity(KEPT + 10);
    let count = allocations_of(&runtime, async || spawn_yield_join(&mut tasks).await);
    assert!((10..=11).contains(&count), "{count}");
}

#[test]
fn detached_tasks_and_callbacks_allocate_nothing() {
    let runtime = Runtime::new();
    let done = std::rc::Rc::new(Cell::new(0));
    let count = allocations_of(&runtime, async || {
        for _ in 0..1000 {
            let (task, micro, ticks) = (done.clone(), done.clone(), done.clone());
            drop(spawn(async move { task.set(task.get() + 1) }));
            queue_microtask(move || micro.set(micro.get() + 1));
            next_tick(move || ticks.set(ticks.get() + 1));
        }
        spawn(tick()).await.unwrap();
    });
    // `tick` keeps its place in an allocation of its own.
    assert_eq!(count, 1);
    assert_eq!(done.get(), 4 * 3000);
}

#[test]
fn hooks_allocate_nothing() {
    struct Counting(std::rc::Rc<Cell<usize>>);
    impl AsyncHooks for Counting {
        fn init(&self, id: AsyncId, _: ResourceKind, _: AsyncId, resource: &ResourceRef) {
            self.0.set(self.0.get() + usize::from(resource.id() == id));
        }

        fn destroy(&self, _: AsyncId) {
            self.0.set(self.0.get() + 1);
        }
    }

    let (runtime, events) = (Runtime::new(), std::rc::Rc::new(Cell::new(0)));
    let hook = create_hook(Counting(events.clone()));
    hook.enable();
    for live in [1, 100, KEPT] {
        let mut tasks = Vec::with_capacity(live);
        let count = allocations_of(&runtime, async || {
            spawn_yield_join(&mut tasks).await;
            // As the next turn would.
            hooks::flush_destroys();
        });
        assert_eq!((count, events.take()), (0, 4 * 2 * live), "{live} live tasks");
    }
    hook.disable();
}

#[test]
fn wakers_allocate_nothing() {
    let runtime = Runtime::new();
    let count = allocations_of(&runtime, async || {
        std::future::poll_fn(|context| {
            let wakers = [context.waker().clone(), context.waker().clone()];
            for waker in wakers {
                waker.wake();
            }
            std::task::Poll::Ready(())
        })
        .await;
        microtask().await;
    });
    assert_eq!(count, 0);
}

#[test]
fn stores_allocate_nothing() {
    static STORE: AsyncLocalStorage<usize> = AsyncLocalStorage::new();

    /// Each task inherits a value of its own, shadows it, and keeps a second frame across a poll.
    async fn enter_and_read(tasks: &mut Vec<JoinHandle<usize>>) {
        for n in 0..tasks.capacity() {
            let _guard = STORE.enter(n);
            tasks.push(spawn(async {
                STORE.run(0, || queue_microtask(|| assert_eq!(STORE.cloned(), Some(0))));
                STORE.scope(0, microtask()).await;
                STORE.cloned().expect("inherited")
            }));
        }
        for (n, task) in tasks.drain(..).enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
    }

    let runtime = Runtime::new();
    for live in [1, 100, 1000] {
        let mut tasks = Vec::with_capacity(live);
        let count = allocations_of(&runtime, async || enter_and_read(&mut tasks).await);
        assert_eq!(count, 0, "{live} live tasks");
    }
}

#[cfg(target_pointer_width = "64")]
#[test]
fn an_idle_task_takes_128_bytes() {
    // With the header of malloc's block; the future and the output take no room.
    let runtime = Runtime::new();
    let spawned = allocation_counter::measure(|| {
        runtime.enter(|| drop(spawn(std::future::pending::<()>())));
    });
    assert_eq!((spawned.count_total, spawned.bytes_total), (1, 120));
}

/// A list per duration must not be what is left of timers that have gone, however they went.
#[test]
fn ever_new_durations_leave_no_memory() {
    let runtime = Runtime::new();
    let mut durations = (1_000_000_u64..).map(Duration::from_millis);
    let mut use_and_end = |count| {
        for duration in durations.by_ref().take(count) {
            drop(time::sleep(duration));
            set_timeout(duration, || {}).clear();
            set_timeout(duration, || {}).unref().clear();
        }
    };
    runtime.enter(|| use_and_end(5000));
    let kept = allocation_counter::measure(|| runtime.enter(|| use_and_end(50_000)));
    assert!(kept.bytes_current < 10_000, "{kept:?}");
}

//! Stores, snapshots, resources, hooks, emitters, channels.

use crate::world::World;
use lunation::diagnostics_channel::{Channel, TracingChannel};
use lunation::{
    AsyncHooks, AsyncId, AsyncLocalStorage, AsyncResource, EventEmitter, EventEmitterAsyncResource,
    Inherit, ResourceKind, ResourceRef, Snapshot, bind, create_hook, events, next_tick, snapshot,
    spawn, spawn_blocking, spawn_detached, time, yield_now,
};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

static PLAIN: AsyncLocalStorage<Rc<[u8; 500]>> = AsyncLocalStorage::new();
static COUNTED: AsyncLocalStorage<u64> =
    AsyncLocalStorage::builder().name("counted").default_value(|| 7).build();
static MAPPED: AsyncLocalStorage<u64> =
    AsyncLocalStorage::builder().inherit(Inherit::Map(|n| (*n > 0).then(|| n - 1))).build();
static SENT: AsyncLocalStorage<String> = AsyncLocalStorage::builder().transferable().build();
static MESSAGES: Channel<u64> = Channel::new("soak.messages");
static CALLS: TracingChannel<u64, u64, String> = lunation::context::tracing_channel!("soak.calls");

const LEVELS: u64 = 32;

pub async fn stores(world: Rc<World>) {
    let _plain = PLAIN.enter(Rc::new([1; 500]));
    let _mapped = MAPPED.enter(3);
    let _sent = SENT.enter("far".repeat(100));
    COUNTED.enter_with(world.random(1000));
    inherited(3).await;
    assert_eq!(spawn_blocking(|| SENT.cloned()).await.ok().flatten(), Some("far".repeat(100)));
    // A storage for one round: its place is taken again.
    let own = AsyncLocalStorage::new();
    own.run(vec![0; 100], || {
        let kept = Snapshot::capture();
        PLAIN.exit(|| assert!(kept.run(|| PLAIN.with(|plain| plain.is_some()))));
        next_tick(move || assert!(PLAIN.with(|plain| plain.is_some())));
    });
    drop(own);
    PLAIN.scope(Rc::new([2; 500]), nested(&world, LEVELS)).await;
    let mut bound = bind(|| PLAIN.with(|plain| plain.map(|bytes| bytes[0])));
    let runs = snapshot();
    PLAIN.exit(|| assert_eq!(runs.run(|| PLAIN.with(|plain| plain.map(|it| it[0]))), Some(1)));
    PLAIN.exit(|| assert_eq!(bound.call(), Some(1)));
    resources().await;
    spawn_detached(async { assert_eq!(COUNTED.cloned(), Some(7)) });
    if world.random(10) == 0 {
        COUNTED.disable();
    }
}

/// Tasks of tasks, each with values of its own.
async fn inherited(depth: u64) {
    assert_eq!(MAPPED.cloned(), Some(depth).filter(|_| depth > 0).or(Some(0)));
    if depth > 0 {
        let children = [0, 1].map(|n| {
            spawn(async move {
                let _own = COUNTED.enter(n);
                yield_now().await;
                Box::pin(inherited(depth - 1)).await;
                assert_eq!(COUNTED.cloned(), Some(n));
            })
        });
        for child in children {
            assert!(child.await.is_ok());
        }
    }
}

async fn nested(world: &World, levels: u64) {
    let _guard = COUNTED.enter(levels);
    if levels > 0 {
        let deeper = COUNTED.scope(world.random(9), Box::pin(nested(world, levels - 1)));
        deeper.await;
    }
    yield_now().await;
    assert_eq!(COUNTED.cloned(), Some(levels));
}

async fn resources() {
    let resource = AsyncResource::new("SOAK");
    resource.run_in_async_scope(|| PLAIN.enter_with(Rc::new([3; 500])));
    resource.scope(async { yield_now().await }).await;
    drop(resource);
    let destroyed = AsyncResource::builder("SOAK").manual_destroy(true).build();
    destroyed.emit_destroy();
}

pub async fn listeners(world: Rc<World>) {
    let emitter = EventEmitter::<u64, u64>::new();
    let heard = Rc::new(Cell::new(0));
    for event in 0..20 {
        let heard = heard.clone();
        let once = emitter.once(event, |_| {});
        emitter.on(event, move |n| heard.set(heard.get() + n));
        emitter.emit(&event, &1);
        assert!(!emitter.off(&event, once));
    }
    assert_eq!(heard.get(), 20);
    emitter.remove_all(&3);
    let mut waiting = Box::pin(events::once(&emitter, 100));
    assert!(time::timeout(Duration::ZERO, waiting.as_mut()).await.is_err());
    drop(waiting);
    drop(events::on(&emitter, 100));
    let resource = EventEmitterAsyncResource::<u64>::new("SOAKEMITTER");
    resource.emit(&1, &());
    channels(&world).await;
}

async fn channels(world: &World) {
    let heard = Rc::new(Cell::new(0));
    let own = Channel::<u64>::new("soak.own");
    let count = || {
        let heard = heard.clone();
        move |n: &u64, _: &'static str| heard.set(heard.get() + n)
    };
    let subscriptions = [&MESSAGES, &own].map(|channel| channel.subscribe(count()));
    MESSAGES.bind_store(&COUNTED, |n| *n);
    MESSAGES.run_stores(&5, || assert_eq!(COUNTED.cloned(), Some(5)));
    own.publish(&6);
    assert_eq!(heard.get(), 11);
    MESSAGES.unbind_store(&COUNTED);
    drop(subscriptions);
    let traced = CALLS.end().subscribe(|_, _| {});
    assert_eq!(CALLS.trace_sync(1, || Ok(2)), Ok(2));
    let fails = async { Err("wanted".to_owned()) };
    assert!(CALLS.trace_future(world.random(9), fails).await.is_err());
    drop(traced);
}

/// Counts what begins and ends.
#[derive(Default)]
struct Lives {
    begun: Cell<u64>,
    ended: Cell<u64>,
}

impl AsyncHooks for Lives {
    fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.begun.set(self.begun.get() + 1);
    }

    fn destroy(&self, _: AsyncId) {
        self.ended.set(self.ended.get() + 1);
    }
}

/// Two hooks for a while, during which everything else goes on.
pub async fn hooks(_: Rc<World>) {
    let hooks = [create_hook(Lives::default()), create_hook(Lives::default())];
    for hook in &hooks {
        hook.enable();
    }
    time::sleep(Duration::from_secs(3)).await;
    for hook in &hooks {
        hook.disable();
    }
}

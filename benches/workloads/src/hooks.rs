//! Workloads with hooks.

use crate::Load;
use crate::peer::{Lunation, Peer};
use crate::tasks;
use crate::tasks::detach_batches;
use lunation::{AsyncHooks, AsyncId, Hook, ResourceKind, ResourceRef, create_hook};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

/// Counts its events.
#[derive(Default)]
struct Count(Cell<u64>);

impl Count {
    fn add(&self) {
        self.0.set(black_box(self.0.get() + 1));
    }
}

/// The events of a poll.
struct Polls(Count);

impl AsyncHooks for Polls {
    fn before(&self, _: AsyncId) {
        self.0.add();
    }

    fn after(&self, _: AsyncId) {
        self.0.add();
    }
}

/// The events of a whole life.
struct Lives(Count);

impl AsyncHooks for Lives {
    fn init(&self, _: AsyncId, _: ResourceKind, _: AsyncId, _: &ResourceRef) {
        self.0.add();
    }

    fn before(&self, _: AsyncId) {
        self.0.add();
    }

    fn after(&self, _: AsyncId) {
        self.0.add();
    }

    fn destroy(&self, _: AsyncId) {
        self.0.add();
    }
}

/// A hook that is enabled as long as this lives.
struct Enabled(Hook);

impl Enabled {
    fn new(hooks: impl AsyncHooks + 'static) -> Enabled {
        let hook = create_hook(hooks);
        hook.enable();
        Enabled(hook)
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        self.0.disable();
    }
}

/// Yields while a hook exists that is not enabled.
pub fn yields_disabled(load: Load) -> Duration {
    drop(Enabled::new(Polls(Count::default())));
    tasks::yields::<Lunation>(load)
}

/// Yields with a hook on `before` and `after`: two events each.
pub fn yields_enabled(load: Load) -> Duration {
    let _hook = Enabled::new(Polls(Count::default()));
    tasks::yields::<Lunation>(load)
}

/// Detached tasks with a hook on all of a life: init, before, after and destroy.
pub fn spawns_enabled(load: Load) -> Duration {
    let _hook = Enabled::new(Lives(Count::default()));
    Lunation::block_on(detach_batches::<Lunation>(load.ops))
}

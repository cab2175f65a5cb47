//! `hyper::rt` for the loop: its timer, and an executor for hyper's own tasks.

use crate::spawn::spawn_detached;
use crate::time;
use hyper::rt::{Executor, Sleep, Timer};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// hyper's timer on the loop's clock. Give it to every builder of hyper: without a timer hyper
/// drops its default header timeout, and panics at others.
///
/// Its sleeps are [`time::Sleep`]s: they must be polled in the runtime they were made in, and panic
/// elsewhere instead of hanging.
///
/// ```
/// use hyper::rt::Timer;
/// use lunation_executor::{HyperTimer, Runtime, time};
/// use std::time::Duration;
///
/// let runtime = Runtime::builder().start_paused(true).build().unwrap();
/// runtime.block_on(async {
///     let start = time::now();
///     let mut sleep = HyperTimer.sleep(Duration::from_secs(9));
///     HyperTimer.reset(&mut sleep, start + Duration::from_secs(3));
///     sleep.await;
///     assert_eq!(HyperTimer.now() - start, Duration::from_secs(3));
/// });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HyperTimer;

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(time::sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(time::sleep_until(deadline))
    }

    /// The loop's clock, which may be virtual.
    fn now(&self) -> Instant {
        time::now()
    }

    /// Arms the same sleep again, without an allocation.
    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<time::Sleep>() {
            Some(sleep) => sleep.reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

impl Sleep for time::Sleep {}

/// Spawns hyper's own tasks (connection drivers, pools, HTTP/2 streams) from the *empty* context:
/// they outlive the request that happened to start them, and would keep its stores alive.
///
/// An HTTP/2 server spawns each request's future through this; set its context in the service.
///
/// ```
/// use hyper::rt::Executor;
/// use lunation_context::AsyncLocalStorage;
/// use lunation_executor::{HyperExecutor, Runtime};
///
/// static REQUEST: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
/// let runtime = Runtime::new();
/// runtime.enter(|| {
///     REQUEST.run(1, || HyperExecutor.execute(async { assert_eq!(REQUEST.cloned(), None) }))
/// });
/// runtime.run_to_idle();
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HyperExecutor;

impl<F> Executor<F> for HyperExecutor
where
    F: Future + 'static,
{
    /// # Panics
    /// Outside of a runtime.
    fn execute(&self, future: F) {
        drop(spawn_detached(future));
    }
}

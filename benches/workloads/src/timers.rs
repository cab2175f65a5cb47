//! Workloads of the timers.

use crate::Load;
use crate::peer::{Lunation, Peer, Timers};
use rustix::time::{ClockId, clock_gettime};
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

/// Runs `f` inside of a task, with its context.
fn in_task<P: Peer>(mut f: impl FnMut(&mut Context<'_>) -> Duration + 'static) -> Duration {
    P::run_task(poll_fn(move |context| Poll::Ready(f(context))))
}

/// Registers a sleep that is not due.
pub fn arm<F: Future>(sleep: Pin<&mut F>, context: &mut Context<'_>) {
    assert!(sleep.poll(context).is_pending(), "a long sleep has ended");
}

/// For runtimes that cannot move a sleep: a new one in the place of the old one.
pub fn replace<F: Future>(
    make: impl Fn(Duration) -> F,
) -> impl Fn(Pin<&mut F>, Duration, &mut Context<'_>) {
    move |mut sleep, duration, context| {
        sleep.set(make(duration));
        arm(sleep, context);
    }
}

/// Sleeps that are made, polled once and dropped: what a timeout that does not fire costs. They
/// have `size` different durations.
pub fn sleeps<P: Timers>(load: Load) -> Duration {
    sleeps_of::<P, _>(load, P::sleep)
}

/// [`sleeps`] made by `make`.
pub fn sleeps_of<P: Peer, F: Future>(
    load: Load,
    make: impl Fn(Duration) -> F + 'static,
) -> Duration {
    in_task::<P>(move |context| {
        // Another timer is due before them, as it is in a server.
        let mut first = pin!(make(LONG / 2));
        arm(first.as_mut(), context);
        sleep_and_drop(load, &make, context)
    })
}

fn sleep_and_drop<F: Future>(
    load: Load,
    make: &impl Fn(Duration) -> F,
    context: &mut Context<'_>,
) -> Duration {
    let start = Instant::now();
    for n in 0..load.ops {
        let sleep = pin!(make(LONG + Duration::from_millis(n % load.size * 37)));
        arm(sleep, context);
    }
    start.elapsed()
}

/// [`sleeps`] while `size` others stand.
pub fn sleeps_among<P: Timers>(load: Load) -> Duration {
    in_task::<P>(move |context| {
        let _standing = standing(load.size, &P::sleep, context);
        sleep_and_drop(load, &P::sleep, context)
    })
}

/// Sleeps of half a minute as if they had been armed in the course of the last second.
fn standing<F: Future>(
    size: u64,
    make: &impl Fn(Duration) -> F,
    context: &mut Context<'_>,
) -> Vec<Pin<Box<F>>> {
    let after = |n| LONG - Duration::from_micros(n * 1_000_000 / size);
    let mut sleeps: Vec<_> = (0..size).map(|n| Box::pin(make(after(n)))).collect();
    sleeps.iter_mut().for_each(|sleep| arm(sleep.as_mut(), context));
    sleeps
}

/// The `n`th of indices below `size` in no order that a cache could foresee (Fibonacci hashing).
fn scattered(n: u64, size: u64) -> usize {
    ((n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % size) as usize
}

/// Moves the end of one of `size` sleeps to half a minute from now, which is later than before:
/// what a server does to the timeout of a connection that is in use.
pub fn rearm<P: Timers>(load: Load) -> Duration {
    rearm_of::<P, _>(load, P::sleep, P::rearm)
}

/// What of [`rearm`] is not the runtime's: the clock is read, and the sleep looked at.
pub fn look(load: Load) -> Duration {
    rearm_of::<Lunation, _>(load, Lunation::sleep, |sleep, duration, _| {
        black_box((lunation::time::now() + duration, sleep.deadline()));
    })
}

/// [`rearm`] of sleeps made by `make`.
pub fn rearm_of<P: Peer, F: Future>(
    load: Load,
    make: impl Fn(Duration) -> F + 'static,
    rearm: impl Fn(Pin<&mut F>, Duration, &mut Context<'_>) + 'static,
) -> Duration {
    in_task::<P>(move |context| {
        let mut sleeps = standing(load.size, &make, context);
        let start = Instant::now();
        for n in 0..load.ops {
            rearm(sleeps[scattered(n, load.size)].as_mut(), LONG, context);
        }
        start.elapsed()
    })
}

/// `Timeout::refresh` of one of `size` timeouts.
pub fn refresh(load: Load) -> Duration {
    in_task::<Lunation>(move |_| {
        let timeouts: Vec<_> = (0..load.size).map(|_| lunation::set_timeout(LONG, || {})).collect();
        let start = Instant::now();
        for n in 0..load.ops {
            timeouts[scattered(n, load.size)].refresh();
        }
        let elapsed = start.elapsed();
        timeouts.iter().for_each(lunation::clear_timeout);
        elapsed
    })
}

/// Processor time of tasks that each sleep once, for 1 to 100 ms: spawn, arm, fire, poll, join.
/// Fails if a sleep ends early.
pub fn fire<P: Timers>(load: Load) -> Duration {
    fire_of::<P, _>(load, P::sleep)
}

/// [`fire`] of sleeps made by `make`.
pub fn fire_of<P: Peer, F: Future + 'static>(load: Load, make: impl Fn(Duration) -> F) -> Duration {
    P::block_on(async move {
        let start = cpu_time();
        let mut random = 1_u64;
        let tasks: Vec<_> = (0..load.ops)
            .map(|_| {
                // Knuth's MMIX generator; its upper bits.
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let duration = Duration::from_millis(1 + (random >> 33) % 100);
                let end = Instant::now() + duration;
                P::spawn(nap(make(duration), end))
            })
            .collect();
        for task in tasks {
            P::join(task).await;
        }
        cpu_time() - start
    })
}

async fn nap<F: Future>(sleep: F, end: Instant) {
    sleep.await;
    assert!(Instant::now() >= end, "a sleep ended early");
}

/// Processor time that this process has used, all its threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

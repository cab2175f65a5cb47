//! Workloads of the timers.

use crate::peer::{Lunation, Peer, Timers};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Timers that stand while one of them is armed anew.
const STANDING: usize = 1000;
const LONG: Duration = Duration::from_secs(30);

/// Runs `f` inside of a task, with its context.
fn in_task<P: Peer>(mut f: impl FnMut(&mut Context<'_>) -> Duration + 'static) -> Duration {
    P::block_on(
        async move { P::join(P::spawn(poll_fn(move |context| Poll::Ready(f(context))))).await },
    )
}

/// A sleep that is made, polled once and dropped: what a timeout that does not fire costs. Its
/// durations are `spread` different ones.
fn sleeps<P: Timers>(ops: u64, spread: u64) -> Duration {
    in_task::<P>(move |context| {
        // Another timer is due before them, as it is in a server.
        let mut first = pin!(P::sleep(LONG / 2));
        P::poll(first.as_mut(), context);
        let start = Instant::now();
        for n in 0..ops {
            let sleep = pin!(P::sleep(LONG + Duration::from_millis(n % spread * 37)));
            P::poll(sleep, context);
        }
        start.elapsed()
    })
}

/// Sleeps of one duration.
pub fn sleeps_alike<P: Timers>(ops: u64) -> Duration {
    sleeps::<P>(ops, 1)
}

/// Sleeps of a thousand durations.
pub fn sleeps_apart<P: Timers>(ops: u64) -> Duration {
    sleeps::<P>(ops, 1000)
}

/// Moves the end of one of a thousand sleeps.
pub fn rearm<P: Timers>(ops: u64) -> Duration {
    in_task::<P>(move |context| {
        let mut sleeps: Vec<Pin<Box<P::Sleep>>> =
            (0..STANDING).map(|_| Box::pin(P::sleep(LONG))).collect();
        for sleep in &mut sleeps {
            P::poll(sleep.as_mut(), context);
        }
        let start = Instant::now();
        for n in 0..ops as usize {
            P::reset(sleeps[n * 7 % STANDING].as_mut(), LONG);
        }
        start.elapsed()
    })
}

/// `Timeout::refresh` of one of a thousand timeouts.
pub fn refresh(ops: u64) -> Duration {
    in_task::<Lunation>(move |_| {
        let timeouts: Vec<_> = (0..STANDING).map(|_| lunation::set_timeout(LONG, || {})).collect();
        let start = Instant::now();
        for n in 0..ops as usize {
            timeouts[n * 7 % STANDING].refresh();
        }
        let elapsed = start.elapsed();
        timeouts.iter().for_each(lunation::clear_timeout);
        elapsed
    })
}

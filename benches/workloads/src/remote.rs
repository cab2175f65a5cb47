//! Wakes from another thread.

use crate::Load;
use crate::peer::Peer;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// After so long without the last wake it is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often each task was woken.
type Counts = Arc<[AtomicU64]>;

/// Another thread wakes `size` tasks in turn, as fast as it can, `ops` times in all. Each wake adds
/// one to a number; a task ends when it has seen its whole share, so that a lost wake is noticed.
pub fn flood<P: Peer>(load: Load) -> Duration {
    let counts: Counts = (0..load.size).map(|_| AtomicU64::new(0)).collect();
    let (send_wakers, wakers) = mpsc::channel();
    let (send_done, done) = mpsc::channel();
    let thread = {
        let counts = Arc::clone(&counts);
        std::thread::spawn(move || wake_all(&counts, &wakers, load.ops, &done))
    };
    let elapsed = P::block_on(async move {
        let tasks: Vec<_> = (0..load.size as usize)
            .map(|task| {
                let share = load.ops / load.size;
                P::spawn(woken(task, Arc::clone(&counts), share, send_wakers.clone()))
            })
            .collect();
        drop(send_wakers);
        let start = Instant::now();
        for task in tasks {
            P::join(task).await;
        }
        start.elapsed()
    });
    drop(send_done);
    thread.join().expect("the waking thread does not panic");
    elapsed
}

async fn woken(task: usize, counts: Counts, share: u64, wakers: Sender<(usize, Waker)>) {
    let mut is_known = false;
    poll_fn(move |context| {
        if !std::mem::replace(&mut is_known, true) {
            // The other thread outlives this task.
            let _ = wakers.send((task, context.waker().clone()));
        }
        if counts[task].load(Ordering::Acquire) == share {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

fn wake_all(
    counts: &[AtomicU64],
    wakers: &Receiver<(usize, Waker)>,
    ops: u64,
    done: &Receiver<()>,
) {
    let mut known: Vec<_> = wakers.iter().take(counts.len()).collect();
    known.sort_by_key(|(task, _)| *task);
    for (task, waker) in known.iter().cycle().take(ops as usize) {
        counts[*task].fetch_add(1, Ordering::Release);
        waker.wake_by_ref();
    }
    if done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        eprintln!("a wake from another thread is lost");
        std::process::abort();
    }
}

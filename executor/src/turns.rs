//! Futures that wait for a place in the loop: no resources, only wake-ups.

use crate::current;
use crate::event_loop::EventLoop;
use crate::task::callback;
use lunation_context::Activation;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

/// Waits for the tick queue: the task goes on after the ticks queued so far, in the microtask that
/// its wake-up makes. Node: `await new Promise(process.nextTick)`.
///
/// # Panics
/// Polling it panics outside of a runtime.
///
/// # Cancel safety
/// Cancel safe: dropping it forgets the wake-up.
pub fn tick() -> Tick {
    Tick { waiting: None }
}

/// Waits for one turn of the microtask queue: everything queued before runs first. Node:
/// `await undefined`.
///
/// # Cancel safety
/// Cancel safe.
pub fn microtask() -> Microtask {
    Microtask { polled: false }
}

/// Waits for the next check phase: I/O that is ready and all microtasks run first. Node:
/// `await new Promise(setImmediate)`.
///
/// # Panics
/// Polling it panics outside of a runtime, and after the end of the one it waits in.
///
/// # Cancel safety
/// Cancel safe: dropping it takes its entry back.
pub fn immediate() -> ImmediateTurn {
    ImmediateTurn { waiting: None }
}

/// Lets the loop make a turn: the task goes on in the check phase. Tokio: `task::yield_now`.
///
/// The same as [`immediate`]. A long computation that calls it now and then starves neither I/O
/// nor timers; [`microtask`] would, as the microtask queue is drained until it is empty.
///
/// # Panics
/// Polling it panics outside of a runtime.
///
/// # Cancel safety
/// Cancel safe.
pub fn yield_now() -> ImmediateTurn {
    immediate()
}

enum TickState {
    Waiting(Waker),
    Fired,
    Dropped,
}

/// The future of [`tick`].
#[must_use = "futures do nothing unless polled"]
pub struct Tick {
    waiting: Option<Rc<Cell<TickState>>>,
}

impl Future for Tick {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waker = context.waker().clone();
        if let Some(state) = &self.waiting {
            return match state.replace(TickState::Waiting(waker)) {
                TickState::Waiting(_) => Poll::Pending,
                TickState::Fired | TickState::Dropped => {
                    self.waiting = None;
                    Poll::Ready(())
                }
            };
        }
        let state = Rc::new(Cell::new(TickState::Waiting(waker)));
        let fired = Rc::clone(&state);
        let wake = move || {
            if let TickState::Waiting(waker) = fired.replace(TickState::Fired) {
                waker.wake();
            }
        };
        current::with_core(|core| {
            callback::push::<_, false>(core, &core.ticks, wake, Activation::of_loop);
        });
        self.waiting = Some(state);
        Poll::Pending
    }
}

impl Drop for Tick {
    fn drop(&mut self) {
        if let Some(state) = &self.waiting {
            drop(state.replace(TickState::Dropped));
        }
    }
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tick").field("waiting", &self.waiting.is_some()).finish()
    }
}

/// The future of [`microtask`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Microtask {
    polled: bool,
}

impl Future for Microtask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The future of [`immediate`] and [`yield_now`].
#[must_use = "futures do nothing unless polled"]
pub struct ImmediateTurn {
    /// The number of its entry in the check phase, from the first poll on.
    waiting: Option<(Weak<EventLoop>, u64)>,
}

impl Future for ImmediateTurn {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some((event_loop, number)) = &self.waiting else {
            let event_loop = current::current();
            let number = event_loop.immediates.wait(context.waker());
            self.waiting = Some((Rc::downgrade(&event_loop), number));
            return Poll::Pending;
        };
        let event_loop = event_loop.upgrade().expect("its runtime has not ended");
        if !event_loop.immediates.poll_wait(*number, context.waker()) {
            return Poll::Pending;
        }
        self.waiting = None;
        Poll::Ready(())
    }
}

impl Drop for ImmediateTurn {
    fn drop(&mut self) {
        if let Some((event_loop, number)) = self.waiting.take()
            && let Some(event_loop) = event_loop.upgrade()
        {
            event_loop.immediates.cancel_wait(number);
        }
    }
}

impl fmt::Debug for ImmediateTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImmediateTurn").field("waiting", &self.waiting.is_some()).finish()
    }
}

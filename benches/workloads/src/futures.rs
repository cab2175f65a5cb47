//! The futures that all runtimes poll.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Wakes itself once: one pass through the scheduler.
pub struct Again(bool);

/// A future that is pending once.
pub fn again() -> Again {
    Again(false)
}

impl Future for Again {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Yields `count` times.
pub async fn turns(count: u64) {
    for _ in 0..count {
        again().await;
    }
}

/// What two players share: whose turn it is, and who must be woken.
pub struct Table {
    wakers: [Cell<Option<Waker>>; 2],
    turn: Cell<usize>,
    left: Cell<u64>,
}

impl Table {
    /// A table for `switches` switches from one player to the other.
    pub fn new(switches: u64) -> Rc<Table> {
        Rc::new(Table { wakers: Default::default(), turn: Cell::new(0), left: Cell::new(switches) })
    }
}

/// One of two tasks that wake each other in turn.
pub struct Player {
    pub table: Rc<Table>,
    pub number: usize,
}

impl Future for Player {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (table, other) = (&self.table, 1 - self.number);
        let over = table.left.get() == 0;
        if !over {
            table.wakers[self.number].set(Some(context.waker().clone()));
            if table.turn.get() != self.number {
                return Poll::Pending;
            }
            table.turn.set(other);
            table.left.set(table.left.get() - 1);
        }
        if let Some(waker) = table.wakers[other].take() {
            waker.wake();
        }
        if over { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The least that a broadcast can be: a list of wakers and a number that changes.
#[derive(Default)]
pub struct Broadcast {
    size: usize,
    waiters: RefCell<Vec<Waker>>,
    /// Only to give both lists their memory back.
    woken: RefCell<Vec<Waker>>,
    number: Cell<u64>,
    sender: Cell<Option<Waker>>,
}

impl Broadcast {
    /// A broadcast to `size` waiters.
    pub fn new(size: usize) -> Broadcast {
        Broadcast { size, ..Broadcast::default() }
    }

    /// Wakes all as soon as all wait.
    pub async fn send(&self) {
        poll_fn(|context| {
            if self.waiters.borrow().len() == self.size {
                return Poll::Ready(());
            }
            self.sender.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
        self.number.set(self.number.get() + 1);
        let mut woken = self.woken.borrow_mut();
        std::mem::swap(&mut *woken, &mut *self.waiters.borrow_mut());
        woken.drain(..).for_each(Waker::wake);
    }

    /// Waits for the next one.
    pub async fn next(&self) {
        let seen = self.number.get();
        poll_fn(|context| {
            if self.number.get() != seen {
                return Poll::Ready(());
            }
            let mut waiters = self.waiters.borrow_mut();
            waiters.push(context.waker().clone());
            if waiters.len() == self.size {
                self.sender.take().into_iter().for_each(Waker::wake);
            }
            Poll::Pending
        })
        .await;
    }
}

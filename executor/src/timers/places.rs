//! The places of timers: a slab whose entries are linked into lists. A million of them may wait.

use crate::clock::Millis;
use crate::limits::TIMER_RESERVE;
use crate::task::waker::prefetch;

/// No timer, no list.
pub(crate) const NONE: u32 = u32::MAX;

/// An index as a link.
pub(crate) fn link(index: usize) -> u32 {
    u32::try_from(index).ok().filter(|&index| index != NONE).expect("fewer than 2^32 timers")
}

/// Names a timer, also after it has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TimerKey {
    index: u32,
    generation: u32,
}

impl TimerKey {
    /// Names no timer.
    pub(crate) const NONE: TimerKey = TimerKey { index: NONE, generation: 0 };

    /// The key as a number, for handles that cross threads.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> TimerKey {
        TimerKey { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// When a timer was armed or, of one that was put off, when it is due; with two flags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start(u64);

impl Start {
    /// The timer keeps the loop alive.
    const REFED: u64 = 1 << 63;
    /// The timer was put off: it ends later than its place in the list says.
    const PUT_OFF: u64 = 1 << 62;

    #[inline]
    pub(crate) fn new(at: Millis, refed: bool) -> Start {
        // 2^62 ms are 146 million years.
        Start(at.min(Start::PUT_OFF - 1) | if refed { Start::REFED } else { 0 })
    }

    pub(crate) fn put_off(self) -> Start {
        Start(self.0 | Start::PUT_OFF)
    }

    pub(crate) fn at(self) -> Millis {
        self.0 & (Start::PUT_OFF - 1)
    }

    pub(crate) fn refed(self) -> bool {
        self.0 & Start::REFED != 0
    }

    pub(crate) fn is_put_off(self) -> bool {
        self.0 & Start::PUT_OFF != 0
    }
}

/// A timer, or a free place for one.
///
/// In this order: what putting it off touches is 16 bytes and, as places are 48 bytes long, never
/// lies in two cache lines. Where very many wait that is what it costs.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Timer<P> {
    pub(crate) start: Start,
    /// One more each time that the place becomes free.
    generation: u32,
    pub(crate) list: u32,
    previous: u32,
    /// In a free place the next free one.
    next: u32,
    pub(crate) payload: Option<P>,
}

/// Both ends of a list of timers.
#[derive(Debug)]
pub(crate) struct Ends {
    head: u32,
    tail: u32,
}

impl Ends {
    pub(crate) const EMPTY: Ends = Ends { head: NONE, tail: NONE };

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

/// All timers of a loop. Each stands in one list.
#[derive(Debug)]
pub(crate) struct Places<P> {
    timers: Vec<Timer<P>>,
    free: u32,
    len: u32,
    refed: usize,
}

impl<P> Default for Places<P> {
    fn default() -> Places<P> {
        Places { timers: Vec::new(), free: NONE, len: 0, refed: 0 }
    }
}

impl<P> Places<P> {
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) fn refed(&self) -> usize {
        self.refed
    }

    #[inline]
    pub(crate) fn get(&self, key: TimerKey) -> Option<&Timer<P>> {
        self.timers.get(key.index as usize).filter(|timer| timer.generation == key.generation)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: TimerKey) -> Option<&mut Timer<P>> {
        let timer = self.timers.get_mut(key.index as usize);
        timer.filter(|timer| timer.generation == key.generation)
    }

    /// All timers, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TimerKey, &Timer<P>)> {
        let timers = self.timers.iter().zip(0..).filter(|(timer, _)| timer.payload.is_some());
        timers.map(|(timer, index)| (TimerKey { index, generation: timer.generation }, timer))
    }

    /// The first timer of a list.
    #[inline]
    pub(crate) fn first(&self, ends: &Ends) -> Option<(TimerKey, &Timer<P>)> {
        let first = self.timers.get(ends.head as usize)?;
        Some((TimerKey { index: ends.head, generation: first.generation }, first))
    }

    /// Lets the processor fetch the timer that follows.
    pub(crate) fn prefetch_next(&self, timer: &Timer<P>) {
        if let Some(next) = self.timers.get(timer.next as usize) {
            prefetch(next, 1);
        }
    }

    /// Adds a timer at the end of a list.
    #[inline(always)]
    pub(crate) fn insert(
        &mut self,
        start: Start,
        payload: P,
        list: u32,
        ends: &mut Ends,
    ) -> TimerKey {
        let index = if self.free == NONE { self.add() } else { self.free };
        let timer = &mut self.timers[index as usize];
        self.free = timer.next;
        timer.start = start;
        timer.payload = Some(payload);
        let generation = timer.generation;
        self.len += 1;
        self.refed += usize::from(start.refed());
        let key = TimerKey { index, generation };
        self.append(key, list, ends);
        key
    }

    /// Frees the place of a timer that is in its list; `ends` are those of the list.
    #[inline(always)]
    pub(crate) fn remove(&mut self, key: TimerKey, ends: &mut Ends) -> Option<P> {
        let timer = &mut self.timers[key.index as usize];
        timer.generation = timer.generation.wrapping_add(1);
        let next = std::mem::replace(&mut timer.next, self.free);
        let (previous, payload) = (timer.previous, timer.payload.take());
        self.free = key.index;
        self.len -= 1;
        self.refed -= usize::from(timer.start.refed());
        self.connect(previous, next, ends);
        payload
    }

    /// Sets whether a timer keeps the loop alive, and returns the timer.
    #[inline]
    pub(crate) fn set_refed(&mut self, key: TimerKey, refed: bool) -> Option<&mut Timer<P>> {
        let timer = self.timers.get_mut(key.index as usize);
        let timer = timer.filter(|timer| timer.generation == key.generation)?;
        if timer.start.refed() != refed {
            timer.start.0 ^= Start::REFED;
            self.refed = self.refed.wrapping_add_signed(if refed { 1 } else { -1 });
        }
        Some(timer)
    }

    /// A free place more. The memory grows by a quarter each time, not to twice as much: unused
    /// places would be most of it.
    fn add(&mut self) -> u32 {
        let len = self.timers.len();
        if len == self.timers.capacity() {
            self.timers.reserve_exact(len / 4 + TIMER_RESERVE);
        }
        let (generation, list, start) = (0, NONE, Start(0));
        let free = Timer { generation, list, previous: NONE, next: NONE, start, payload: None };
        self.timers.push(free);
        link(len)
    }

    /// Puts a timer that stands in no list at the end of one.
    #[inline(always)]
    pub(crate) fn append(&mut self, key: TimerKey, list: u32, ends: &mut Ends) {
        let tail = std::mem::replace(&mut ends.tail, key.index);
        match self.timers.get_mut(tail as usize) {
            Some(tail) => tail.next = key.index,
            None => ends.head = key.index,
        }
        let timer = &mut self.timers[key.index as usize];
        timer.list = list;
        timer.previous = tail;
        timer.next = NONE;
    }

    /// Takes a timer out of its list.
    #[inline(always)]
    pub(crate) fn unlink(&mut self, key: TimerKey, ends: &mut Ends) {
        let Timer { previous, next, .. } = self.timers[key.index as usize];
        self.connect(previous, next, ends);
    }

    /// Moves a timer to the end of its list.
    #[inline]
    pub(crate) fn move_to_end(&mut self, key: TimerKey, ends: &mut Ends) {
        if ends.tail != key.index {
            let list = self.timers[key.index as usize].list;
            self.unlink(key, ends);
            self.append(key, list, ends);
        }
    }

    /// Makes two places neighbours; NONE stands for an end of the list.
    #[inline(always)]
    fn connect(&mut self, previous: u32, next: u32, ends: &mut Ends) {
        match self.timers.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => ends.head = next,
        }
        match self.timers.get_mut(next as usize) {
            Some(next) => next.previous = previous,
            None => ends.tail = previous,
        }
    }
}

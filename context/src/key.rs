//! Keys of storages: a dense index for the slot and a number that is never used again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The low bits of a key are the index of its slot.
const INDEX_BITS: u32 = 16;
/// Live storages at a time: a frame's length must fit into 16 bits.
const MAX_LIVE: usize = 65_535;

/// The slot index in a key.
#[inline]
pub(crate) const fn index_of(key: u64) -> usize {
    (key & ((1 << INDEX_BITS) - 1)) as usize
}

/// The key of one storage of `T`s: taken at the first use, given back on drop.
///
/// Two keys never hold the same number, not even one after the other, so a value that bears
/// this key's number was made through this key and is a `T`. The key is invariant in `T` for
/// the same reason.
pub(crate) struct Key<T> {
    /// sequence << 16 | index; 0 = not taken yet.
    state: AtomicU64,
    invariant: PhantomData<fn(T) -> T>,
}

/// Who has which index; locked only when a key is taken, changed or given back.
struct Registry {
    next_sequence: u64,
    slots: Vec<Slot>,
    /// The lowest index is taken first, so frames stay short.
    free: BinaryHeap<Reverse<usize>>,
}

#[derive(Clone, Copy)]
struct Slot {
    /// The first number of the present owner.
    birth: u64,
    /// The present number; 0 = free.
    current: u64,
}

static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { next_sequence: 1, slots: Vec::new(), free: BinaryHeap::new() });

fn registry() -> MutexGuard<'static, Registry> {
    // No user code runs under the lock and each change is complete before anything can panic.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    fn number(&mut self, index: usize) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        sequence << INDEX_BITS | index as u64
    }

    fn take(&mut self) -> Option<u64> {
        let index = match self.free.pop() {
            Some(Reverse(index)) => index,
            None if self.slots.len() == MAX_LIVE => return None,
            None => {
                self.slots.push(Slot { birth: 0, current: 0 });
                self.slots.len() - 1
            }
        };
        let number = self.number(index);
        self.slots[index] = Slot { birth: number, current: number };
        Some(number)
    }
}

impl<T> Key<T> {
    pub(crate) const fn new() -> Self {
        Key { state: AtomicU64::new(0), invariant: PhantomData }
    }

    /// The present number; 0 if none was taken, and then no value bears it.
    #[inline]
    pub(crate) fn peek(&self) -> u64 {
        // Relaxed: the number stands for itself, no other memory hangs on it.
        self.state.load(Ordering::Relaxed)
    }

    /// The present number, taken now if need be.
    ///
    /// # Panics
    /// If 65,535 storages are live.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        match self.peek() {
            0 => self.take(),
            number => number,
        }
    }

    #[cold]
    #[inline(never)]
    fn take(&self) -> u64 {
        let mut registry = registry();
        let known = self.peek();
        if known != 0 {
            return known;
        }
        let taken = registry.take();
        if let Some(number) = taken {
            self.state.store(number, Ordering::Relaxed);
        }
        drop(registry);
        taken.unwrap_or_else(|| {
            panic!("more than {MAX_LIVE} AsyncLocalStorage are alive: make them static, or fewer")
        })
    }

    /// Takes a new number for the same index: no value that exists bears it.
    pub(crate) fn renew(&self) {
        let mut registry = registry();
        let known = self.peek();
        if known != 0 {
            let number = registry.number(index_of(known));
            registry.slots[index_of(known)].current = number;
            self.state.store(number, Ordering::Relaxed);
        }
    }

    /// The first number this key had, which stays the same when it is renewed.
    pub(crate) fn birth(&self) -> u64 {
        let number = self.get();
        registry().slots[index_of(number)].birth
    }
}

impl<T> Drop for Key<T> {
    fn drop(&mut self) {
        let number = *self.state.get_mut();
        if number != 0 {
            let mut registry = registry();
            registry.slots[index_of(number)] = Slot { birth: 0, current: 0 };
            registry.free.push(Reverse(index_of(number)));
        }
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&format_args!("{:#x}", self.peek())).finish()
    }
}

/// A number that no key and no other caller of this ever gets.
pub(crate) fn unique_number() -> u64 {
    let mut registry = registry();
    // The index does not matter: no slot is taken.
    registry.number(0)
}

/// Is this the present number of some storage?
pub(crate) fn is_live(number: u64) -> bool {
    registry().slots.get(index_of(number)).is_some_and(|slot| slot.current == number)
}

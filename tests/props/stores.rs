//! The storages of the programs and the values in them.

use crate::lockstep::{check, expect};
use crate::model::{self, FIRST_NUMBER, STORES};
use lunation::{AsyncLocalStorage, Inherit, StoreGuard};
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::Pin;

pub(crate) type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// A value: a number in some shape.
pub(crate) trait Shape: Sized + 'static {
    fn new(number: u64) -> Self;
    fn number(&self) -> u64;
    /// For `Inherit::Map`. User code: it may look at the stores.
    fn map(&self) -> Option<Self> {
        check("Inherit::Map");
        model::mapped(self.number()).map(Self::new)
    }
}

/// A value whose drops are counted, and that uses the stores when it is dropped.
pub(crate) struct Tracked(u64);
/// A value without drop code.
pub(crate) struct Plain(u64);
/// A value that is larger than most.
pub(crate) struct Wide([u64; 12]);

thread_local! {
    /// The numbers of the tracked values that exist.
    static LIVE: RefCell<HashMap<u64, usize>> = RefCell::default();
}

/// The tracked values of the program that exist.
pub(crate) fn live_values() -> Vec<u64> {
    LIVE.with_borrow(|live| live.keys().copied().collect())
}

/// Forgets what an earlier program that failed has left.
pub(crate) fn forget_values() {
    LIVE.with_borrow_mut(HashMap::clear);
}

/// Of the values made by the drop of a value: they do nothing.
const QUIET: u64 = 99;

impl Shape for Tracked {
    fn new(number: u64) -> Tracked {
        if number >= FIRST_NUMBER {
            LIVE.with_borrow_mut(|live| *live.entry(number).or_default() += 1);
        }
        Tracked(number)
    }

    fn number(&self) -> u64 {
        self.0
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if self.0 < FIRST_NUMBER {
            return;
        }
        let known = LIVE.with_borrow_mut(|live| {
            let Entry::Occupied(mut count) = live.entry(self.0) else { return false };
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
            true
        });
        expect(known, || format!("value {} was dropped once too often", self.0));
        // Where a value dies is not told; that the stores work there is.
        let before = read_all();
        for store in ALL {
            let mut inside = None;
            store.run(QUIET, &mut || inside = store.read());
            expect(inside == Some(QUIET), || {
                format!("run in the drop of value {}: {inside:?}", self.0)
            });
        }
        let after = read_all();
        expect(before == after, || {
            format!("the drop of value {} has changed {before:?} to {after:?}", self.0)
        });
    }
}

impl Shape for Plain {
    fn new(number: u64) -> Plain {
        Plain(number)
    }

    fn number(&self) -> u64 {
        self.0
    }
}

impl Shape for Wide {
    fn new(number: u64) -> Wide {
        Wide([number; 12])
    }

    fn number(&self) -> u64 {
        let [first, .., last] = self.0;
        if first == last { first } else { 0 }
    }
}

/// A storage of any shape.
pub(crate) trait Storage: Sync {
    fn read(&self) -> Option<u64>;
    /// Calls `f` with a reference to the value held; whether the value stayed the same.
    fn with(&self, f: &mut dyn FnMut()) -> bool;
    fn run(&self, number: u64, f: &mut dyn FnMut());
    fn exit(&self, f: &mut dyn FnMut());
    fn enter(&'static self, number: u64) -> Box<dyn Guard>;
    fn enter_with(&self, number: u64);
    fn scope(&self, number: u64, future: Boxed) -> Boxed;
    fn disable(&self);
    /// A kept `Store`, as a way to read it.
    fn keep(&self) -> Option<Box<dyn Fn() -> u64>>;
}

/// A `StoreGuard` of any shape.
pub(crate) trait Guard {
    fn forget(self: Box<Self>);
}

impl<T> Guard for StoreGuard<'static, T> {
    fn forget(self: Box<Self>) {
        std::mem::forget(*self);
    }
}

impl<T: Shape> Storage for AsyncLocalStorage<T> {
    fn read(&self) -> Option<u64> {
        AsyncLocalStorage::with(self, |value| value.map(Shape::number))
    }

    fn with(&self, f: &mut dyn FnMut()) -> bool {
        AsyncLocalStorage::with(self, |value| {
            let before = value.map(Shape::number);
            f();
            before == value.map(Shape::number)
        })
    }

    fn run(&self, number: u64, f: &mut dyn FnMut()) {
        AsyncLocalStorage::run(self, T::new(number), f);
    }

    fn exit(&self, f: &mut dyn FnMut()) {
        AsyncLocalStorage::exit(self, f);
    }

    fn enter(&'static self, number: u64) -> Box<dyn Guard> {
        Box::new(AsyncLocalStorage::enter(self, T::new(number)))
    }

    fn enter_with(&self, number: u64) {
        AsyncLocalStorage::enter_with(self, T::new(number));
    }

    fn scope(&self, number: u64, future: Boxed) -> Boxed {
        Box::pin(AsyncLocalStorage::scope(self, T::new(number), future))
    }

    fn disable(&self) {
        AsyncLocalStorage::disable(self);
    }

    fn keep(&self) -> Option<Box<dyn Fn() -> u64>> {
        let store = self.get_store()?;
        // A clone shares the value.
        let clone = store.clone();
        Some(Box::new(move || {
            if std::ptr::eq(&raw const *store, &raw const *clone) { clone.number() } else { 0 }
        }))
    }
}

static PLAIN: AsyncLocalStorage<Plain> = AsyncLocalStorage::new();
static TRACKED: AsyncLocalStorage<Tracked> = AsyncLocalStorage::new();
static DEFAULT: AsyncLocalStorage<Tracked> =
    AsyncLocalStorage::builder().default_value(|| Tracked::new(2)).build();
static NEVER: AsyncLocalStorage<Tracked> =
    AsyncLocalStorage::builder().inherit(Inherit::Never).build();
static MAP: AsyncLocalStorage<Tracked> =
    AsyncLocalStorage::builder().inherit(Inherit::Map(Tracked::map)).build();
static WIDE: AsyncLocalStorage<Wide> = AsyncLocalStorage::builder()
    .default_value(|| Wide::new(5))
    .inherit(Inherit::Map(Wide::map))
    .build();

/// In the order of the model's rules.
pub(crate) static ALL: [&dyn Storage; STORES] = [&TRACKED, &PLAIN, &DEFAULT, &NEVER, &MAP, &WIDE];

/// What all storages read here.
pub(crate) fn read_all() -> [Option<u64>; STORES] {
    ALL.map(Storage::read)
}

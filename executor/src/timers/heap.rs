//! A 4-ary heap of timer lists by (expiry, sequence), which tells where each list stands.

use crate::clock::Millis;

const ARITY: usize = 4;

/// What the heap orders: `sequence` is unique, so no two items are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    pub(crate) expiry: Millis,
    pub(crate) sequence: u64,
    pub(crate) list: usize,
}

/// The heap. Every method that moves items reports each new place to `moved(list, position)`.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    items: Vec<Item>,
}

impl Heap {
    pub(crate) fn first(&self) -> Option<Item> {
        self.items.first().copied()
    }

    pub(crate) fn push(&mut self, item: Item, mut moved: impl FnMut(usize, usize)) {
        self.items.push(item);
        self.rise(self.items.len() - 1, &mut moved);
    }

    pub(crate) fn remove(&mut self, position: usize, mut moved: impl FnMut(usize, usize)) {
        self.items.swap_remove(position);
        if position < self.items.len() {
            self.settle(position, &mut moved);
        }
    }

    pub(crate) fn replace(
        &mut self,
        position: usize,
        item: Item,
        mut moved: impl FnMut(usize, usize),
    ) {
        self.items[position] = item;
        self.settle(position, &mut moved);
    }

    fn settle(&mut self, position: usize, moved: &mut impl FnMut(usize, usize)) {
        let position = self.rise(position, moved);
        self.sink(position, moved);
    }

    /// Moves an item towards the root; reports and returns where it stays.
    fn rise(&mut self, mut position: usize, moved: &mut impl FnMut(usize, usize)) -> usize {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.items[parent] < self.items[position] {
                break;
            }
            self.items.swap(parent, position);
            moved(self.items[position].list, position);
            position = parent;
        }
        moved(self.items[position].list, position);
        position
    }

    /// Moves an item away from the root; reports where it stays.
    fn sink(&mut self, mut position: usize, moved: &mut impl FnMut(usize, usize)) {
        loop {
            let first = position * ARITY + 1;
            let children = first..(first + ARITY).min(self.items.len());
            let Some(least) = children.min_by_key(|&child| self.items[child]) else { break };
            if self.items[position] < self.items[least] {
                break;
            }
            self.items.swap(position, least);
            moved(self.items[position].list, position);
            position = least;
        }
        moved(self.items[position].list, position);
    }
}

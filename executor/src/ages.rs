//! When numbered things happened, without a time stamp in each of them.
//!
//! Ids, and the waits of I/O, are counted. The loop notes now and then how far a count has come;
//! from that a number's time follows. Old notes are thinned out by their age, so a loop of any age
//! keeps some hundreds of them.

use crate::clock::Millis;
use crate::limits::AGE_PRECISION;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// The count had reached `number` at `at`.
#[derive(Debug, Clone, Copy)]
struct Note {
    number: u64,
    at: Millis,
}

/// The times of one count.
#[derive(Debug, Default)]
pub(crate) struct Ages {
    /// The last note.
    number: Cell<u64>,
    at: Cell<Millis>,
    /// Those before. Both parts increase from each to the next.
    earlier: RefCell<Vec<Note>>,
}

impl Ages {
    /// Whether the last note says all: then no other is due.
    #[inline]
    pub(crate) fn is_noted(&self, number: u64) -> bool {
        self.number.get() == number
    }

    /// The count stands at `number`. To be called before the loop sleeps, and when it has read its
    /// clock anyway.
    #[inline]
    pub(crate) fn note(&self, number: u64, now: Millis) {
        if self.number.get() != number {
            if self.at.get() != now {
                self.keep_last(now);
            }
            self.number.set(number);
        }
    }

    #[inline(never)]
    fn keep_last(&self, now: Millis) {
        let last = Note { number: self.number.get(), at: self.at.replace(now) };
        let mut earlier = self.earlier.borrow_mut();
        if earlier.len() == earlier.capacity() {
            thin(&mut earlier, now);
            // Half of it is free then: the work is shared by as many notes.
            let more = earlier.len().max(32);
            earlier.reserve(more);
        }
        earlier.push(last);
    }

    /// How old a number is: the time since the loop noted it. That is too little by the time until
    /// the note and at most four [`AGE_PRECISION`]s, never too much.
    pub(crate) fn age(&self, number: u64, now: Millis) -> Duration {
        let earlier = self.earlier.borrow();
        let first = earlier.partition_point(|note| note.number < number);
        let last = if number <= self.number.get() { self.at.get() } else { now };
        let at = earlier.get(first).map_or(last, |note| note.at);
        Duration::from_millis(now.saturating_sub(at))
    }
}

/// Takes out the notes whose numbers may as well have the time of the next note that stays.
fn thin(notes: &mut Vec<Note>, now: Millis) {
    notes.reverse();
    let mut later = now;
    notes.retain(|note| {
        let keep = later - note.at > (now - later) / AGE_PRECISION;
        if keep {
            later = note.at;
        }
        keep
    });
    notes.reverse();
}

#[cfg(test)]
mod tests {
    use super::Ages;
    use proptest::prelude::*;

    proptest! {
        /// Against a log of everything: no age is greater than the time since the note, none is
        /// much less, and the memory does not grow with the log.
        #[test]
        fn ages_are_near_the_truth(
            steps in prop::collection::vec((0_u64..3, 0_u64..200, any::<bool>()), 1..3000),
        ) {
            let (ages, mut noted) = (Ages::default(), vec![0]);
            let (mut now, mut count) = (0, 0);
            for (born, passed, notes) in steps {
                now += passed;
                count += born;
                if notes {
                    noted.resize(count as usize + 1, now);
                    ages.note(count, now);
                }
            }
            // What was not noted is new.
            noted.resize(count as usize + 1, now);
            for (number, at) in noted.iter().enumerate().skip(1) {
                let (most, age) = (now - at, ages.age(number as u64, now).as_millis() as u64);
                prop_assert!(age <= most && age >= most / 4 * 3, "{age} for {most}");
            }
            prop_assert!(ages.earlier.borrow().capacity() < 1000);
        }
    }

    #[test]
    fn a_number_that_was_not_noted_is_new() {
        let ages = Ages::default();
        ages.note(5, 10);
        assert_eq!((ages.age(5, 30).as_millis(), ages.age(6, 30).as_millis()), (20, 0));
    }
}

//! Things put in order some at a time: runs are sorted as they fill, and merged as they are taken.
//!
//! Sorting all of them at once would be one long turn. A list that fits into one run is sorted just
//! so.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::vec::IntoIter;

/// Things in a run: sorting them takes a few hundred microseconds.
const RUN: usize = 4096;

/// Things that are taken in ascending order of their keys, those of equal keys as they came.
#[derive(Debug)]
pub struct Ordered<K, T> {
    key: fn(&T) -> K,
    /// Things in a run.
    run: usize,
    /// All but the last are sorted, and as long as a run.
    runs: Vec<Vec<T>>,
    /// Once taking has begun, what is left of each run.
    left: Vec<IntoIter<T>>,
    /// The key of the first thing that is left of each run, and the run.
    next: BinaryHeap<Reverse<(K, usize)>>,
}

impl<K: Ord + Copy, T> Ordered<K, T> {
    /// None yet; `key` is what they are ordered by.
    pub fn by(key: fn(&T) -> K) -> Self {
        Ordered { key, run: RUN, runs: Vec::new(), left: Vec::new(), next: BinaryHeap::new() }
    }

    /// Puts another one in. All are put in before the first is taken.
    #[inline]
    pub fn push(&mut self, thing: T) {
        match self.runs.last_mut() {
            Some(run) if run.len() < self.run => run.push(thing),
            _ => self.begin_run(thing),
        }
    }

    fn begin_run(&mut self, thing: T) {
        self.sort_last();
        // The first run may stay the only one, and be short.
        let mut run = if self.runs.is_empty() { Vec::new() } else { Vec::with_capacity(self.run) };
        run.push(thing);
        self.runs.push(run);
    }

    fn sort_last(&mut self) {
        let key = self.key;
        self.runs.iter_mut().next_back().into_iter().for_each(|run| run.sort_by_key(key));
    }

    /// The key of the one that is taken next.
    pub fn next_key(&mut self) -> Option<K> {
        if !self.runs.is_empty() {
            self.merge();
        }
        self.next.peek().map(|Reverse((key, _))| *key)
    }

    fn merge(&mut self) {
        self.sort_last();
        self.left = std::mem::take(&mut self.runs).into_iter().map(Vec::into_iter).collect();
        let firsts = self.left.iter().map(|run| run.as_slice().first()).enumerate();
        let heads = firsts.filter_map(|(run, first)| Some(Reverse(((self.key)(first?), run))));
        self.next = heads.collect();
    }
}

impl<K: Ord + Copy, T> Iterator for Ordered<K, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.next_key()?;
        let mut head = self.next.peek_mut()?;
        let Reverse((key, run)) = &mut *head;
        let run = &mut self.left[*run];
        let thing = run.next();
        match run.as_slice().first() {
            Some(following) => *key = (self.key)(following),
            None => {
                // Its memory is for others.
                *run = Vec::new().into_iter();
                PeekMut::pop(head);
            }
        }
        thing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn things_come_as_a_stable_sort_has_them(keys in prop::collection::vec(0..9u8, 0..60)) {
            let mut things: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let mut ordered = Ordered { run: 4, ..Ordered::by(|thing: &(u8, usize)| thing.0) };
            things.iter().for_each(|&thing| ordered.push(thing));
            things.sort_by_key(|thing| thing.0);
            let mut taken = Vec::new();
            while let Some(key) = ordered.next_key() {
                let thing = ordered.next().expect("one is next");
                prop_assert_eq!(thing.0, key);
                taken.push(thing);
            }
            prop_assert!(ordered.next().is_none());
            prop_assert_eq!(taken, things);
        }
    }
}

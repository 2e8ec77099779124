//! Heaps that never move when they grow, as a binary heap in one list does. Each item has four
//! below it: a heap of a million is ten levels deep, and each level is a place in memory.

use super::blocks::Blocks;

/// Items below each.
const BELOW: usize = 4;

/// A heap, its least item on top.
#[derive(Debug)]
pub struct Heap<T> {
    /// None is less than the one above it.
    items: Blocks<T>,
}

impl<T: Ord + Copy> Heap<T> {
    /// Puts another one in.
    #[inline]
    pub fn push(&mut self, item: T) {
        let mut at = self.items.len();
        self.items.push(item);
        while let Some(above) = at.checked_sub(1).map(|below| below / BELOW)
            && item < self.items[above]
        {
            self.items[at] = self.items[above];
            at = above;
        }
        self.items[at] = item;
    }

    /// The least one.
    #[inline]
    pub fn peek(&self) -> Option<&T> {
        self.items.get(0)
    }

    /// Takes the least one out.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.items.pop()?;
        let Some(&least) = self.peek() else { return Some(last) };
        let (mut at, end) = (0, self.items.len());
        loop {
            let first = BELOW * at + 1;
            let below = first..(first + BELOW).min(end);
            let Some(next) = below.min_by_key(|&below| self.items[below]) else { break };
            if last <= self.items[next] {
                break;
            }
            self.items[at] = self.items[next];
            at = next;
        }
        self.items[at] = last;
        Some(least)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Heap { items: Blocks::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    proptest! {
        #[test]
        fn the_least_comes_first(
            steps in prop::collection::vec(prop::option::weighted(0.6, 0..50u8), 0..200),
        ) {
            let (mut heap, mut expected) = (Heap::default(), BinaryHeap::new());
            for step in steps {
                match step {
                    Some(item) => {
                        heap.push(item);
                        expected.push(Reverse(item));
                    }
                    None => prop_assert_eq!(heap.pop(), expected.pop().map(|Reverse(item)| item)),
                }
                prop_assert_eq!(heap.peek(), expected.peek().map(|Reverse(item)| item));
                prop_assert_eq!(heap.is_empty(), expected.is_empty());
            }
        }
    }
}

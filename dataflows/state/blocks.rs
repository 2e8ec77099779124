//! Lists in blocks that never move: keys come by the hundred thousand, and a single list would be
//! copied whole each time it grows.

use std::ops::{Index, IndexMut};

/// Items in a block.
const BLOCK: usize = 1024;

/// A list that grows at its end.
#[derive(Debug)]
pub struct Blocks<T> {
    /// All but the last are full.
    blocks: Vec<Vec<T>>,
}

impl<T> Blocks<T> {
    /// None yet.
    pub fn new() -> Self {
        Blocks { blocks: Vec::new() }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Appends an item.
    pub fn push(&mut self, item: T) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(item),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(item);
                self.blocks.push(block);
            }
        }
    }

    /// The item of this number, if there is one.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.blocks.get(at / BLOCK)?.get(at % BLOCK)
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.blocks.iter().flatten()
    }
}

impl<T: Clone> Blocks<T> {
    /// The item of this number; those that are missing up to it are made like this one.
    #[inline]
    pub fn or_like(&mut self, at: usize, item: &T) -> &mut T {
        while self.len() <= at {
            self.push(item.clone());
        }
        &mut self[at]
    }
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Blocks::new()
    }
}

impl<T> Index<usize> for Blocks<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.blocks[at / BLOCK][at % BLOCK]
    }
}

impl<T> IndexMut<usize> for Blocks<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.blocks[at / BLOCK][at % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_numbers() {
        let mut blocks = Blocks::new();
        assert!(blocks.is_empty());
        for number in 0..2 * BLOCK + 3 {
            assert_eq!(blocks.len(), number);
            blocks.push(number);
        }
        blocks[BLOCK] = 7;
        assert!(blocks.iter().enumerate().all(|(at, item)| at == BLOCK || *item == at));
        assert_eq!((blocks.get(BLOCK), blocks.get(blocks.len())), (Some(&7), None));
        *blocks.or_like(3 * BLOCK, &1) += 1;
        assert_eq!((blocks.len(), blocks[3 * BLOCK], blocks[3 * BLOCK - 1]), (3 * BLOCK + 1, 2, 1));
    }
}

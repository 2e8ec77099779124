//! Lists in blocks that never move: keys come by the hundred thousand, and a single list would be
//! copied whole each time it grows.

use std::iter::Flatten;
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
                // The first block may stay the only one, and be short.
                let first = self.blocks.is_empty();
                let mut block = if first { Vec::new() } else { Vec::with_capacity(BLOCK) };
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

    /// The last one.
    #[inline]
    pub fn last(&self) -> Option<&T> {
        self.blocks.last()?.last()
    }

    /// Takes the last one out.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let last = self.blocks.last_mut()?;
        let item = last.pop();
        if last.is_empty() {
            self.blocks.pop();
        }
        item
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.blocks.clear();
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.blocks.iter().flatten()
    }
}

/// Items in the order of their numbers: a block that was gone through gives its memory back.
pub type IntoItems<T> = Flatten<std::vec::IntoIter<Vec<T>>>;

impl<T> IntoIterator for Blocks<T> {
    type Item = T;
    type IntoIter = IntoItems<T>;

    fn into_iter(self) -> IntoItems<T> {
        self.blocks.into_iter().flatten()
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
        for number in (0..2 * BLOCK + 3).rev() {
            let expected = if number == BLOCK { 7 } else { number };
            assert_eq!((blocks.last(), blocks.len()), (Some(&expected), number + 1));
            assert_eq!(blocks.pop(), Some(expected));
        }
        assert_eq!((blocks.pop(), blocks.last(), blocks.is_empty()), (None, None, true));
        (0..BLOCK + 1).for_each(|number| blocks.push(number));
        assert!(blocks.into_iter().eq(0..BLOCK + 1));
    }
}

//! The histories of all customers of a worker, by their numbers, in blocks that never move:
//! customers come by the hundred thousand, and a single list would be copied whole each time it
//! grows.

use super::history::History;
use std::ops::{Index, IndexMut};

/// Histories in a block.
const BLOCK: usize = 1024;

/// A list of histories that grows at its end.
#[derive(Debug, Default)]
pub struct Histories {
    /// All but the last are full.
    blocks: Vec<Vec<History>>,
}

impl Histories {
    /// None yet.
    pub fn new() -> Self {
        Histories::default()
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

    /// Appends a history.
    pub fn push(&mut self, history: History) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(history),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(history);
                self.blocks.push(block);
            }
        }
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &History> + Clone {
        self.blocks.iter().flatten()
    }
}

impl Index<usize> for Histories {
    type Output = History;

    #[inline]
    fn index(&self, at: usize) -> &History {
        &self.blocks[at / BLOCK][at % BLOCK]
    }
}

impl IndexMut<usize> for Histories {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut History {
        &mut self.blocks[at / BLOCK][at % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_keep_their_numbers() {
        let mut histories = Histories::new();
        assert!(histories.is_empty());
        for customer in 0..2 * BLOCK + 3 {
            assert_eq!(histories.len(), customer);
            histories.push(History::new(customer as i64));
        }
        histories[BLOCK].pending = 7;
        assert!(
            histories.iter().enumerate().all(|(at, history)| history.customer == at as i64
                && histories[at].customer == at as i64)
        );
        assert_eq!((histories.len(), histories[BLOCK].pending), (2 * BLOCK + 3, 7));
    }
}

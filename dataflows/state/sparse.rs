//! Lists in which one value is the usual one: they have blocks only where another was written, so
//! that writing far behind what is there does not fill all that lies between.

/// Values in a block.
const BLOCK: usize = 1024;

/// A list without an end.
#[derive(Clone, Debug)]
pub struct Sparse<T> {
    usual: T,
    /// An empty block has the usual value throughout.
    blocks: Vec<Vec<T>>,
}

impl<T: Copy> Sparse<T> {
    /// One that has this value everywhere.
    pub fn of(usual: T) -> Self {
        Sparse { usual, blocks: Vec::new() }
    }

    /// The value at a place.
    #[inline]
    pub fn get(&self, at: usize) -> T {
        let block = self.blocks.get(at / BLOCK);
        block.and_then(|block| block.get(at % BLOCK)).copied().unwrap_or(self.usual)
    }

    /// The value at a place, to be changed.
    #[inline]
    pub fn get_mut(&mut self, at: usize) -> &mut T {
        let of = at / BLOCK;
        if self.blocks.get(of).is_none_or(Vec::is_empty) {
            self.make_block(of);
        }
        &mut self.blocks[of][at % BLOCK]
    }

    #[cold]
    fn make_block(&mut self, of: usize) {
        if of >= self.blocks.len() {
            self.blocks.resize_with(of + 1, Vec::new);
        }
        self.blocks[of] = vec![self.usual; BLOCK];
    }

    /// A place behind which all values are the usual one.
    pub fn end(&self) -> usize {
        self.blocks.len() * BLOCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_written_is_as_usual() {
        let mut list = Sparse::of(7);
        assert_eq!((list.get(0), list.get(usize::MAX), list.end()), (7, 7, 0));
        *list.get_mut(5 * BLOCK + 3) += 1;
        assert_eq!(
            [3, 5 * BLOCK + 2, 5 * BLOCK + 3, 6 * BLOCK].map(|at| list.get(at)),
            [7, 7, 8, 7]
        );
        assert_eq!(
            (list.end(), list.blocks.iter().filter(|block| !block.is_empty()).count()),
            (6 * BLOCK, 1)
        );
        *list.get_mut(2) = 1;
        assert_eq!([0, 2, 5 * BLOCK + 3].map(|at| list.get(at)), [7, 1, 8]);
    }
}

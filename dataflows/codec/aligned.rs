//! Bytes where rows may lie, so that blocks are read in place.

use super::block::{HEADER_BYTES, check, first_bytes, revive};
use super::{CodecError, Row};
use std::io::{self, Read};
use std::ops::Deref;

/// Bytes that begin where a row may lie, whoever reads them from wherever. So do all blocks that
/// lie one behind the other in them, since a block has whole words.
#[derive(Clone, Debug, Default)]
pub struct Aligned {
    words: Vec<u64>,
    /// Bytes of the words that are filled.
    length: usize,
}

impl Aligned {
    /// Reads to the end. For so many bytes there is room before anything has been read.
    ///
    /// # Errors
    /// The reader's.
    pub fn read(mut reader: impl Read, room: usize) -> io::Result<Self> {
        // One word more than asked for: the end is found without making room.
        let (mut words, mut length) = (vec![0; room / WORD + 1], 0);
        loop {
            match reader.read(&mut bytemuck::cast_slice_mut(&mut words)[length..]) {
                Ok(0) => return Ok(Aligned { words, length }),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if length == words.len() * WORD {
                words.resize(2 * words.len(), 0);
            }
        }
    }

    /// The blocks that lie in it, the first of them at the beginning.
    pub fn blocks(&mut self) -> BlockReader<'_> {
        BlockReader { rest: &mut bytemuck::cast_slice_mut(&mut self.words)[..self.length] }
    }
}

const WORD: usize = size_of::<u64>();

impl From<&[u8]> for Aligned {
    fn from(bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(WORD)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Aligned { words, length: bytes.len() }
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }
}

/// Blocks that lie one behind the other in an [`Aligned`], and have not been taken yet.
#[derive(Debug)]
pub struct BlockReader<'a> {
    /// It begins with a word of the words that it lies in.
    rest: &'a mut [u8],
}

impl<'a> BlockReader<'a> {
    /// The rows of the next block, where they lie. Nothing is taken where there is no such block.
    ///
    /// # Errors
    /// Anything but the bytes that [`encode`](super::encode) made of rows of this type is told
    /// apart: see [`CodecError`].
    pub fn take<T: Row>(&mut self) -> Result<&'a [T], CodecError> {
        const { assert!(align_of::<T>() <= align_of::<u64>(), "a row may lie where a word may") };
        let length = first_bytes::<T>(self.rest);
        check::<T>(&self.rest[..length])?;
        let (block, rest) = std::mem::take(&mut self.rest).split_at_mut(length);
        self.rest = rest;
        let rows = bytemuck::cast_slice_mut(&mut block[HEADER_BYTES..]);
        revive(rows);
        Ok(rows)
    }

    /// Whether nothing lies behind the blocks that were taken.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

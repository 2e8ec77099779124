//! A container of rows, for channels between workers.

use super::Row;
use super::block::{block_bytes, decode, write_block};
use std::io::Write;
use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::container::{DrainContainer, PushInto, SizableContainer};
use timely::dataflow::channels::ContainerBytes;

/// A container of rows, for channels between workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<T>(pub Vec<T>);

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows(Vec::new())
    }
}

impl<T> Accountable for Rows<T> {
    #[inline]
    fn record_count(&self) -> i64 {
        self.0.record_count()
    }
}

impl<T: 'static> DrainContainer for Rows<T> {
    type Item<'a> = T;
    type DrainIter<'a> = std::vec::Drain<'a, T>;

    #[inline]
    fn drain(&mut self) -> Self::DrainIter<'_> {
        self.0.drain(..)
    }
}

impl<T> SizableContainer for Rows<T> {
    #[inline]
    fn at_capacity(&self) -> bool {
        self.0.at_capacity()
    }

    #[inline]
    fn ensure_capacity(&mut self, stash: &mut Option<Self>) {
        let mut rows = stash.take().map(|stash| stash.0);
        self.0.ensure_capacity(&mut rows);
        *stash = rows.map(Rows);
    }
}

impl<T> PushInto<T> for Rows<T> {
    #[inline]
    fn push_into(&mut self, row: T) {
        self.0.push(row);
    }
}

impl<T: Clone> PushInto<&T> for Rows<T> {
    #[inline]
    fn push_into(&mut self, row: &T) {
        self.0.push(row.clone());
    }
}

/// # Panics
/// A block from another worker that cannot be read ends the job, which is restarted from its
/// checkpoint: no channel can return an error.
impl<T: Row> ContainerBytes for Rows<T> {
    #[expect(clippy::panic, reason = "no channel can return an error")]
    fn from_bytes(bytes: Bytes) -> Self {
        match decode(&bytes) {
            Ok(rows) => Rows(rows),
            Err(error) => panic!("what another worker sent cannot be read: {error}"),
        }
    }

    fn length_in_bytes(&self) -> usize {
        block_bytes::<T>(self.0.len())
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        write_block(&self.0, writer).expect("a message has room for what its length announced");
    }
}

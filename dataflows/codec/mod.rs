//! Rows of plain old data: a timely container that crosses processes as one copy of memory, and the
//! same bytes for snapshots.
//!
//! A block of rows is a header of four words of 64 bits, in the byte order of the machine, and a
//! body:
//!
//! | word | holds |
//! |---|---|
//! | 0 | [`MAGIC`] |
//! | 1 | fingerprint of the row type: name, size, alignment |
//! | 2 | number of rows |
//! | 3 | CRC-32 of the first three words and the body |
//!
//! The body is written and revived by `abomonation`, which writes memory as it lies there. That is
//! unsound for types in general (padding, pointers, misaligned input: RUSTSEC-2021-0120), and sound
//! for these: a [`Row`] is [`Pod`](bytemuck::Pod), so it has no padding, no pointers and no invalid
//! bit patterns; it lies in memory that is aligned by its type, a vector of rows or an [`Aligned`];
//! and nothing is revived before length, type and checksum have been found right.
//! `abomonation::decode` is not used even so, because it makes the reference to a row from that to
//! its first byte.
//!
//! Rows of a snapshot are revived in place, in the buffer that the snapshot was read into:
//! [`Aligned`]. Those of a channel are copied out of the message, which other containers share.
//!
//! Blocks are for programs of one build on one kind of machine: other workers of a job, and
//! snapshots. Never for what comes from outside.
//!
//! That no undefined behavior is left is for Miri to say: `cargo +nightly miri test -p dataflows
//! --lib -- codec snapshot::image`, with `MIRIFLAGS=-Zmiri-symbolic-alignment-check` also that
//! nothing is aligned by chance.
#![allow(unsafe_code)]

mod aligned;
mod block;
mod container;
mod error;
#[cfg(test)]
pub(crate) mod tests;

pub use aligned::{Aligned, BlockReader};
pub use block::{BlockWriter, HEADER_BYTES, MAGIC, Row, block_bytes, decode, encode};
pub use container::Rows;
pub use error::CodecError;

//! A block of rows: how it is written, checked and read.

use super::CodecError;
use crate::event::Record;
use abomonation::Abomonation;
use bytemuck::{Pod, TransparentWrapper};
use std::io::{self, Write};

/// First word of every block: `SLUICE_1` where read as big-endian letters. In another byte order it
/// is another number.
pub const MAGIC: u64 = u64::from_be_bytes(*b"SLUICE_1");

/// Bytes of a block's header.
pub const HEADER_BYTES: usize = size_of::<Header>();

type Header = [u64; 4];

/// A type that can be written as it lies in memory.
pub trait Row: Pod + Send + Sync {
    /// Name and version of the layout: to be changed whenever the meaning of a field, their order
    /// or their number does.
    const NAME: &'static str;
}

impl Row for Record {
    const NAME: &'static str = "event::Record 3";
}

/// Writes rows as a block behind what is there, for a snapshot.
pub fn encode<T: Row>(rows: &[T], bytes: &mut Vec<u8>) {
    bytes.reserve(block_bytes::<T>(rows.len()));
    let mut block = BlockWriter::begin::<T>(rows.len(), bytes);
    block.write(rows, bytes);
    block.finish(bytes);
}

/// A block on its way behind what is there, some rows at a time: the same bytes as [`encode`]
/// writes at once.
#[derive(Debug)]
pub struct BlockWriter {
    /// Where it begins.
    at: usize,
    hash: crc32fast::Hasher,
    rows: usize,
}

impl BlockWriter {
    /// Begins a block of so many rows.
    pub fn begin<T: Row>(rows: usize, bytes: &mut Vec<u8>) -> Self {
        let header = header::<T>(rows);
        let at = bytes.len();
        bytes.extend_from_slice(bytemuck::bytes_of(&header));
        BlockWriter { at, hash: hash_of(&header), rows: 0 }
    }

    /// Writes its next rows, of the type that it was begun with.
    pub fn write<T: Row>(&mut self, rows: &[T], bytes: &mut Vec<u8>) {
        self.hash.update(bytemuck::cast_slice(rows));
        self.rows += rows.len();
        write_body(rows, bytes).expect("memory takes whatever is written to it");
    }

    /// How many of its rows are written.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Seals it, once all of its rows are written.
    pub fn finish(self, bytes: &mut [u8]) {
        let checksum = u64::from(self.hash.finalize());
        let end = self.at + HEADER_BYTES;
        bytes[end - size_of::<u64>()..end].copy_from_slice(&checksum.to_ne_bytes());
    }
}

/// Reads a block that fills `bytes` exactly, wherever in memory they lie: its rows are copied to
/// where rows may lie, then revived.
///
/// # Errors
/// Anything but the bytes that [`encode`] made of rows of this type is told apart: see
/// [`CodecError`].
pub fn decode<T: Row>(bytes: &[u8]) -> Result<Vec<T>, CodecError> {
    let body = check::<T>(bytes)?;
    let mut rows = vec![T::zeroed(); body.len() / size_of::<T>()];
    bytemuck::cast_slice_mut(&mut rows).copy_from_slice(body);
    revive(&mut rows);
    Ok(rows)
}

/// A row as `abomonation` sees it: no owned memory, so that none of its methods does anything.
///
/// Private, so that no row type can bring an implementation of its own.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Plain<T>(T);

impl<T: Row> Abomonation for Plain<T> {}

// SAFETY: `Plain<T>` is a transparent wrapper of its only field, which is a `T`.
unsafe impl<T: Row> TransparentWrapper<T> for Plain<T> {}

/// Bytes of a block of so many rows.
pub fn block_bytes<T: Row>(rows: usize) -> usize {
    // Whole words, so that whatever follows a block in a message is aligned again.
    const {
        assert!(
            size_of::<T>().is_multiple_of(8) && size_of::<T>() > 0,
            "a row must fill whole words of 64 bits"
        )
    };
    HEADER_BYTES + rows * size_of::<T>()
}

/// Fingerprint of a row type: FNV-1a over name, size and alignment.
fn fingerprint<T: Row>() -> u64 {
    let layout = [size_of::<T>() as u64, align_of::<T>() as u64];
    let bytes = T::NAME.bytes().chain(layout.into_iter().flat_map(u64::to_le_bytes));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The header of a block of so many rows, without a checksum.
fn header<T: Row>(rows: usize) -> Header {
    [MAGIC, fingerprint::<T>(), rows as u64, 0]
}

/// The beginning of a block's checksum: that of the first three words of its header.
fn hash_of(header: &Header) -> crc32fast::Hasher {
    let mut hash = crc32fast::Hasher::new();
    hash.update(bytemuck::cast_slice(&header[..3]));
    hash
}

/// CRC-32 of a header's first three words and a body.
fn checksum(header: &Header, body: &[u8]) -> u64 {
    let mut hash = hash_of(header);
    hash.update(body);
    u64::from(hash.finalize())
}

/// Writes rows as a block.
pub(super) fn write_block<T: Row, W: Write>(rows: &[T], writer: &mut W) -> io::Result<()> {
    let mut header = header::<T>(rows.len());
    header[3] = checksum(&header, bytemuck::cast_slice(rows));
    writer.write_all(bytemuck::bytes_of(&header))?;
    write_body(rows, writer)
}

/// Writes rows as they lie in memory, 32 at a time.
fn write_body<T: Row, W: Write>(rows: &[T], writer: &mut W) -> io::Result<()> {
    let (many, rest) = Plain::wrap_slice(rows).as_chunks::<32>();
    for rows in many {
        // SAFETY: `encode` reads the bytes of the rows, all of which are initialized: `T` is `Pod`,
        // so it has no padding.
        unsafe { abomonation::encode(rows, writer)? };
    }
    for row in rest {
        // SAFETY: as above.
        unsafe { abomonation::encode(row, writer)? };
    }
    Ok(())
}

/// Bytes of the block that `bytes` begin with, by what it says of itself: all of them where they
/// are too short for that, so that what checks it names what is wrong.
pub(super) fn first_bytes<T: Row>(bytes: &[u8]) -> usize {
    let rows = bytes.get(16..24).map_or(0, bytemuck::pod_read_unaligned::<u64>);
    let length = rows.saturating_mul(size_of::<T>() as u64).saturating_add(HEADER_BYTES as u64);
    usize::try_from(length).map_or(bytes.len(), |length| length.min(bytes.len()))
}

/// The body of a block that fills `bytes` exactly: the bytes of whole rows, as they were written.
pub(super) fn check<T: Row>(bytes: &[u8]) -> Result<&[u8], CodecError> {
    let name = T::NAME;
    let found = bytes.len() as u64;
    let Some((header, body)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(CodecError::Length { name, expected: HEADER_BYTES as u64, found });
    };
    let header: Header = bytemuck::pod_read_unaligned(header);
    let [magic, layout, rows, expected] = header;
    if magic != MAGIC {
        return Err(CodecError::Magic { name, found: magic });
    }
    if layout != fingerprint::<T>() {
        return Err(CodecError::Layout { name, expected: fingerprint::<T>(), found: layout });
    }
    let body_bytes = rows.saturating_mul(size_of::<T>() as u64);
    if body_bytes != body.len() as u64 {
        return Err(CodecError::Length {
            name,
            expected: body_bytes.saturating_add(HEADER_BYTES as u64),
            found,
        });
    }
    let found = checksum(&header, body);
    if found != expected {
        return Err(CodecError::Checksum { name, expected, found });
    }
    Ok(body)
}

/// Revives rows where they lie.
pub(super) fn revive<T: Row>(rows: &mut [T]) {
    for row in Plain::wrap_slice_mut(rows) {
        // SAFETY: `exhume` mends pointers to owned memory; a `Plain` has none, and its
        // implementation is the empty one of the trait. The row is aligned and valid, being an
        // element of a slice of `T`, and any bits are a valid `T`, which is `Pod`.
        let mended = unsafe { row.exhume(&mut []) };
        debug_assert!(mended.is_some(), "a row without owned memory needs no bytes beyond its own");
    }
}

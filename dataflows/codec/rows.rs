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
//! for these: a [`Row`] is [`Pod`], so it has no padding, no pointers and no invalid bit patterns;
//! it lies in a vector of its own type, so it is aligned; and nothing is revived before length,
//! type and checksum have been found right. `abomonation::decode` is not used even so, because it
//! makes the reference to a row from that to its first byte.
//!
//! Blocks are for programs of one build on one kind of machine: other workers of a job, and
//! snapshots. Never for what comes from outside.

use crate::event::Record;
use abomonation::Abomonation;
use bytemuck::{Pod, TransparentWrapper};
use std::io::{self, Write};
use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::container::{DrainContainer, PushInto, SizableContainer};
use timely::dataflow::channels::ContainerBytes;

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

/// Why bytes are no block of rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Shorter or longer than it says.
    #[error(
        "a block of `{name}` should have {expected} bytes, but has {found}: it was cut short, or \
         something was appended"
    )]
    Length {
        /// Name of the row type.
        name: &'static str,
        /// Bytes that it should have; at least, where not even the header is whole.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// Does not begin as a block does.
    #[error(
        "a block of `{name}` begins with {found:#018x} instead of {MAGIC:#018x}: it is something \
         else, or of a machine with another byte order"
    )]
    Magic {
        /// Name of the row type.
        name: &'static str,
        /// First word.
        found: u64,
    },
    /// Rows of another type, or of another version of it.
    #[error(
        "a block holds rows of layout {found:#018x}, not `{name}` ({expected:#018x}): it was \
         written by another version of the program"
    )]
    Layout {
        /// Name of the row type.
        name: &'static str,
        /// Its fingerprint.
        expected: u64,
        /// Fingerprint in the header.
        found: u64,
    },
    /// Damaged.
    #[error(
        "a block of `{name}` has checksum {found:#010x} where its header says {expected:#010x}: \
         its bytes were changed on the way"
    )]
    Checksum {
        /// Name of the row type.
        name: &'static str,
        /// Checksum in the header.
        expected: u64,
        /// Checksum of what is there.
        found: u64,
    },
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
fn block_bytes<T: Row>(rows: usize) -> usize {
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

/// CRC-32 of a header's first three words and a body.
fn checksum(header: &Header, body: &[u8]) -> u64 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(bytemuck::cast_slice(&header[..3]));
    hash.update(body);
    u64::from(hash.finalize())
}

/// Writes rows as a block.
fn write_block<T: Row, W: Write>(rows: &[T], writer: &mut W) -> io::Result<()> {
    let mut header: Header = [MAGIC, fingerprint::<T>(), rows.len() as u64, 0];
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

/// Reads a block that fills `bytes` exactly, wherever in memory they lie.
fn read_block<T: Row>(bytes: &[u8]) -> Result<Vec<T>, CodecError> {
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
    Ok(revive(body))
}

/// Rows from a body whose length is a multiple of theirs: copied to where rows may lie, then
/// revived in place.
fn revive<T: Row>(body: &[u8]) -> Vec<T> {
    let mut rows = vec![T::zeroed(); body.len() / size_of::<T>()];
    bytemuck::cast_slice_mut(&mut rows).copy_from_slice(body);
    for row in Plain::wrap_slice_mut(&mut rows) {
        // SAFETY: `exhume` mends pointers to owned memory; a `Plain` has none, and its
        // implementation is the empty one of the trait. The row is aligned and valid, being an
        // element of a vector of `T`, and any bits are a valid `T`, which is `Pod`.
        let mended = unsafe { row.exhume(&mut []) };
        debug_assert!(mended.is_some(), "a row without owned memory needs no bytes beyond its own");
    }
    rows
}

/// Writes rows as a block behind what is there, for a snapshot.
pub fn encode<T: Row>(rows: &[T], bytes: &mut Vec<u8>) {
    bytes.reserve(block_bytes::<T>(rows.len()));
    write_block(rows, bytes).expect("memory takes whatever is written to it");
}

/// Reads a block that fills `bytes` exactly; they need not be aligned.
///
/// # Errors
/// Anything but the bytes that [`encode`] made of rows of this type is told apart: see [`CodecError`].
pub fn decode<T: Row>(bytes: &[u8]) -> Result<Vec<T>, CodecError> {
    read_block(bytes)
}

/// Reads the block that `bytes` begin with, and moves them on behind it.
///
/// # Errors
/// As [`decode`].
pub fn decode_next<T: Row>(bytes: &mut &[u8]) -> Result<Vec<T>, CodecError> {
    let rows = bytes.get(16..24).map_or(0, bytemuck::pod_read_unaligned::<u64>);
    let length = rows.saturating_mul(size_of::<T>() as u64).saturating_add(HEADER_BYTES as u64);
    // What is too short for its number of rows, or has none, is named by the reader of blocks.
    let (block, rest) = bytes
        .split_at_checked(usize::try_from(length).unwrap_or(usize::MAX))
        .unwrap_or((bytes, &[]));
    let rows = read_block(block)?;
    *bytes = rest;
    Ok(rows)
}

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
/// A block from another worker that cannot be read ends the job, which is restarted from its checkpoint: no channel can return an error.
impl<T: Row> ContainerBytes for Rows<T> {
    #[expect(clippy::panic, reason = "no channel can return an error")]
    fn from_bytes(bytes: Bytes) -> Self {
        match read_block(&bytes) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;

    /// A row that is not a [`Record`], and as long as one.
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    #[repr(C)]
    struct Other {
        words: [u64; 6],
    }

    impl Row for Other {
        const NAME: &'static str = "Other 1";
    }

    /// A row aligned to more than a word.
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    #[repr(C)]
    struct Wide {
        sums: [i128; 2],
    }

    impl Row for Wide {
        const NAME: &'static str = "Wide 1";
    }

    fn records(number: u64) -> Vec<Record> {
        (0..number)
            .map(|i| Record {
                customer: i as i64,
                id: i.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                timestamp: -(i as i64),
                origin: u64::MAX - i,
                value: i << 40,
                extra: i % 7,
            })
            .collect()
    }

    fn encoded<T: Row>(rows: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(rows, &mut bytes);
        bytes
    }

    #[test]
    fn rows_come_back_as_they_were() {
        for number in [0, 1, 2, 31, 32, 33, 100] {
            let rows = records(number);
            let bytes = encoded(&rows);
            assert_eq!(bytes.len(), HEADER_BYTES + number as usize * 48);
            assert_eq!(decode::<Record>(&bytes), Ok(rows));
        }
        let wide = vec![Wide { sums: [i128::MIN, 1] }, Wide { sums: [2, i128::MAX] }];
        assert_eq!(decode::<Wide>(&encoded(&wide)), Ok(wide));
    }

    #[test]
    fn blocks_in_a_row_are_read_one_by_one() {
        let mut bytes = encoded(&records(3));
        bytes.extend(encoded(&[Other { words: [7; 6] }]));
        let mut rest = bytes.as_slice();
        assert_eq!(decode_next::<Record>(&mut rest), Ok(records(3)));
        assert!(matches!(decode_next::<Record>(&mut &*rest), Err(CodecError::Layout { .. })));
        assert_eq!(decode_next::<Other>(&mut rest), Ok(vec![Other { words: [7; 6] }]));
        assert!(
            matches!(decode_next::<Other>(&mut rest), Err(CodecError::Length { .. })),
            "nothing is left"
        );
        for length in 0..HEADER_BYTES + 3 * 48 {
            assert!(decode_next::<Record>(&mut &bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn the_body_is_what_bytemuck_would_write() {
        for number in [0, 1, 32, 70] {
            let rows = records(number);
            assert_eq!(&encoded(&rows)[HEADER_BYTES..], bytemuck::cast_slice::<Record, u8>(&rows));
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_refused() {
        let mut bytes = encoded(&records(3));
        for length in 0..bytes.len() {
            assert!(
                matches!(decode::<Record>(&bytes[..length]), Err(CodecError::Length { .. })),
                "cut to {length} bytes"
            );
        }
        bytes.push(0);
        assert!(
            matches!(decode::<Record>(&bytes), Err(CodecError::Length { .. })),
            "one byte too many"
        );
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut bytes = encoded(&records(2));
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<Record>(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(decode::<Record>(&bytes), Ok(records(2)));
    }

    #[test]
    fn bytes_may_lie_anywhere() {
        let block = encoded(&records(2));
        for offset in 0..16 {
            let mut bytes = vec![0xff; offset];
            bytes.extend_from_slice(&block);
            assert_eq!(decode::<Record>(&bytes[offset..]), Ok(records(2)), "offset {offset}");
        }
    }

    #[test]
    fn what_is_not_such_a_block_is_named() {
        let error =
            |bytes: &[u8]| decode::<Record>(bytes).expect_err("not a block of records").to_string();
        assert!(error(&[]).contains("should have 32 bytes, but has 0"));
        assert!(error(&[b'{'; 64]).contains("begins with 0x7b7b7b7b7b7b7b7b"));
        assert!(error(&encoded(&[Other { words: [1; 6] }])).contains("not `event::Record 3`"));
        let mut bytes = encoded(&records(1));
        bytes[..8].reverse();
        assert!(error(&bytes).contains("another byte order"));
        let mut endless = encoded(&records(1));
        endless[16..24].copy_from_slice(&u64::MAX.to_ne_bytes());
        assert!(
            matches!(decode::<Record>(&endless), Err(CodecError::Length { .. })),
            "a number of rows whose bytes overflow"
        );
    }

    /// Sends a container through bytes as a channel does.
    fn through_bytes(rows: &Rows<Record>, damage: impl FnOnce(&mut [u8])) -> Rows<Record> {
        let mut bytes = Vec::new();
        rows.into_bytes(&mut bytes);
        assert_eq!(bytes.len(), rows.length_in_bytes());
        damage(&mut bytes);
        Rows::from_bytes(timely::bytes::arc::BytesMut::from(bytes).freeze())
    }

    #[test]
    fn containers_cross_as_bytes() {
        for number in [0, 1, 200] {
            let rows = Rows(records(number));
            assert_eq!(through_bytes(&rows, |_| ()), rows);
        }
    }

    #[test]
    #[should_panic(
        expected = "what another worker sent cannot be read: a block of `event::Record 3` has \
            checksum"
    )]
    fn a_damaged_container_ends_the_job() {
        through_bytes(&Rows(records(2)), |bytes| bytes[50] ^= 4);
    }

    #[test]
    fn containers_fill_to_their_capacity_and_reuse_the_stash() {
        let mut rows = Rows::<Record>::default();
        rows.ensure_capacity(&mut None);
        let capacity = timely::container::buffer::default_capacity::<Record>();
        records(capacity as u64).into_iter().for_each(|row| rows.push_into(row));
        assert!(rows.at_capacity() && rows.record_count() == capacity as i64);
        assert_eq!(rows.drain().count(), capacity);
        let mut reused = Rows::default();
        let address = rows.0.as_ptr();
        reused.ensure_capacity(&mut Some(rows));
        assert_eq!(reused.0.as_ptr(), address);
    }

    /// Two workers that exchange records by customer, as typed containers and as bytes: each gets
    /// its customers' records, and all of them.
    #[test]
    #[cfg_attr(
        miri,
        ignore = "it runs the threads of timely; the codec itself is covered by the tests above"
    )]
    fn workers_exchange_rows() {
        use timely::container::CapacityContainerBuilder;
        use timely::dataflow::channels::pact::ExchangeCore;
        use timely::dataflow::operators::generic::operator::Operator;
        use timely::dataflow::operators::{Input, Probe, probe};
        type Builder = CapacityContainerBuilder<Rows<Record>>;

        for communication in
            [timely::CommunicationConfig::Process(2), timely::CommunicationConfig::ProcessBinary(2)]
        {
            let config = timely::Config { communication, worker: timely::WorkerConfig::default() };
            let workers = timely::execute(config, |worker| {
                let received = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
                let mut input = timely::dataflow::InputHandle::<u64, Builder>::new();
                let probe = probe::Handle::new();
                let keep = received.clone();
                worker.dataflow(|scope| {
                    scope
                        .input_from(&mut input)
                        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
                            ExchangeCore::<Builder, _>::new(|record: &Record| {
                                record.customer as u64
                            }),
                            "Keep",
                            |_, _| {
                                move |input, _| {
                                    input.for_each(|_, rows| keep.borrow_mut().extend(rows.drain()))
                                }
                            },
                        )
                        .probe_with(&probe);
                });
                for record in records(1000).into_iter().skip(worker.index()).step_by(2) {
                    input.send(Record { customer: record.customer / 2, ..record });
                }
                input.advance_to(1);
                worker.step_while(|| probe.less_than(input.time()));
                let rows: Vec<Record> = received.borrow_mut().drain(..).collect();
                (worker.index(), rows)
            });
            let workers: Vec<_> = workers
                .expect("workers start")
                .join()
                .into_iter()
                .map(|worker| worker.expect("workers end"))
                .collect();
            assert_eq!(workers.iter().map(|(_, rows)| rows.len()).sum::<usize>(), 1000);
            let all_there: u64 = workers
                .iter()
                .flat_map(|(_, rows)| rows)
                .map(|record| u64::MAX - record.origin)
                .sum();
            assert_eq!(all_there, (0..1000u64).sum::<u64>());
            assert!(workers.iter().all(|(index, rows)| {
                rows.iter().all(|record| record.customer as usize % 2 == *index)
            }));
        }
    }
}

//! Blocks come back as they were, in containers too, and what is no block is told apart.

pub(crate) mod measure;

use super::*;
use crate::event::Record;
use bytemuck::{Pod, Zeroable};
use std::io;
use timely::Accountable;
use timely::container::{DrainContainer, PushInto, SizableContainer};
use timely::dataflow::channels::ContainerBytes;

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
fn a_block_that_is_written_some_rows_at_a_time_is_the_same() {
    let rows = records(100);
    for some in [1, 7, 33, 100] {
        let mut bytes = encoded(&rows[..3]);
        let mut block = BlockWriter::begin::<Record>(rows.len(), &mut bytes);
        for rows in rows.chunks(some) {
            block.write(rows, &mut bytes);
        }
        assert_eq!(block.rows(), rows.len());
        block.finish(&mut bytes);
        assert_eq!(bytes, [encoded(&rows[..3]), encoded(&rows)].concat());
    }
}

#[test]
fn blocks_that_follow_one_another_are_taken_in_place() {
    let mut bytes = encoded(&records(3));
    bytes.extend(encoded::<Record>(&[]));
    bytes.extend(encoded(&[Other { words: [7; 6] }]));
    let mut aligned = Aligned::from(&bytes[..]);
    let lies = aligned.as_ptr_range();
    let mut blocks = aligned.blocks();
    let first = blocks.take::<Record>().expect("the first block");
    assert_eq!(blocks.take(), Ok(&[] as &[Record]), "one without rows");
    assert!(matches!(blocks.take::<Record>(), Err(CodecError::Layout { .. })));
    assert!(!blocks.is_empty(), "what is refused is not taken");
    let last = blocks.take::<Other>().expect("the last block");
    assert!(blocks.is_empty());
    assert!(matches!(blocks.take::<Other>(), Err(CodecError::Length { .. })), "nothing is left");
    // Both stand at once, and where the bytes were read to.
    assert_eq!((first, last), (&records(3)[..], &[Other { words: [7; 6] }][..]));
    assert_eq!(first.as_ptr().cast(), lies.start.wrapping_add(HEADER_BYTES));
    assert_eq!(last.as_ptr_range().end.cast(), lies.end);
}

#[test]
fn a_block_that_is_damaged_or_cut_is_not_taken() {
    let behind = encoded(&records(1));
    let mut bytes = [encoded(&records(2)), behind].concat();
    let block = HEADER_BYTES + 2 * 48;
    for length in 0..block {
        let mut aligned = Aligned::from(&bytes[..length]);
        let error = aligned.blocks().take::<Record>().expect_err("it is cut");
        let CodecError::Length { found, .. } = error else { panic!("{length} bytes: {error}") };
        assert_eq!(found, length as u64);
    }
    for bit in 0..8 * block {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut aligned = Aligned::from(&bytes[..]);
        let mut blocks = aligned.blocks();
        assert!(blocks.take::<Record>().is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    bytes[16..24].copy_from_slice(&u64::MAX.to_ne_bytes());
    let mut endless = Aligned::from(&bytes[..]);
    assert!(matches!(endless.blocks().take::<Record>(), Err(CodecError::Length { .. })));
}

/// Gives a few bytes each time that it is asked, and is interrupted before.
struct Slow<'a> {
    bytes: &'a [u8],
    is_interrupted: bool,
}

impl io::Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        match self.is_interrupted {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => {
                let length = buffer.len().min(5);
                self.bytes.read(&mut buffer[..length])
            }
        }
    }
}

#[test]
fn whatever_is_read_is_aligned() {
    let bytes = encoded(&records(3));
    for (length, room) in (0..bytes.len()).flat_map(|length| [(length, 0), (length, 40)]) {
        let bytes = &bytes[length..];
        let read = Aligned::read(Slow { bytes, is_interrupted: false }, room).expect("it is read");
        assert_eq!(*read, *bytes, "{room} bytes of room");
        assert!(read.as_ptr().cast::<u64>().is_aligned());
    }
    let mut read = Aligned::read(&bytes[..], bytes.len()).expect("it is read");
    assert_eq!(read.blocks().take(), Ok(&records(3)[..]));
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let error = Aligned::read(Broken, 8).expect_err("nothing can be read");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
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
                        ExchangeCore::<Builder, _>::new(|record: &Record| record.customer as u64),
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
        let all_there: u64 =
            workers.iter().flat_map(|(_, rows)| rows).map(|record| u64::MAX - record.origin).sum();
        assert_eq!(all_there, (0..1000u64).sum::<u64>());
        assert!(workers.iter().all(|(index, rows)| {
            rows.iter().all(|record| record.customer as usize % 2 == *index)
        }));
    }
}

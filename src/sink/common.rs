//! The rows of the tables that every dataflow has.

use crate::hexadecimal::hexadecimal;
use crate::source::TopicNames;
use crate::table::Changes;
use crate::table::encode::CopyBuffer;
use dataflows::event::{CustomerId, Millis, Rejected};
use std::collections::BTreeMap;

/// Writes an epoch's rejected records into the changes of dead letters.
pub fn dead_letters(changes: &mut Changes, epoch: u64, rejected: &[Rejected], topics: &TopicNames) {
    let (buffer, columns, epoch) = (&mut changes.new, changes.table.columns.len(), epoch as i64);
    for rejected in rejected {
        buffer.row(columns);
        buffer.text(topics[rejected.topic].as_bytes());
        buffer.integer(rejected.place.partition() as i32);
        buffer.bigint(rejected.place.position() as i64);
        buffer.text(rejected.reason.word().as_bytes());
        buffer.text(rejected.detail.as_bytes());
        buffer.bytes(&rejected.raw);
        buffer.bigint(epoch);
        buffer.optional(rejected.whose, |buffer, whose| buffer.bigint(whose.customer));
        buffer.optional(rejected.whose, |buffer, whose| buffer.timestamp(whose.dated));
        buffer.optional(rejected.is_blanked().then_some(epoch), CopyBuffer::bigint);
    }
}

/// Writes an epoch's erasures into the changes of their reports: who, up to when, and how many of
/// what went; the digests are those of before the epoch and of after it.
pub fn erasures<const N: usize>(
    changes: &mut Changes,
    epoch: u64,
    digests: [&[u8; 32]; 2],
    erasures: impl Iterator<Item = (CustomerId, Millis, [u64; N])>,
) {
    let digests = digests.map(|digest| hexadecimal(digest));
    let mut repetitions: BTreeMap<(CustomerId, Millis), i64> = BTreeMap::new();
    let (buffer, columns) = (&mut changes.new, changes.table.columns.len());
    for (customer, until, numbers) in erasures {
        let repetition = repetitions.entry((customer, until)).or_default();
        *repetition += 1;
        buffer.row(columns);
        buffer.bigint(epoch as i64);
        buffer.bigint(customer);
        buffer.timestamp(until);
        numbers.into_iter().for_each(|number| buffer.bigint(number as i64));
        digests.iter().for_each(|digest| buffer.text(digest.as_bytes()));
        buffer.bigint(*repetition);
    }
}

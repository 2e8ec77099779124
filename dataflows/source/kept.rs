//! Records of a partition in a form that outlives their topic: as they were read, to be read once
//! more.
//!
//! Each record is its position (8 bytes), its timestamp (8), whether its value is null (1) and its
//! length (4), little-endian, and then its bytes: those of the value, of a null value those of the
//! key. The key of any other value is not kept: only whose a rejected record is may follow from it,
//! and that is committed by the time that a record is read from here.

use super::{Head, Messages, TopicId};
use serde::{Deserialize, Serialize};

/// All records that one partition had between two positions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What kind of records these are.
    pub topic: TopicId,
    /// The partition that they come from.
    pub partition: u32,
    /// The first position, with or without a record.
    pub from: u64,
    /// The position after the last.
    pub until: u64,
    /// The records.
    pub records: Vec<u8>,
}

/// Bytes of a record before its own.
const HEAD: usize = 21;

impl Kept {
    /// Positions between which there is no record.
    pub fn nothing(topic: TopicId, partition: u32, from: u64, until: u64) -> Kept {
        Kept { topic, partition, from, until, records: Vec::new() }
    }

    /// All that the partition has from a position to the last of these messages.
    pub fn of(messages: &Messages, from: u64) -> Kept {
        let length = messages.heads.iter().map(|head| HEAD + head.length as usize).sum();
        let mut records = Vec::with_capacity(length);
        for head in &messages.heads {
            let bytes = messages
                .bytes
                .get(head.start as usize..)
                .and_then(|rest| rest.get(..head.length as usize))
                .unwrap_or_default();
            records.extend_from_slice(&head.position.to_le_bytes());
            records.extend_from_slice(&head.timestamp.to_le_bytes());
            records.push(u8::from(head.null));
            records.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            records.extend_from_slice(bytes);
        }
        Kept {
            topic: messages.topic,
            partition: messages.partition,
            from,
            until: messages.end().unwrap_or(from),
            records,
        }
    }

    /// The records as messages; `None` where they are not what was written.
    pub fn messages(&self) -> Option<Messages> {
        let (mut bytes, mut heads) = (Vec::with_capacity(self.records.len()), Vec::new());
        let mut rest = self.records.as_slice();
        let mut at = self.from;
        while !rest.is_empty() {
            let (position, after) = rest.split_first_chunk()?;
            let (timestamp, after) = after.split_first_chunk()?;
            let (&[null], after) = after.split_first_chunk()?;
            let (length, after) = after.split_first_chunk()?;
            let length = u32::from_le_bytes(*length);
            let (own, after) = after.split_at_checked(length as usize)?;
            let position = u64::from_le_bytes(*position);
            if position < at || position >= self.until || null > 1 {
                return None;
            }
            let start = u32::try_from(bytes.len()).ok()?;
            heads.push(Head {
                position,
                timestamp: i64::from_le_bytes(*timestamp),
                start,
                length,
                null: null == 1,
                key: 0,
            });
            bytes.extend_from_slice(own);
            (rest, at) = (after, position + 1);
        }
        Some(Messages::new(self.topic, self.partition, bytes, heads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Topic;

    fn messages() -> Messages {
        let head = |position, timestamp, start, length, null| Head {
            position,
            timestamp,
            start,
            length,
            null,
            key: 0,
        };
        let heads =
            vec![head(4, -1, 0, 3, false), head(7, 1 << 40, 4, 2, true), head(9, 0, 6, 0, true)];
        Messages::new(Topic::Customers.id(), 5, b"{1}\n77".to_vec(), heads)
    }

    /// What each record says, with where and when.
    fn said(messages: &Messages) -> Vec<(u64, i64, bool, Vec<u8>)> {
        let bytes =
            |head: &Head| messages.bytes[head.start as usize..][..head.length as usize].to_vec();
        messages
            .heads
            .iter()
            .map(|head| (head.position, head.timestamp, head.null, bytes(head)))
            .collect()
    }

    #[test]
    fn records_come_back_as_they_were() {
        let kept = Kept::of(&messages(), 2);
        assert_eq!(
            (kept.topic, kept.partition, kept.from, kept.until),
            (Topic::Customers.id(), 5, 2, 10)
        );
        let back = kept.messages().expect("they are sound");
        assert_eq!(said(&back), said(&messages()));
        let nothing =
            Kept::nothing(Topic::Customers.id(), 5, 2, 10).messages().expect("nothing is sound");
        assert!(nothing.heads.is_empty());
    }

    #[test]
    fn records_that_were_changed_are_none() {
        let kept = Kept::of(&messages(), 2);
        for end in 1..kept.records.len() {
            let cut = Kept { records: kept.records[..end].to_vec(), ..kept.clone() };
            let whole = cut.messages().is_some_and(|messages| {
                said(&messages) == said(&self::messages())[..messages.heads.len()]
            });
            assert!(cut.messages().is_none() || whole, "cut to {end} bytes");
        }
        assert_eq!(Kept { from: 5, ..kept.clone() }.messages(), None, "before it begins");
        assert_eq!(Kept { until: 9, ..kept.clone() }.messages(), None, "behind its end");
        let mut turned = kept.clone();
        turned.records[0] = 8;
        assert_eq!(turned.messages(), None, "not in order");
    }
}

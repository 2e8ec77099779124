//! Raw records on their way from a source to the parser: lines of a file, or messages that a broker
//! has told apart.
//!
//! They are two types, so that neither can be taken for the other: messages of which none is left
//! are no file.

use super::TopicId;
use crate::time::Millis;
use std::sync::Arc;

/// A run of raw records of one partition.
#[derive(Clone, Debug)]
pub enum Block {
    /// From a file.
    Lines(Lines),
    /// From a broker.
    Messages(Messages),
}

impl Block {
    /// Bytes of padding that the fast parser may read past the last record.
    pub const PADDING: usize = 64;

    /// How many bytes it has, with those of padding.
    pub fn bytes(&self) -> usize {
        match self {
            Block::Lines(lines) => lines.bytes.len(),
            Block::Messages(messages) => messages.bytes.len(),
        }
    }

    /// The partition that its records come from.
    pub fn source(&self) -> (TopicId, u32) {
        match self {
            Block::Lines(lines) => (lines.topic, lines.partition),
            Block::Messages(messages) => (messages.topic, messages.partition),
        }
    }
}

impl From<Lines> for Block {
    fn from(lines: Lines) -> Self {
        Block::Lines(lines)
    }
}

impl From<Messages> for Block {
    fn from(messages: Messages) -> Self {
        Block::Messages(messages)
    }
}

/// How the bytes of a block are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record.
    Json,
    /// Comma-separated values.
    Csv {
        /// The names of the columns, from the file's first line.
        columns: Arc<Vec<String>>,
        /// The line at which the block begins, counted from 1.
        line: u64,
    },
}

/// Whole lines of a file, the last one perhaps without its line end. A record's position is the
/// byte offset at which its line starts.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What kind of records these are.
    pub topic: TopicId,
    /// The reader's share of the file.
    pub partition: u32,
    /// How they are written.
    pub format: Format,
    /// Byte offset of the first.
    pub base: u64,
    /// The bytes, and at least [`Block::PADDING`] after them.
    pub bytes: Vec<u8>,
    /// How many of `bytes` are lines; the rest is padding.
    pub length: usize,
}

/// Messages of one partition of a broker, told apart by their heads: without a head there is no
/// record, whatever bytes there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// What kind of records these are.
    pub topic: TopicId,
    /// The partition that they come from.
    pub partition: u32,
    /// How they are written.
    pub format: Format,
    /// The bytes, and at least [`Block::PADDING`] after the last message.
    pub bytes: Vec<u8>,
    /// Where the messages stand in `bytes`, by rising positions. Between two positions there may be
    /// others that have no record.
    pub heads: Vec<Head>,
}

/// One message: `bytes[start..start + length]` of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Offset in the partition.
    pub position: u64,
    /// The broker's timestamp of the record.
    pub timestamp: Millis,
    /// Start of the value in the block's bytes; for a null value the start of the key.
    pub start: u32,
    /// Length of the value; for a null value that of the key.
    pub length: u32,
    /// Whether the value was null (a tombstone): the bytes are then the key.
    pub null: bool,
    /// Bytes of the key, which stand behind the value and a line end; 0 for none, for one that is
    /// longer than [`Head::MAX_KEY`], and for a null value.
    pub key: u16,
}

impl Head {
    /// Bytes of a key, at most: one that names a customer is shorter.
    pub const MAX_KEY: usize = 1024;

    /// Where its bytes end in the block, those of the key too.
    fn end(&self) -> u32 {
        self.start + self.length + if self.key > 0 { 1 + u32::from(self.key) } else { 0 }
    }
}

impl Messages {
    /// The messages in these bytes, which are padded here.
    pub fn new(topic: TopicId, partition: u32, mut bytes: Vec<u8>, heads: Vec<Head>) -> Self {
        bytes.resize(bytes.len() + Block::PADDING, 0);
        Messages { topic, partition, format: Format::Json, bytes, heads }
    }

    /// The key of a message whose value is not null; empty where it was not kept.
    pub fn key(&self, head: &Head) -> &[u8] {
        let start = head.start as usize + head.length as usize + 1;
        self.bytes.get(start..start + usize::from(head.key)).unwrap_or_default()
    }

    /// The position after the last of them; `None` where there are none.
    pub fn end(&self) -> Option<u64> {
        self.heads.last().map(|head| head.position + 1)
    }

    /// Takes out those before a position, which may be one without a record. Only their bytes are
    /// copied, so that a block can be cut often.
    pub fn split_before(&mut self, position: u64) -> Messages {
        let at = self.heads.partition_point(|head| head.position < position);
        let mut heads: Vec<Head> = self.heads.drain(..at).collect();
        let first = heads.first().map_or(0, |head| head.start);
        let end = heads.last().map_or(first, Head::end);
        let bytes = self.bytes.get(first as usize..end as usize).unwrap_or_default().to_vec();
        heads.iter_mut().for_each(|head| head.start -= first);
        Messages {
            format: self.format.clone(),
            ..Messages::new(self.topic, self.partition, bytes, heads)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Topic;

    /// Messages at these positions, each saying its own.
    fn at(positions: &[u64]) -> Messages {
        let (mut bytes, mut heads) = (Vec::new(), Vec::new());
        for &position in positions {
            let (text, key) = (format!("<{position}>"), format!("{position}"));
            let (start, length) = (bytes.len() as u32, text.len() as u32);
            heads.push(Head {
                position,
                timestamp: position as Millis,
                start,
                length,
                null: false,
                key: key.len() as u16,
            });
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(b'\n');
            bytes.extend_from_slice(key.as_bytes());
        }
        Messages::new(Topic::Rewards.id(), 3, bytes, heads)
    }

    /// What each says, which must be where it stands.
    fn said(messages: &Messages) -> Vec<u64> {
        let say = |head: &Head| {
            let text = &messages.bytes[head.start as usize..][..head.length as usize];
            assert_eq!(text, format!("<{}>", head.position).as_bytes());
            assert_eq!(messages.key(head), head.position.to_string().as_bytes());
            assert!(messages.bytes.len() >= head.end() as usize + Block::PADDING);
            head.position
        };
        messages.heads.iter().map(say).collect()
    }

    #[test]
    fn messages_are_parted_at_any_position_with_or_without_a_record() {
        let all = [2, 3, 7, 8, 12];
        for position in 0..15 {
            let mut after = at(&all);
            let before = after.split_before(position);
            let (wanted, left): (Vec<u64>, Vec<u64>) = all.iter().partition(|at| **at < position);
            assert_eq!((said(&before), said(&after)), (wanted, left), "before {position}");
            assert_eq!(
                (before.topic, before.partition, &before.format),
                (Topic::Rewards.id(), 3, &Format::Json)
            );
            assert_eq!(before.end(), before.heads.last().map(|head| head.position + 1));
        }
    }

    #[test]
    fn a_block_that_is_cut_at_every_record_copies_each_byte_once() {
        let mut rest = at(&[1, 2, 3, 4]);
        let whole = rest.bytes.len();
        let parts: Vec<Messages> = (2..6).map(|position| rest.split_before(position)).collect();
        assert_eq!(parts.iter().flat_map(said).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(
            parts.iter().all(|part| part.bytes.len() == "<1>\n1".len() + Block::PADDING),
            "{parts:?}"
        );
        assert_eq!((rest.heads.len(), rest.bytes.len(), rest.end()), (0, whole, None));
    }
}

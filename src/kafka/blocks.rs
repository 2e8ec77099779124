//! Records of one partition, gathered into blocks.

use super::sys::batch::Message;
use dataflows::source::{Head, Messages, TopicId};
use std::time::{Duration, Instant};

/// Bytes from which a block is handed over at once.
pub(super) const FULL: usize = 256 * 1024;
/// How long the first record of a block that is not full waits for others.
pub(super) const LINGER: Duration = Duration::from_millis(2);

/// The block that is being filled for a partition, and what is to be said after it.
pub(super) struct BlockBuilder {
    topic: TopicId,
    partition: u32,
    bytes: Vec<u8>,
    heads: Vec<Head>,
    /// When its first record came.
    since: Option<Instant>,
    /// The offset after the last that was gathered.
    next: u64,
    /// Room that the next block starts with: as much as the last one needed.
    room: (usize, usize),
}

impl BlockBuilder {
    /// Nothing yet, of a partition that is read from `next` on.
    pub(super) fn new(topic: TopicId, partition: u32, next: u64) -> Self {
        BlockBuilder {
            topic,
            partition,
            bytes: Vec::new(),
            heads: Vec::new(),
            since: None,
            next,
            room: (0, 0),
        }
    }

    /// The offset after the last that was gathered.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether there are records.
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// When what is there has to go, at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + LINGER)
    }

    /// The partition is read up to here, with or without records before it: transactions' marks and
    /// compacted records take offsets too.
    pub(super) fn advance(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Adds a record; says whether the block is full. One whose offset was handed over already is
    /// left out.
    pub(super) fn add(&mut self, message: &Message<'_>, now: Instant) -> bool {
        let Ok(position) = u64::try_from(message.offset()) else { return false };
        if position < self.next {
            return false;
        }
        if self.is_empty() {
            self.bytes.reserve(self.room.0);
            self.heads.reserve(self.room.1);
            self.since = Some(now);
        }
        let value = message.value();
        let bytes = value.or(message.key()).unwrap_or_default();
        // A block is handed over when it has 256 KiB, and a record has less than 2 GiB: both fit
        // into 32 bits.
        let (start, length) = (self.bytes.len() as u32, bytes.len() as u32);
        // Whose a record is that cannot be read, its key may tell.
        let key = message
            .key()
            .filter(|key| value.is_some() && key.len() <= Head::MAX_KEY)
            .unwrap_or_default();
        self.bytes.extend_from_slice(bytes);
        self.bytes.push(b'\n');
        self.bytes.extend_from_slice(key);
        let (timestamp, null, key) = (message.timestamp(), value.is_none(), key.len() as u16);
        self.heads.push(Head { position, timestamp, start, length, null, key });
        self.next = position + 1;
        self.bytes.len() >= FULL
    }

    /// Takes the block out.
    pub(super) fn finish(&mut self) -> Option<Messages> {
        if self.is_empty() {
            return None;
        }
        // One huge record does not make all blocks after it huge.
        self.room = (self.bytes.len().min(2 * FULL), self.heads.len());
        self.since = None;
        let (bytes, heads) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.heads));
        Some(Messages::new(self.topic, self.partition, bytes, heads))
    }
}

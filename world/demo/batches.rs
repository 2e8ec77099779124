//! Records of the simulated world, gathered into blocks as a broker would hand them over: each with
//! its offset and its timestamp.

use dataflows::event::{Millis, Topic};
use dataflows::source::{Head, Messages, TopicId};

/// Records that wait to be handed over, one partition a topic.
pub struct Batches([Batch; Topic::ALL.len()]);

struct Batch {
    topic: TopicId,
    next: u64,
    bytes: Vec<u8>,
    heads: Vec<Head>,
}

impl Default for Batches {
    /// Nothing yet.
    fn default() -> Self {
        Batches(Topic::ids().map(|topic| Batch {
            topic,
            next: 0,
            bytes: Vec::new(),
            heads: Vec::new(),
        }))
    }
}

impl Batches {
    /// Adds the record that `write` appends.
    pub fn add(&mut self, topic: TopicId, timestamp: Millis, write: impl FnOnce(&mut Vec<u8>)) {
        let batch = &mut self.0[topic.number()];
        let start = batch.bytes.len();
        write(&mut batch.bytes);
        let (start, length) = (start as u32, (batch.bytes.len() - start) as u32);
        batch.heads.push(Head {
            position: batch.next,
            timestamp,
            start,
            length,
            null: false,
            key: 0,
        });
        batch.next += 1;
    }

    /// What has been added since the last time.
    pub fn take(&mut self) -> impl Iterator<Item = Messages> {
        self.0.iter_mut().filter(|batch| !batch.heads.is_empty()).map(Batch::take)
    }

    /// Records so far, those that were taken too.
    pub fn records(&self) -> u64 {
        self.0.iter().map(|batch| batch.next).sum()
    }
}

impl Batch {
    fn take(&mut self) -> Messages {
        Messages::new(
            self.topic,
            0,
            std::mem::take(&mut self.bytes),
            std::mem::take(&mut self.heads),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_bytes_and_get_offsets_in_their_topic() {
        let mut batches = Batches::default();
        for (topic, text) in [
            (Topic::Requests.id(), "one"),
            (Topic::Customers.id(), "two"),
            (Topic::Requests.id(), "three"),
        ] {
            batches.add(topic, 7, |out| out.extend_from_slice(text.as_bytes()));
        }
        let first: Vec<Messages> = batches.take().collect();
        batches.add(Topic::Requests.id(), 8, |out| out.extend_from_slice(b"four"));
        let second: Vec<Messages> = batches.take().collect();
        let texts = |blocks: &[Messages]| -> Vec<(TopicId, u64, String)> {
            let text = |block: &Messages, head: &Head| {
                String::from_utf8(
                    block.bytes[head.start as usize..][..head.length as usize].to_vec(),
                )
                .unwrap()
            };
            blocks
                .iter()
                .flat_map(|block| {
                    block
                        .heads
                        .iter()
                        .map(move |head| (block.topic, head.position, text(block, head)))
                })
                .collect()
        };
        assert_eq!(
            texts(&first),
            [
                (Topic::Customers.id(), 0, "two".to_owned()),
                (Topic::Requests.id(), 0, "one".to_owned()),
                (Topic::Requests.id(), 1, "three".to_owned())
            ]
        );
        assert_eq!(texts(&second), [(Topic::Requests.id(), 2, "four".to_owned())]);
        assert_eq!((batches.records(), batches.take().count()), (4, 0));
    }
}

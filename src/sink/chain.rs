//! The chain of a job's epochs: each has a digest of itself and of all before it, so that two
//! histories are told apart wherever they part.
//!
//! The first link is drawn at random when the job begins, which is its history's identity. A
//! database that was restored from a copy goes on with the links that the copy has, and from the
//! first epoch that then is another one on every link is another.

use super::RecordedEpoch;
use crate::hexadecimal::{digest_from_hex, hexadecimal};
use crate::source::TopicUuids;
use dataflows::event::Millis;
use dataflows::source::TopicId;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// Digits by which a history is named where all of them would be too many: no two of one job will
/// ever share as many.
pub const SHORT: usize = 16;

/// A digest of an epoch and of all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link([u8; 32]);

/// What an epoch was made of: what its link stands for.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// Which.
    pub epoch: u64,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// Next offset of every partition, in any order.
    pub offsets: &'a [(TopicId, u32, u64)],
    /// Digest of the statistics of all arms after it.
    pub digest: &'a [u8; 32],
    /// How many valid records were read for it.
    pub records: u64,
    /// The ids of the topics that it was read from.
    pub topic_ids: &'a TopicUuids,
}

impl Link {
    /// One that nobody has had.
    pub fn random() -> Link {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the system has random numbers");
        Link(bytes)
    }

    /// From its 64 hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Link> {
        digest_from_hex(text).map(Link)
    }

    /// Its first digits: what folders and messages name a history by.
    pub fn short(&self) -> String {
        hexadecimal(&self.0[..SHORT / 2])
    }

    /// The link of the next epoch. What goes in has a fixed order and fixed lengths, or its length
    /// before it.
    pub fn then(&self, made: &Made<'_>) -> Link {
        let mut offsets = made.offsets.to_vec();
        offsets.sort_unstable();
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(made.epoch.to_le_bytes());
        hash.update([u8::from(made.watermark.is_some())]);
        hash.update(made.watermark.unwrap_or_default().to_le_bytes());
        hash.update((offsets.len() as u64).to_le_bytes());
        for (topic, partition, next) in offsets {
            hash.update([topic.number() as u8]);
            hash.update(partition.to_le_bytes());
            hash.update(next.to_le_bytes());
        }
        hash.update(made.digest);
        hash.update(made.records.to_le_bytes());
        made.topic_ids.bytes().for_each(|id| hash.update(id));
        Link(hash.finalize().into())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Link, D::Error> {
        Link::from_hex(&String::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a link is 64 hexadecimal digits"))
    }
}

/// Where the chain of a job begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Its first link, which is nobody else's.
    pub identity: Link,
    /// The epoch before the first that has a link: one of a version of the program that made none,
    /// else 0.
    pub after: u64,
}

impl Genesis {
    /// One that begins after an epoch.
    pub fn begin(after: u64) -> Genesis {
        Genesis { identity: Link::random(), after }
    }

    /// The link that an epoch is to have, where that of the epoch before is `before`; `None` where
    /// there is none to follow.
    pub fn link(&self, before: Option<Link>, made: &Made<'_>) -> Option<Link> {
        let before = if made.epoch == self.after + 1 { Some(self.identity) } else { before };
        before.filter(|_| made.epoch > self.after).map(|before| before.then(made))
    }

    /// The first of these epochs, which follow one another, that is not as it was committed. Of one
    /// whose predecessor is not here, and is not the beginning, that cannot be told.
    pub fn broken(&self, epochs: &[RecordedEpoch]) -> Option<u64> {
        let mut before = None;
        for epoch in epochs {
            let known = before.is_some() || epoch.epoch <= self.after + 1;
            if known && self.link(before, &epoch.made()) != epoch.chain {
                return Some(epoch.epoch);
            }
            before = epoch.chain;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::TopicUuid;
    use dataflows::event::Topic;

    fn epoch(number: u64) -> RecordedEpoch {
        RecordedEpoch {
            epoch: number,
            watermark: Some(number as Millis),
            offsets: vec![(Topic::Transactions.id(), 0, number * 10), (Topic::Rewards.id(), 1, 0)],
            digest: [number as u8; 32],
            records: number,
            topic_ids: TopicUuids::UNKNOWN.with(Topic::Rewards.id(), TopicUuid::of(1, 2)),
            chain: None,
        }
    }

    /// So many epochs, each with its link.
    fn chained(history: &Genesis, last: u64) -> Vec<RecordedEpoch> {
        let mut before = None;
        let link = |number| {
            before = history.link(before, &epoch(number).made());
            RecordedEpoch { chain: before, ..epoch(number) }
        };
        (1..=last).map(link).collect()
    }

    #[test]
    fn whatever_of_an_epoch_is_changed_breaks_the_chain_there() {
        let history = Genesis::begin(2);
        let whole = chained(&history, 6);
        assert_eq!(
            whole.iter().map(|epoch| epoch.chain.is_some()).collect::<Vec<_>>(),
            [false, false, true, true, true, true]
        );
        assert_eq!((history.broken(&whole), history.broken(&whole[3..])), (None, None));
        let changes: [fn(&mut RecordedEpoch); 8] = [
            |epoch| epoch.watermark = None,
            |epoch| epoch.offsets[0].2 += 1,
            |epoch| epoch.offsets.truncate(1),
            |epoch| epoch.digest[31] ^= 1,
            |epoch| epoch.records += 1,
            |epoch| epoch.topic_ids = TopicUuids::UNKNOWN,
            |epoch| epoch.chain = None,
            |epoch| epoch.chain = Some(Link::random()),
        ];
        for (number, change) in changes.iter().enumerate() {
            for place in 2..6 {
                let mut changed = whole.clone();
                change(&mut changed[place]);
                assert_eq!(history.broken(&changed), Some(place as u64 + 1), "change {number}");
            }
        }
        let mut early = whole.clone();
        early[1].chain = Some(Link::random());
        assert_eq!(history.broken(&early), Some(2));
    }

    #[test]
    fn the_same_epochs_of_another_beginning_have_other_links() {
        let (one, other) = (Genesis::begin(0), Genesis::begin(0));
        assert_eq!(one.broken(&chained(&one, 3)), None);
        assert_eq!(other.broken(&chained(&one, 3)), Some(1));
        let link = one.identity;
        assert_eq!((Link::from_hex(&link.to_string()), Link::from_hex("ab")), (Some(link), None));
    }

    #[test]
    fn the_order_of_partitions_is_nothing() {
        let (mut turned, history) = (epoch(1), Genesis::begin(0));
        turned.offsets.reverse();
        assert_eq!(history.link(None, &turned.made()), history.link(None, &epoch(1).made()));
    }
}

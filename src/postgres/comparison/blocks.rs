//! Recorded epochs that were compared before: a digest of each few, by which it is told
//! that they are still the same without computing them again.

use super::difference::Findings;
use super::snapshot::Recorded;
use crate::postgres::retention::BLOCK;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The blocks, by their number: epoch `n` is in block `n / BLOCK`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpochBlocks(BTreeMap<u64, Block>);

/// The epochs of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    /// How many.
    epochs: u64,
    /// The sum of their digests, in two halves of 64 bits.
    sum: [u64; 2],
}

impl EpochBlocks {
    /// Takes in an epoch, in any order.
    pub fn add(&mut self, recorded: &Recorded) {
        let text =
            serde_json::to_vec(recorded).expect("texts, numbers and lists of them always are JSON");
        let digest = Sha256::digest(&text);
        let block = self.0.entry(recorded.epoch / BLOCK).or_default();
        block.epochs += 1;
        for (sum, half) in block.sum.iter_mut().zip(digest.as_chunks::<8>().0) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*half));
        }
    }

    /// Names the blocks that are not there as they were, of those that have no epoch up to `gone`.
    pub fn compare(&self, found: &EpochBlocks, gone: u64, findings: &mut Findings) {
        let numbers =
            self.0.keys().chain(found.0.keys().filter(|number| !self.0.contains_key(number)));
        for number in numbers.filter(|number| **number * BLOCK > gone || gone == 0) {
            let (own, found) = (
                self.0.get(number).cloned().unwrap_or_default(),
                found.0.get(number).cloned().unwrap_or_default(),
            );
            findings.rows += found.epochs;
            if own != found {
                let key =
                    format!("epochs {} to {}", (number * BLOCK).max(1), (number + 1) * BLOCK - 1);
                findings.differs(&key, "as they were verified", own.shown(), found.shown());
            }
        }
    }
}

impl Block {
    fn shown(&self) -> String {
        format!("{} rows with the sum {:016x}{:016x}", self.epochs, self.sum[1], self.sum[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::retention::Gone;
    use crate::source::TopicUuids;
    use dataflows::campaign::tables::tables;
    use std::sync::Arc;

    fn recorded(epoch: u64) -> Recorded {
        Recorded {
            epoch,
            watermark: Some(3),
            offsets: Vec::new(),
            digest: "ab".to_string(),
            counts: "{}".to_string(),
            topic_ids: TopicUuids::UNKNOWN,
            chain: None,
            read: None,
            identity: None,
            gone: Gone::default(),
        }
    }

    fn decisions_gone() -> Gone {
        let tables: Vec<_> = tables(&[], 2).into_iter().map(Arc::new).collect();
        Gone::read(Some("{\"decisions\": 3}"), &tables).expect("it is readable")
    }

    /// What differs once the epochs are changed.
    fn differing(change: impl FnOnce(&mut Vec<Recorded>), gone: u64) -> Vec<String> {
        let mut epochs: Vec<Recorded> = (1..=2 * BLOCK + 5).map(recorded).collect();
        let blocks = |epochs: &[Recorded]| {
            let mut blocks = EpochBlocks::default();
            epochs.iter().for_each(|recorded| blocks.add(recorded));
            blocks
        };
        let own = blocks(&epochs);
        change(&mut epochs);
        epochs.reverse();
        let mut findings = Findings::new("epochs");
        own.compare(&blocks(&epochs), gone, &mut findings);
        findings.named.into_iter().map(|difference| difference.key).collect()
    }

    #[test]
    fn whatever_of_an_epoch_is_changed_its_block_is_named() {
        let changes: [&dyn Fn(&mut Recorded); 8] = [
            &|recorded| recorded.watermark = None,
            &|recorded| recorded.offsets = vec![(dataflows::event::Topic::Rewards.id(), 0, 1)],
            &|recorded| recorded.digest.clear(),
            &|recorded| recorded.counts.push(' '),
            &|recorded| recorded.chain = Some(String::new()),
            &|recorded| recorded.read = Some(Vec::new()),
            &|recorded| recorded.gone = decisions_gone(),
            &|recorded| recorded.epoch = 9_000,
        ];
        assert!(differing(|_| (), 0).is_empty());
        for change in changes {
            let named = differing(|epochs| change(&mut epochs[BLOCK as usize + 40]), 0);
            assert_eq!(named[0], "epochs 64 to 127");
        }
        assert_eq!(differing(|epochs| drop(epochs.remove(0)), 0), ["epochs 1 to 63"]);
        assert!(differing(|epochs| drop(epochs.drain(..127)), 127).is_empty(), "they were to go");
        assert_eq!(differing(|epochs| drop(epochs.drain(..130)), 127), ["epochs 128 to 191"]);
    }
}

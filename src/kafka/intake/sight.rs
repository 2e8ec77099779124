//! What is seen of the reading: by partition, what was lost, and what went wrong.

use crate::first::Tell;
use crate::kafka::partition::Partition;
use crate::kafka::{KafkaError, PartitionStatus};
use dataflows::source::TopicId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Where all partitions of this process stand, for whoever shows it; what ends the reading is told
/// to whoever keeps the first cause.
#[derive(Clone, Debug)]
pub struct Sight {
    brokers: Arc<str>,
    seen: Arc<Mutex<Seen>>,
    failure: Tell<KafkaError>,
}

#[derive(Debug, Default)]
struct Seen {
    pub(super) partitions: BTreeMap<(TopicId, u32), PartitionStatus>,
    /// A start waits for the broker, and why.
    waits: Option<String>,
    /// Why no broker is connected, by the worker whose consumer it is.
    pub(super) trouble: BTreeMap<usize, String>,
    /// Why there is nothing to be read, though the broker answers.
    gone: Option<String>,
    pub(super) committed: Vec<(TopicId, u32, u64)>,
    /// Partitions that were found after the start.
    found: Vec<(TopicId, u32)>,
}

impl Sight {
    /// Nothing is seen yet.
    pub fn new(brokers: &str, failure: Tell<KafkaError>) -> Self {
        Sight { brokers: brokers.into(), seen: Arc::default(), failure }
    }

    /// The addresses of the brokers.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Where the partitions stand.
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        self.seen.lock().map(|seen| seen.partitions.values().copied().collect()).unwrap_or_default()
    }

    /// A start waits for the broker, and why.
    pub fn waits(&self, why: String) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.waits = Some(why);
        }
    }

    /// The broker has answered, and the start goes on.
    pub fn begins(&self) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.waits = None;
        }
    }

    /// Why a worker has no broker connected; `None` while each has one.
    pub fn trouble(&self) -> Option<String> {
        self.seen
            .lock()
            .ok()
            .and_then(|seen| seen.waits.clone().or_else(|| seen.trouble.values().next().cloned()))
    }

    /// Topics or partitions are gone, or none is any more.
    pub fn lose(&self, gone: Option<String>) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.gone = gone;
        }
    }

    /// What is gone of the topics.
    pub fn gone(&self) -> Option<String> {
        self.seen.lock().ok().and_then(|seen| seen.gone.clone())
    }

    /// The offsets of a commit, for tools that show lag.
    pub fn committed(&self, offsets: &[(TopicId, u32, u64)]) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.committed = offsets.to_vec();
        }
    }

    /// Partitions that have come since the start, to be adopted by the workers that they belong to.
    pub fn found(&self, partitions: impl IntoIterator<Item = (TopicId, u32)>) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.found.extend(partitions);
        }
    }

    /// Of the found partitions those after the first so many.
    pub(super) fn found_after(&self, known: usize) -> Vec<(TopicId, u32)> {
        self.seen
            .lock()
            .ok()
            .and_then(|seen| seen.found.get(known..).map(<[_]>::to_vec))
            .unwrap_or_default()
    }

    /// Of the committed offsets those of these partitions.
    pub(super) fn committed_among(
        &self,
        partitions: &BTreeMap<(TopicId, u32), Partition>,
    ) -> Vec<(TopicId, u32, u64)> {
        let seen = self.seen.lock().map(|seen| seen.committed.clone()).unwrap_or_default();
        seen.into_iter()
            .filter(|(topic, partition, _)| partitions.contains_key(&(*topic, *partition)))
            .collect()
    }

    /// Where the partitions of a worker stand, and why it has no broker connected.
    pub(super) fn show(
        &self,
        worker: usize,
        partitions: Vec<PartitionStatus>,
        trouble: Option<String>,
    ) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.partitions.extend(
                partitions.into_iter().map(|status| ((status.topic, status.partition), status)),
            );
            match trouble {
                Some(trouble) => drop(seen.trouble.insert(worker, trouble)),
                None => drop(seen.trouble.remove(&worker)),
            }
        }
    }

    /// The reading has ended for good.
    pub fn fail(&self, error: KafkaError) {
        self.failure.tell(error);
    }
}

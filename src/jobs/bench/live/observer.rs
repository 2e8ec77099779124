//! What a reader of the database sees of the job's epochs, and when.

use super::super::error::BenchError;
use super::arena::Arena;
use crate::kafka::KafkaSettings;
use crate::kafka::paced::Landed;
use crate::postgres::Target;
use ::postgres::Client;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Next offsets by topic and partition.
type Offsets = BTreeMap<String, BTreeMap<u32, u64>>;

/// What a reader of the database has seen of the job's epochs.
pub(super) struct CommitObserver {
    client: Client,
    newest: i64,
    /// The model's digest after the newest epoch.
    pub(super) digest: String,
    /// When each epoch was first seen, with the next offsets by topic and partition.
    commits: Vec<(Instant, Offsets)>,
}

impl CommitObserver {
    pub(super) fn connect(arena: &Arena) -> Result<Self, BenchError> {
        let client = Target::at(&arena.url())?.connect()?;
        Ok(CommitObserver { client, newest: 0, digest: String::new(), commits: Vec::new() })
    }

    /// Looks for new epochs; gives how many records all together have.
    pub(super) fn look(&mut self) -> Result<u64, BenchError> {
        let query = "SELECT epoch, digest, offsets::text FROM sluice.epochs WHERE epoch > $1 ORDER \
            BY epoch";
        let rows = self.client.query(query, &[&self.newest]).map_err(BenchError::Postgres)?;
        let now = Instant::now();
        for row in &rows {
            (self.newest, self.digest) = (row.get(0), row.get(1));
            self.commits.push((now, serde_json::from_str(row.get(2))?));
        }
        Ok(self
            .commits
            .last()
            .map_or(0, |(_, offsets)| offsets.values().flat_map(BTreeMap::values).sum()))
    }

    pub(super) fn epochs(&self) -> u64 {
        self.commits.len() as u64
    }

    /// For each event the time from its due instant until the first commit beyond its offset was
    /// seen; ascending.
    pub(super) fn latencies(
        &self,
        kafka: &KafkaSettings,
        started: Instant,
        landed: &[Landed],
    ) -> Vec<Duration> {
        let mut latencies: Vec<Duration> = landed
            .iter()
            .filter_map(|event| {
                let next = |offsets: &Offsets| {
                    offsets
                        .get(kafka.topic_name(event.topic))
                        .and_then(|of| of.get(&event.partition))
                        .copied()
                        .unwrap_or(0)
                };
                let covering =
                    self.commits.partition_point(|(_, offsets)| next(offsets) <= event.offset);
                Some(self.commits.get(covering)?.0.saturating_duration_since(started + event.due))
            })
            .collect();
        latencies.sort_unstable();
        latencies
    }
}

//! The broker that a job begins with; one that is not there yet is waited for.

use super::{Job, START};
use crate::hosting::Hosted;
use crate::kafka::{KafkaError, admin, properties};
use dataflows::source::TopicId;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

impl<D: Hosted> Job<D> {
    /// The partitions of every topic; nothing where the job is told to drain before the broker is
    /// there.
    pub(super) fn await_partitions(
        &self,
    ) -> Result<Option<BTreeMap<TopicId, Vec<u32>>>, KafkaError> {
        let Some(partitions) = self.await_broker(|| admin::partitions(&self.kafka))? else {
            return Ok(None);
        };
        self.watched.sight.begins();
        let found = properties::of_read(&self.kafka);
        self.compacted.learn(found.as_ref().ok(), &self.kafka);
        match found {
            Ok(found) => found.warnings().iter().for_each(|warning| tracing::warn!("{warning}")),
            // What is odd about topics keeps nobody from reading them.
            Err(error) => tracing::warn!("The topics are not checked: {error}."),
        }
        Ok(Some(partitions))
    }

    /// What the broker says; one that is not there yet is waited for, unless the job is told to
    /// drain.
    pub(super) fn await_broker<T>(
        &self,
        mut ask: impl FnMut() -> Result<T, KafkaError>,
    ) -> Result<Option<T>, KafkaError> {
        let started = Instant::now();
        let mut warned = false;
        loop {
            let error = match ask() {
                Ok(said) => return Ok(Some(said)),
                Err(error) => error,
            };
            if !error.is_transient() || started.elapsed() >= START {
                return Err(error.after(started.elapsed()));
            }
            if self.watched.control.drain.load(Ordering::Acquire) {
                return Ok(None);
            }
            self.watched.sight.waits(error.to_string());
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(timeout = ?START, "The broker is not ready; waiting for it: \
                    {error}.");
            }
            std::thread::park_timeout(Duration::from_millis(500));
        }
    }
}

//! What is known of a job, of that which every job has, and how an epoch changes it.

use super::erasures::FailedErasures;
use super::figures::{Figures, JobCounts};
use super::publishing::Owing;
use super::rate::Rate;
use super::reading::PartitionsRead;
use super::rejects::Rejects;
use super::report::{Epochs, Holder, Watermark};
use super::state::State;
use super::times::Times;
use crate::hexadecimal::hexadecimal;
use crate::sink::gathered::{Essentials, Gathered};
use crate::telemetry::stalls::Stalls;
use dataflows::event::Millis;
use dataflows::source::TopicId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Everything that changes.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) state: State,
    pub(super) stalls: Stalls,
    pub(super) cut: u64,
    pub(super) committed: u64,
    pub(super) commit_took: Option<Duration>,
    pub(super) digest: Option<[u8; 32]>,
    pub(super) watermark: Option<Millis>,
    pub(super) held_by: Option<(TopicId, u32)>,
    pub(super) checkpoint: u64,
    pub(super) owing: Owing,
    pub(super) times: Times,
    pub(super) partitions: PartitionsRead,
    pub(super) counts: JobCounts,
    pub(super) failed_erasures: FailedErasures,
    pub(super) rate: Rate,
    pub(super) rejects: Rejects,
    pub(super) given_up: BTreeMap<&'static str, u64>,
    pub(super) figures: Box<dyn Figures>,
}

impl Known {
    /// Of a job that starts.
    pub(super) fn new(topics: &[TopicId], figures: Box<dyn Figures>, started: Instant) -> Self {
        Known {
            state: State::Starting,
            stalls: Stalls::default(),
            cut: 0,
            committed: 0,
            commit_took: None,
            digest: None,
            watermark: None,
            held_by: None,
            checkpoint: 0,
            owing: Owing::default(),
            times: Times::default(),
            partitions: PartitionsRead::default(),
            counts: JobCounts::default(),
            failed_erasures: FailedErasures::none(),
            rate: Rate::new(started),
            rejects: Rejects::none(&figures.ignorable()),
            given_up: topics.iter().map(|topic| (topic.name(), 0)).collect(),
            figures,
        }
    }

    /// An epoch has been committed.
    pub(super) fn commit(&mut self, gathered: &dyn Gathered, took: Duration, now: Instant) {
        let epoch = gathered.essentials();
        self.commit_took = Some(took);
        self.rate.add(now, epoch.records);
        self.repeat(&epoch);
        self.rejects.blank(&gathered.erased());
        epoch.rejected.iter().for_each(|rejected| self.rejects.reject(rejected));
        self.rejects.ignore(epoch.ignored);
    }

    /// What an epoch changed, whenever it was committed.
    pub(super) fn repeat(&mut self, epoch: &Essentials<'_>) {
        self.reach(epoch.epoch, epoch.closed.watermark);
        self.digest = Some(*epoch.digest);
        self.held_by = epoch.closed.held_by;
        self.partitions.committed(epoch.closed);
        let Essentials { records, unread_erasures, .. } = *epoch;
        self.count(JobCounts { records, unread_erasures });
    }

    /// An epoch is committed, with this watermark.
    pub(super) fn reach(&mut self, epoch: u64, watermark: Option<Millis>) {
        self.committed = self.committed.max(epoch);
        self.cut = self.cut.max(epoch);
        self.watermark = self.watermark.max(watermark);
    }

    /// Adds what is counted over all epochs.
    pub(super) fn count(&mut self, counts: JobCounts) {
        self.counts.records += counts.records;
        self.counts.unread_erasures += counts.unread_erasures;
    }

    /// Epochs as they are shown.
    pub(super) fn epochs(&self) -> Epochs {
        Epochs {
            cut: self.cut,
            committed: self.committed,
            in_flight: self.cut.saturating_sub(self.committed),
            checkpoint: self.checkpoint,
            commit_seconds: self.commit_took.map(|took| took.as_secs_f64()),
            digest: self.digest.as_ref().map(|digest| hexadecimal(digest)),
        }
    }

    /// The watermark as it is shown.
    pub(super) fn watermark(&self) -> Option<Watermark> {
        let held_by =
            self.held_by.map(|(topic, partition)| Holder { topic: topic.name(), partition });
        self.watermark.map(|timestamp_ms| Watermark { timestamp_ms, held_by })
    }
}

//! The journal as a sink, and as what is recorded of its job.

use super::JournalWriter;
use crate::journal::error::JournalError;
use crate::journal::record::{JournalRecord, SkippedOffsets};
use crate::journal::state::JournalState;
use crate::sink::applied::{Applied, AppliedSettings};
use crate::sink::gathered::Gathered;
use crate::sink::kept::KeptAt;
use crate::sink::{Commit, Genesis, Progress, RecordedEpoch, Records, Sink, SinkError};
use crate::source::{Loss, Positions, TopicUuids, offsets_by_name};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use serde_json::Value;
use std::time::Instant;

impl Records for JournalWriter {
    fn job(&self) -> &str {
        self.ledger.job()
    }

    fn progress(&self) -> Progress {
        self.ledger.progress()
    }

    fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
        self.ledger.recorded_epochs(after)
    }

    fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
        self.ledger.starts()
    }

    fn history(&mut self) -> Result<Genesis, SinkError> {
        self.ledger.history()
    }

    fn topic_ids(&mut self) -> Result<TopicUuids, SinkError> {
        self.ledger.topic_ids()
    }

    fn applied(&mut self) -> Result<AppliedSettings, SinkError> {
        self.ledger.applied()
    }

    fn losses(&mut self) -> Result<Vec<Loss>, SinkError> {
        self.ledger.losses()
    }

    fn erasures(&mut self, after: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
        self.ledger.erasures(after)
    }

    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
        self.ledger.erased()
    }

    fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, SinkError> {
        self.ledger.kept(after)
    }
}

impl Sink for JournalWriter {
    fn set_starts(&mut self, offsets: &[(TopicId, u32, u64)]) -> Result<(), SinkError> {
        Ok(self
            .append(JournalRecord::Starts(offsets_by_name(offsets, &self.settings.topics)), true)?)
    }

    fn set_topic_ids(&mut self, ids: &TopicUuids) -> Result<(), SinkError> {
        Ok(self.append(JournalRecord::Topics(ids.named(&self.settings.topics)), true)?)
    }

    fn apply(&mut self, settings: &Value) -> Result<bool, SinkError> {
        let since = self.ledger.state.progress.epoch + 1;
        let applied = Applied { since, settings: settings.clone() };
        if !self.ledger.state.applied.clone().apply(applied.clone()) {
            return Ok(false);
        }
        Ok(self.append(JournalRecord::Applied(Box::new(applied)), true).map(|()| true)?)
    }

    fn lose(&mut self, losses: &[Loss]) -> Result<(), SinkError> {
        let lost = |loss: &Loss| {
            let &Loss { epoch, topic, partition, first, next } = loss;
            SkippedOffsets {
                epoch,
                topic: self.settings.topics[topic].to_string(),
                partition,
                first,
                next,
            }
        };
        let lost: Vec<SkippedOffsets> = losses.iter().map(lost).collect();
        if !lost.is_empty() {
            self.append(JournalRecord::Losses(lost), true)?;
        }
        Ok(())
    }

    /// The journal first: files without their epochs are removed at the next start, too.
    fn forget(
        &mut self,
        starts: &[(TopicId, u32, u64)],
        ids: &TopicUuids,
    ) -> Result<(), SinkError> {
        let progress =
            Progress { incarnation: self.ledger.state.progress.incarnation, ..Progress::default() };
        let (starts, topics) = (
            Some(offsets_by_name(starts, &self.settings.topics)),
            ids.named(&self.settings.topics),
        );
        let (erased, former) =
            (std::mem::take(&mut self.ledger.state.erased), self.ledger.state.history);
        let history = Genesis::begin(0);
        self.ledger.state = JournalState {
            progress,
            starts,
            topics,
            erased,
            history: Some(history),
            former,
            ..JournalState::default()
        };
        self.rewrite()?;
        self.ledger.kept.remove(|_| true)?;
        self.ledger.kept = self.kept_of(history);
        self.forgotten = 0;
        let of = self.ledger.state.identities();
        Ok(self
            .files
            .as_ref()
            .map_or(Ok(()), |files| files.remove_after(0, &of))
            .map_err(JournalError::from)?)
    }

    /// Where there was no room, the same may be tried again. After any other error nobody knows
    /// what lies on the disk: the next start reads it.
    fn commit(&mut self, epoch: &dyn Gathered) -> Result<Commit, SinkError> {
        let started = Instant::now();
        self.try_commit(epoch)?;
        Ok(Commit { epoch: epoch.essentials().epoch, took: started.elapsed(), retries: 0 })
    }

    /// That it fails does not end the job: the journal is only longer than it need be, or there are
    /// more files beside it.
    fn checkpointed(&mut self, newest: u64, oldest: u64) {
        if oldest > self.forgotten {
            match self.ledger.kept.remove(|epoch| epoch <= oldest) {
                Ok(()) => self.forgotten = oldest,
                Err(error) => tracing::warn!(
                    "Kept records are not removed, and will be after the next checkpoint: {error}."
                ),
            }
        }
        if newest <= self.looked_at {
            return;
        }
        self.looked_at = newest;
        if let Err(error) = self.prune(newest) {
            tracing::warn!("The journal is not shortened: {error}.");
        }
    }
}

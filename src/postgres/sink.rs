//! The writer as the sink of a job.

use super::error::PostgresError;
use super::writer::Writer;
use crate::blame::Blame;
use crate::sink::applied::AppliedSettings;
use crate::sink::gathered::Gathered;
use crate::sink::kept::KeptAt;
use crate::sink::{Commit, Genesis, Progress, RecordedEpoch, Records, Sink, SinkError, SinkFault};
use crate::source::{Loss, Positions, TopicUuids};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use serde_json::Value;

impl Records for Writer {
    fn job(&self) -> &str {
        Writer::job(self)
    }

    fn progress(&self) -> Progress {
        Writer::progress(self)
    }

    fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
        Ok(Writer::recorded_epochs(self, after)?)
    }

    fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
        Ok(Writer::starts(self)?)
    }

    fn history(&mut self) -> Result<Genesis, SinkError> {
        Ok(Writer::history(self))
    }

    fn topic_ids(&mut self) -> Result<TopicUuids, SinkError> {
        Ok(Writer::topic_ids(self))
    }

    fn applied(&mut self) -> Result<AppliedSettings, SinkError> {
        Ok(Writer::applied(self)?)
    }

    fn losses(&mut self) -> Result<Vec<Loss>, SinkError> {
        Ok(Writer::losses(self)?)
    }

    fn erasures(&mut self, after: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
        Ok(Writer::erasures(self, after)?)
    }

    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
        Ok(Writer::erased(self)?)
    }

    fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, SinkError> {
        Ok(Writer::kept(self, after)?)
    }
}

impl Sink for Writer {
    fn set_starts(&mut self, offsets: &[(TopicId, u32, u64)]) -> Result<(), SinkError> {
        Ok(Writer::set_starts(self, offsets)?)
    }

    fn set_topic_ids(&mut self, ids: &TopicUuids) -> Result<(), SinkError> {
        Ok(Writer::set_topic_ids(self, ids)?)
    }

    fn apply(&mut self, settings: &Value) -> Result<bool, SinkError> {
        Ok(Writer::apply(self, settings)?)
    }

    fn lose(&mut self, losses: &[Loss]) -> Result<(), SinkError> {
        Ok(Writer::lose(self, losses)?)
    }

    fn forget(
        &mut self,
        starts: &[(TopicId, u32, u64)],
        ids: &TopicUuids,
    ) -> Result<(), SinkError> {
        Ok(Writer::forget(self, starts, ids)?)
    }

    /// That it fails does not end the job: there is only more than need be.
    fn checkpointed(&mut self, _newest: u64, oldest: u64) {
        self.begins_with(oldest);
        if let Err(error) = self.forget_kept(oldest) {
            tracing::warn!(
                "Kept records are not removed, and will be after the next checkpoint: {error}."
            );
        }
    }

    fn commit(&mut self, epoch: &dyn Gathered) -> Result<Commit, SinkError> {
        Ok(Writer::commit(self, epoch)?)
    }
}

impl SinkFault for PostgresError {
    fn sink(&self) -> &'static str {
        "Postgres"
    }

    fn blame(&self) -> Blame {
        self.blame()
    }

    fn is_fenced(&self) -> bool {
        matches!(self, PostgresError::Fenced { .. } | PostgresError::NoProgress(_))
    }

    fn is_transient(&self) -> bool {
        self.is_transient()
    }
}

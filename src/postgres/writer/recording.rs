//! What is recorded of the job beside its epochs, read back and written by its one writer.

use super::Writer;
use crate::postgres::error::PostgresError;
use crate::postgres::{applied, kept, recorded};
use crate::sink::applied::{Applied, AppliedSettings};
use crate::sink::kept::KeptAt;
use crate::sink::{Genesis, Progress, RecordedEpoch};
use crate::source::{Loss, Positions, TopicUuids};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use serde_json::Value;

impl Writer {
    /// The job that it writes for.
    pub fn job(&self) -> &str {
        &self.settings.job
    }

    /// Where the job stands, as far as this writer knows.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The job's committed epochs after `after`, in order.
    ///
    /// # Errors
    /// [`PostgresError::Recorded`], or that of a statement.
    pub fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, PostgresError> {
        let settings = self.settings.clone();
        recorded::epochs(&mut self.session()?.client, &settings, after)
    }

    /// Where the job began: the first offset of every partition; `None` where that was not
    /// recorded.
    ///
    /// # Errors
    /// [`PostgresError::Recorded`], or that of a statement.
    pub fn starts(&mut self) -> Result<Option<Positions>, PostgresError> {
        let settings = self.settings.clone();
        recorded::starts(&mut self.session()?.client, &settings)
    }

    /// Records where the job begins, before its first epoch.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn set_starts(&mut self, offsets: &[(TopicId, u32, u64)]) -> Result<(), PostgresError> {
        let (settings, own) = (self.settings.clone(), self.progress.incarnation);
        recorded::set_starts(&mut self.session()?.client, &settings, own, offsets)
    }

    /// Where the chain of the job's epochs begins.
    pub fn history(&self) -> Genesis {
        self.history
    }

    /// The ids of the topics that the job has read, as far as they were recorded.
    pub fn topic_ids(&self) -> TopicUuids {
        self.ids
    }

    /// Records the ids of the topics that the job reads from now on.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn set_topic_ids(&mut self, ids: &TopicUuids) -> Result<(), PostgresError> {
        let (settings, own) = (self.settings.clone(), self.progress.incarnation);
        recorded::set_topic_ids(&mut self.session()?.client, &settings, own, ids)?;
        self.ids = *ids;
        Ok(())
    }

    /// The settings that the job's epochs were computed with, as far as they were recorded.
    ///
    /// # Errors
    /// [`PostgresError::Recorded`], or that of a statement.
    pub fn applied(&mut self) -> Result<AppliedSettings, PostgresError> {
        let job = self.settings.job.clone();
        applied::read(&mut self.session()?.client, &job)
    }

    /// Records the settings that hold from the epoch after the last committed one on; says whether
    /// they are other ones than before.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn apply(&mut self, settings: &Value) -> Result<bool, PostgresError> {
        let (job, Progress { epoch, incarnation, .. }) = (self.settings.job.clone(), self.progress);
        let mut history = self.applied()?;
        let is_new = history.apply(Applied { since: epoch + 1, settings: settings.clone() });
        if is_new {
            applied::write(&mut self.session()?.client, &job, incarnation, &history, epoch + 1)?;
        }
        Ok(is_new)
    }

    /// The offsets that the job has gone on behind without having read them.
    ///
    /// # Errors
    /// [`PostgresError::Recorded`], or that of a statement.
    pub fn losses(&mut self) -> Result<Vec<Loss>, PostgresError> {
        let settings = self.settings.clone();
        recorded::losses(&mut self.session()?.client, &settings)
    }

    /// Records offsets that the job goes on behind without having read them.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn lose(&mut self, losses: &[Loss]) -> Result<(), PostgresError> {
        let (settings, own) = (self.settings.clone(), self.progress.incarnation);
        recorded::lose(&mut self.session()?.client, &settings, own, losses)
    }

    /// The customers that the epochs after `after` have erased, each with its epoch and up to an
    /// instant.
    ///
    /// # Errors
    /// That of a statement.
    pub fn erasures(
        &mut self,
        after: u64,
    ) -> Result<Vec<(u64, CustomerId, Millis)>, PostgresError> {
        let settings = self.settings.clone();
        recorded::erasures(&mut self.session()?.client, &settings, after)
    }

    /// Every customer that was ever erased, up to an instant.
    ///
    /// # Errors
    /// That of a statement.
    pub fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, PostgresError> {
        let job = self.settings.job.clone();
        recorded::erased(&mut self.session()?.client, &job)
    }

    /// Where everything lies that is kept of the epochs after `after`.
    ///
    /// # Errors
    /// That of a statement.
    pub fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, PostgresError> {
        let settings = self.settings.clone();
        kept::all_after(&mut self.session()?.client, &settings, after)
    }

    /// The published thresholds, by day.
    ///
    /// # Errors
    /// That of a statement.
    #[cfg(test)]
    pub fn thresholds(&mut self) -> Result<Vec<(i32, u64)>, PostgresError> {
        recorded::thresholds(&mut self.session()?.client)
    }
}

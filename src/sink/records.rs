//! What is recorded of a job, for whoever reads it back.

use super::applied::AppliedSettings;
use super::kept::KeptAt;
use super::{Genesis, Progress, RecordedEpoch, SinkError};
use crate::source::{Loss, Positions, TopicUuids};
use dataflows::event::{CustomerId, Millis};

/// What is recorded of one job. Nothing in it can write.
pub trait Records {
    /// The job.
    fn job(&self) -> &str;

    /// Where the job stands, as far as it is known here.
    fn progress(&self) -> Progress;

    /// The job's committed epochs after `after`, in order. The first of them may be missing, where
    /// only an older checkpoint would need it.
    ///
    /// # Errors
    /// They cannot be read.
    fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError>;

    /// Where the job began: the first offset of every partition; `None` where that was not
    /// recorded.
    ///
    /// # Errors
    /// It cannot be read.
    fn starts(&mut self) -> Result<Option<Positions>, SinkError>;

    /// Where the chain of its epochs begins.
    ///
    /// # Errors
    /// It cannot be read.
    fn history(&mut self) -> Result<Genesis, SinkError>;

    /// The ids of the topics that it has read, as far as they were recorded.
    ///
    /// # Errors
    /// They cannot be read.
    fn topic_ids(&mut self) -> Result<TopicUuids, SinkError>;

    /// The settings that its epochs were computed with, as far as they were recorded.
    ///
    /// # Errors
    /// They cannot be read.
    fn applied(&mut self) -> Result<AppliedSettings, SinkError>;

    /// The offsets that the job has gone on behind without having read them.
    ///
    /// # Errors
    /// They cannot be read.
    fn losses(&mut self) -> Result<Vec<Loss>, SinkError>;

    /// The customers that the epochs after `after` have erased, each with its epoch and up to an
    /// instant.
    ///
    /// # Errors
    /// They cannot be read.
    fn erasures(&mut self, after: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError>;

    /// Every customer that was ever erased, up to an instant. What forgets the job's results does
    /// not forget them.
    ///
    /// # Errors
    /// They cannot be read.
    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError>;

    /// Where everything lies that is kept of the epochs after `after`.
    ///
    /// # Errors
    /// It cannot be told.
    fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, SinkError>;
}

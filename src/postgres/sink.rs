//! The writer as the sink of a job.

use super::writer::Writer;
use crate::kafka::TopicIds;
use crate::results::EpochResults;
use crate::sink::{Commit, History, Positions, Progress, RecordedEpoch, Sink, SinkError};
use dataflows::event::Topic;

impl Sink for Writer {
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

    fn set_starts(&mut self, offsets: &[(Topic, u32, u64)]) -> Result<(), SinkError> {
        Ok(Writer::set_starts(self, offsets)?)
    }

    fn history(&mut self) -> Result<History, SinkError> {
        Ok(Writer::history(self))
    }

    fn topic_ids(&mut self) -> Result<TopicIds, SinkError> {
        Ok(Writer::topic_ids(self))
    }

    fn set_topic_ids(&mut self, ids: &TopicIds) -> Result<(), SinkError> {
        Ok(Writer::set_topic_ids(self, ids)?)
    }

    fn forget(&mut self, starts: &[(Topic, u32, u64)], ids: &TopicIds) -> Result<(), SinkError> {
        Ok(Writer::forget(self, starts, ids)?)
    }

    fn commit(&mut self, results: &EpochResults) -> Result<Commit, SinkError> {
        Ok(Writer::commit(self, results)?)
    }

    /// Recorded epochs stay.
    fn checkpointed(&mut self, _newest: u64) {}
}

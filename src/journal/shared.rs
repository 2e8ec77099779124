//! A journal in two hands: epochs are committed by the one, while the other publishes what they
//! owe.
//!
//! There is one handle on the file, and whoever writes has it to himself: a commit waits for a
//! mark, which is short and not waited for by the disk.

use super::writer::Writer;
use crate::kafka::TopicIds;
use crate::results::EpochResults;
use crate::sink::kept::KeptAt;
use crate::sink::outbox::{self, Backlog, Stretch};
use crate::sink::{Commit, History, Positions, Progress, RecordedEpoch, Records, Sink, SinkError};
use dataflows::event::{CustomerId, Millis, Topic};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The hand that commits.
pub struct Journal {
    job: String,
    writer: Shared,
}

/// The hand that publishes.
pub struct Outbox(Shared);

#[derive(Clone)]
struct Shared(Arc<Mutex<Writer>>);

impl Shared {
    /// A thread that panicked has ended the job: the other one only reads, or finds a file that it
    /// has not left like that.
    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a journal into two hands.
pub fn share(writer: Writer) -> (Journal, Outbox) {
    let job = writer.job().to_string();
    let writer = Shared(Arc::new(Mutex::new(writer)));
    (Journal { job, writer: writer.clone() }, Outbox(writer))
}

impl Records for Journal {
    fn job(&self) -> &str {
        &self.job
    }

    fn progress(&self) -> Progress {
        self.writer.lock().progress()
    }

    fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
        self.writer.lock().recorded_epochs(after)
    }

    fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
        self.writer.lock().starts()
    }

    fn history(&mut self) -> Result<History, SinkError> {
        self.writer.lock().history()
    }

    fn topic_ids(&mut self) -> Result<TopicIds, SinkError> {
        self.writer.lock().topic_ids()
    }

    fn erasures(&mut self, after: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
        self.writer.lock().erasures(after)
    }

    fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
        self.writer.lock().erased()
    }

    fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, SinkError> {
        self.writer.lock().kept(after)
    }
}

impl Sink for Journal {
    fn set_starts(&mut self, offsets: &[(Topic, u32, u64)]) -> Result<(), SinkError> {
        self.writer.lock().set_starts(offsets)
    }

    fn set_topic_ids(&mut self, ids: &TopicIds) -> Result<(), SinkError> {
        self.writer.lock().set_topic_ids(ids)
    }

    fn forget(&mut self, starts: &[(Topic, u32, u64)], ids: &TopicIds) -> Result<(), SinkError> {
        self.writer.lock().forget(starts, ids)
    }

    fn commit(&mut self, results: &EpochResults) -> Result<Commit, SinkError> {
        self.writer.lock().commit(results)
    }

    fn checkpointed(&mut self, newest: u64, oldest: u64) {
        self.writer.lock().checkpointed(newest, oldest);
    }
}

impl outbox::Outbox for Outbox {
    fn confirm(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(self.0.lock().confirm()?)
    }

    fn owed(&mut self, after: u64, through: u64) -> Result<Stretch, SinkError> {
        Ok(self.0.lock().owed(after, through))
    }

    fn backlog(&mut self, after: u64, through: u64) -> Result<Backlog, SinkError> {
        Ok(self.0.lock().backlog(after, through))
    }

    fn advance(&mut self, from: u64, to: u64) -> Result<u64, SinkError> {
        Ok(self.0.lock().advance(from, to)?)
    }
}

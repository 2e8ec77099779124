//! A journal in two hands: epochs are committed by the one, while the other publishes what they
//! owe.
//!
//! There is one handle on the file, and whoever writes has it to himself: a commit waits for a
//! mark, which is short and not waited for by the disk.

use super::error::JournalError;
use super::writer::JournalWriter;
use crate::backoff::Backoff;
use crate::blame::Blame;
use crate::sink::applied::AppliedSettings;
use crate::sink::gathered::Gathered;
use crate::sink::kept::KeptAt;
use crate::sink::outbox::{self, Backlog, Stretch};
use crate::sink::{
    Commit, Genesis, Progress, RecordedEpoch, Records, Sink, SinkError, SinkFault, Trouble,
};
use crate::source::{Loss, Positions, TopicUuids};
use crate::telemetry::stalls::{Cause, Seen};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The hand that commits.
pub struct Journal {
    job: String,
    writer: Shared,
    trouble: Trouble,
}

/// Pauses before a disk without room is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The hand that publishes.
pub struct JournalOutbox(Shared);

#[derive(Clone)]
struct Shared(Arc<Mutex<JournalWriter>>);

impl Shared {
    /// A thread that panicked has ended the job: the other one only reads, or finds a file that it
    /// has not left like that.
    fn lock(&self) -> MutexGuard<'_, JournalWriter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a journal into two hands; `trouble` is told what a commit waits for.
pub fn share(writer: JournalWriter, trouble: Trouble) -> (Journal, JournalOutbox) {
    let job = writer.job().to_string();
    let writer = Shared(Arc::new(Mutex::new(writer)));
    (Journal { job, writer: writer.clone(), trouble }, JournalOutbox(writer))
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

    fn history(&mut self) -> Result<Genesis, SinkError> {
        self.writer.lock().history()
    }

    fn topic_ids(&mut self) -> Result<TopicUuids, SinkError> {
        self.writer.lock().topic_ids()
    }

    fn applied(&mut self) -> Result<AppliedSettings, SinkError> {
        self.writer.lock().applied()
    }

    fn losses(&mut self) -> Result<Vec<Loss>, SinkError> {
        self.writer.lock().losses()
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
    fn set_starts(&mut self, offsets: &[(TopicId, u32, u64)]) -> Result<(), SinkError> {
        self.writer.lock().set_starts(offsets)
    }

    fn set_topic_ids(&mut self, ids: &TopicUuids) -> Result<(), SinkError> {
        self.writer.lock().set_topic_ids(ids)
    }

    fn apply(&mut self, settings: &Value) -> Result<bool, SinkError> {
        self.writer.lock().apply(settings)
    }

    fn lose(&mut self, losses: &[Loss]) -> Result<(), SinkError> {
        self.writer.lock().lose(losses)
    }

    fn forget(
        &mut self,
        starts: &[(TopicId, u32, u64)],
        ids: &TopicUuids,
    ) -> Result<(), SinkError> {
        self.writer.lock().forget(starts, ids)
    }

    /// A disk without room is waited for, as a database would be.
    fn commit(&mut self, epoch: &dyn Gathered) -> Result<Commit, SinkError> {
        let (started, mut backoff) = (Instant::now(), Backoff::new(FIRST_PAUSE, LONGEST_PAUSE));
        loop {
            let outcome = self.writer.lock().commit(epoch);
            match outcome {
                Err(error) if error.is_transient() => {
                    let what = format!("{error}; make room there, or let the job write there");
                    self.trouble.note(Some(Seen::of(Cause::Journal, what).since(started)));
                    // Whoever publishes has its turn meanwhile.
                    thread::sleep(backoff.pause());
                }
                outcome => {
                    self.trouble.note(None);
                    return Ok(Commit {
                        took: started.elapsed(),
                        retries: backoff.tries(),
                        ..outcome?
                    });
                }
            }
        }
    }

    fn checkpointed(&mut self, newest: u64, oldest: u64) {
        self.writer.lock().checkpointed(newest, oldest);
    }
}

impl outbox::Outbox for JournalOutbox {
    fn confirm(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(self.0.lock().confirm()?)
    }

    fn owed(&mut self, after: u64, through: u64) -> Result<Stretch, SinkError> {
        Ok(self.0.lock().owed(after, through)?)
    }

    fn backlog(&mut self, after: u64, through: u64) -> Result<Backlog, SinkError> {
        Ok(self.0.lock().backlog(after, through))
    }

    fn advance(&mut self, from: u64, to: u64) -> Result<u64, SinkError> {
        Ok(self.0.lock().advance(from, to)?)
    }
}

impl SinkFault for JournalError {
    fn sink(&self) -> &'static str {
        "Journal"
    }

    fn blame(&self) -> Blame {
        self.blame()
    }

    fn is_fenced(&self) -> bool {
        matches!(self, JournalError::Fenced { .. } | JournalError::Changed { .. })
    }

    fn is_transient(&self) -> bool {
        self.is_full()
    }
}

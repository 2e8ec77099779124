//! What commits the epochs of a job and knows where it stands: the one face that the database and
//! the journal show to whoever runs the job. [`Records`] is what they show to a start that has not
//! taken the job over yet: what is recorded, and no way to write.
//!
//! Of the sinks above this room one keeps results and progress in one database, and the other the
//! progress in a journal beside the checkpoints, and the results as files or not at all.
//! [`thread::spawn`] moves either to a thread of its own.

pub mod alerts;
pub mod applied;
pub mod chain;
pub mod common;
pub mod destination;
mod error;
pub mod following;
pub mod gathered;
pub mod kept;
pub mod notices;
pub mod outbox;
mod records;
pub mod rows;
pub mod thread;
mod trouble;

use crate::sink::gathered::Gathered;
use crate::source::{Loss, Positions, TopicUuids};
use dataflows::event::Millis;
use dataflows::source::TopicId;
use serde_json::Value;
use std::time::Duration;

pub use chain::{Genesis, Link, Made, SHORT};
pub use error::{SinkError, SinkFault};
pub use records::Records;
pub use trouble::{Outstanding, Trouble};

/// Where a job stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last committed epoch; 0 before the first.
    pub epoch: u64,
    /// Which instance of the job writes; each start counts one up.
    pub incarnation: i64,
    /// The last epoch up to which everything is known to have been published.
    pub published: u64,
}

/// A committed epoch: what it takes to run it again as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEpoch {
    /// Which.
    pub epoch: u64,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// Next offset of every partition.
    pub offsets: Positions,
    /// Digest of the statistics of all arms after it, SHA-256.
    pub digest: [u8; 32],
    /// Valid records that were read for it.
    pub records: u64,
    /// The ids of the topics that it was read from, as far as they were known.
    pub topic_ids: TopicUuids,
    /// Its link; `None` where it was committed before there were any.
    pub chain: Option<Link>,
}

impl RecordedEpoch {
    /// What it was made of.
    pub fn made(&self) -> Made<'_> {
        let RecordedEpoch { epoch, watermark, offsets, digest, records, topic_ids, .. } = self;
        Made { epoch: *epoch, watermark: *watermark, offsets, digest, records: *records, topic_ids }
    }
}

/// How an epoch was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The epoch.
    pub epoch: u64,
    /// From the first try to the commit's acknowledgment.
    pub took: Duration,
    /// Tries that failed before.
    pub retries: u32,
}

/// Commits the epochs of one job. Whoever has it has taken the job over: no earlier instance can
/// commit any more, or this one cannot either.
///
/// # Contract
/// - `commit` is called with the epoch after the last committed one, or with one that is committed
///   already.
/// - Once it returns, the epoch's results, offsets, watermark and digest and the job's progress are
///   there to stay; before, none of them counts.
/// - No method has a default: a sink that stands before another one must pass everything on.
pub trait Sink: Records + Send {
    /// Records where the job begins, before its first epoch.
    ///
    /// # Errors
    /// It cannot be written.
    fn set_starts(&mut self, offsets: &[(TopicId, u32, u64)]) -> Result<(), SinkError>;

    /// Records the ids of the topics that it reads from now on.
    ///
    /// # Errors
    /// They cannot be written.
    fn set_topic_ids(&mut self, ids: &TopicUuids) -> Result<(), SinkError>;

    /// Records the settings that hold from the epoch after the last committed one on, in place of
    /// what was recorded for it; says whether they are other ones than before.
    ///
    /// # Errors
    /// They cannot be written.
    fn apply(&mut self, settings: &Value) -> Result<bool, SinkError>;

    /// Records offsets that the job goes on behind without having read them, before the epoch that
    /// does.
    ///
    /// # Errors
    /// They cannot be written.
    fn lose(&mut self, losses: &[Loss]) -> Result<(), SinkError>;

    /// Removes every result of the job, and sets it back to before its first epoch: a new history
    /// begins, in one step, with these offsets of these topics.
    ///
    /// # Errors
    /// They cannot be removed.
    fn forget(&mut self, starts: &[(TopicId, u32, u64)], ids: &TopicUuids)
    -> Result<(), SinkError>;

    /// Commits an epoch, once.
    ///
    /// # Errors
    /// It is not committed, or nobody knows whether it is; the next start finds out.
    fn commit(&mut self, epoch: &dyn Gathered) -> Result<Commit, SinkError>;

    /// Of the checkpoints that are there the newest is of this epoch, and the oldest that a restart
    /// may have to take of that one: what only others would need may go. Either is 0 as long as
    /// none is known.
    fn checkpointed(&mut self, newest: u64, oldest: u64);
}

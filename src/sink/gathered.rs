//! What a sink sees of an epoch that it commits, whoever has gathered it.

use super::{Link, Made};
use crate::source::TopicUuids;
use dataflows::campaign::output::{Counts, Day, Decision, Erasure};
use dataflows::epoch::Closed;
use dataflows::event::{CustomerId, Millis, Rejected};
use dataflows::source::{Kept, TopicId};
use std::any::Any;
use std::collections::BTreeMap;

/// All that one epoch changed. Its rows are made by whoever knows its dataflow.
pub trait Gathered: Any + Send {
    /// What all epochs have.
    fn essentials(&self) -> Essentials<'_>;
}

/// What all epochs have.
#[derive(Clone, Copy, Debug)]
pub struct Essentials<'a> {
    /// Which epoch; the first is 1.
    pub epoch: u64,
    /// Its watermark and offsets.
    pub closed: &'a Closed,
    /// What was counted in it.
    pub counts: &'a Counts,
    /// Decisions, which are published.
    pub decisions: &'a [Decision],
    /// Daily thresholds that closed.
    pub thresholds: &'a [(Day, u64)],
    /// Those that do not stand any more.
    pub gone_thresholds: &'a [Day],
    /// Whether it is a change of settings.
    pub is_change: bool,
    /// Valid records that were read.
    pub records: u64,
    /// Erasures that could not be read.
    pub unread_erasures: u64,
    /// Rejected records.
    pub rejected: &'a [Rejected],
    /// Fields that could not be read and were left out: in how many records, by topic and name.
    pub ignored: &'a BTreeMap<(TopicId, String), u64>,
    /// Customers that were erased.
    pub erasures: &'a [Erasure],
    /// Raw records that are kept with it.
    pub kept: &'a [Kept],
    /// Digest of what stands after the epoch, SHA-256.
    pub digest: &'a [u8; 32],
    /// The same before the epoch.
    pub digest_before: &'a [u8; 32],
    /// The ids of the topics that it was read from, as far as they are known.
    pub topic_ids: &'a TopicUuids,
    /// Its link in the chain of the job's epochs, where it is one of a job.
    pub chain: Option<Link>,
}

impl<'a> Essentials<'a> {
    /// What it was made of.
    pub fn made(&self) -> Made<'a> {
        let Essentials { epoch, closed, records, digest, topic_ids, .. } = *self;
        Made {
            epoch,
            watermark: closed.watermark,
            offsets: &closed.offsets,
            digest,
            records,
            topic_ids,
        }
    }

    /// The customers that it erases, each up to an instant.
    pub fn erased(&self) -> Vec<(CustomerId, Millis)> {
        let erased = |erasure: &Erasure| (erasure.customer, erasure.gone_until());
        self.erasures.iter().map(erased).collect()
    }
}

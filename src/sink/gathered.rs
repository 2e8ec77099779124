//! What a sink sees of an epoch that it commits, whoever has gathered it.

use super::notices::NoticeText;
use super::outbox::Owed;
use super::{Link, Made};
use crate::source::{TopicNames, TopicUuids};
use dataflows::epoch::Closed;
use dataflows::event::{CustomerId, Millis, Rejected};
use dataflows::source::{Kept, TopicId};
use serde::Serialize;
use serde_json::Value;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// All that one epoch changed. Its rows are made by whoever knows its dataflow.
pub trait Gathered: Any + Send {
    /// What all epochs have.
    fn essentials(&self) -> Essentials<'_>;

    /// Who is erased with it.
    fn erasures(&self) -> Vec<ErasedCustomer> {
        Vec::new()
    }

    /// The values that it publishes by day, where its dataflow has such.
    fn published(&self) -> DayValues<'_> {
        DayValues::default()
    }

    /// Its notices, for whoever keeps them as texts.
    fn notices(&self) -> Vec<NoticeText> {
        Vec::new()
    }

    /// Who is erased with it, each up to which instant everything is gone.
    fn erased(&self) -> Vec<(CustomerId, Millis)> {
        self.erasures().iter().map(|erased| (erased.customer, erased.gone_until)).collect()
    }

    /// Customers whose records it has read of topics that may be compacted, where that was asked
    /// for; `None`: nobody knows.
    fn profiled(&self) -> Option<&[CustomerId]> {
        None
    }

    /// What it has to publish; it is no longer in it.
    fn take_owed(&mut self, topics: &TopicNames) -> Owed;
}

/// What stands behind a face of the engine: something of the one dataflow that the job has.
///
/// # Panics
/// It is of another dataflow, which nobody can hand over here.
pub fn behind<T: Any>(face: &dyn Any) -> &T {
    let Some(own) = face.downcast_ref() else { unreachable!("a job is of one dataflow") };
    own
}

/// What all epochs have.
#[derive(Clone, Copy, Debug)]
pub struct Essentials<'a> {
    /// Which epoch; the first is 1.
    pub epoch: u64,
    /// Its watermark and offsets.
    pub closed: &'a Closed,
    /// Valid records that were read for it.
    pub records: u64,
    /// What was counted in it, as it is recorded.
    pub counts: &'a dyn EpochCounts,
    /// By how much it changes what adds up over the epochs; 0 where nothing does.
    pub running: i64,
    /// Whether it is a change of settings.
    pub is_change: bool,
    /// Erasures that could not be read.
    pub unread_erasures: u64,
    /// Rejected records.
    pub rejected: &'a [Rejected],
    /// Fields that could not be read and were left out: in how many records, by topic and name.
    pub ignored: &'a BTreeMap<(TopicId, String), u64>,
    /// Raw records that are kept with it.
    pub kept: &'a [Kept],
    /// Digest of what stands after the epoch, SHA-256.
    pub digest: &'a [u8; 32],
    /// The ids of the topics that it was read from, as far as they are known.
    pub topic_ids: &'a TopicUuids,
    /// Its link in the chain of the job's epochs, where it is one of a job.
    pub chain: Option<Link>,
}

impl<'a> Essentials<'a> {
    /// What it was made of.
    pub fn made(&self) -> Made<'a> {
        let Essentials { epoch, closed, records, digest, topic_ids, .. } = *self;
        let watermark = closed.watermark;
        Made { epoch, watermark, offsets: &closed.offsets, digest, records, topic_ids }
    }
}

/// What was counted in an epoch, by names that whoever has gathered it knows.
pub trait EpochCounts: Debug {
    /// As it is recorded.
    fn json(&self) -> Value;

    /// The names of those that cannot be computed again where records are gone that were read.
    fn untold(&self) -> Vec<&'static str>;
}

/// Counts as they are recorded.
pub fn by_names(counts: &impl Serialize) -> Value {
    serde_json::to_value(counts).expect("numbers by their names always are JSON")
}

/// A person who is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasedCustomer {
    /// Who.
    pub customer: CustomerId,
    /// Up to when, as it was asked for; `Millis::MAX`: for ever.
    pub until: Millis,
    /// Up to when everything is gone, which may be later.
    pub gone_until: Millis,
    /// Whether sums over many have lost something.
    pub learned: bool,
}

/// Values by day that are published once and stay as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct DayValues<'a> {
    /// What a value is called.
    pub what: &'static str,
    /// Each with its day, since 1970-01-01.
    pub values: &'a [(i32, u64)],
    /// The days of those of before that do not stand any more.
    pub gone: &'a [i32],
}

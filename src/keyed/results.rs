//! All that one epoch of a small dataflow changed, gathered from the workers.

use crate::sink::Link;
use crate::sink::gathered::{EpochCounts, ErasedCustomer, Essentials, Gathered, by_names};
use crate::sink::outbox::Owed;
use crate::source::{TopicNames, TopicUuids};
use dataflows::epoch::Closed;
use dataflows::event::Rejected;
use dataflows::keyed::{KeyedCounts, KeyedErasure, KeyedOutput, ViewChange, ViewSum};
use dataflows::source::{Kept, TopicId};
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that one epoch changed, in no particular order.
#[derive(Clone, Debug)]
pub struct KeyedResults<V> {
    /// Which epoch; the first is 1.
    pub epoch: u64,
    /// Its watermark and offsets.
    pub closed: Closed,
    /// What was counted in it.
    pub counts: KeyedCounts,
    /// What is seen of customers, where that changed.
    pub views: Vec<ViewChange<V>>,
    /// What these changes add to the sum of all views.
    pub sum: ViewSum,
    /// Rejected records.
    pub rejected: Vec<Rejected>,
    /// Customers that were erased.
    pub erasures: Vec<KeyedErasure>,
    /// Raw records that are kept with it.
    pub kept: Vec<Kept>,
    /// Digest of what stands after it.
    pub digest: [u8; 32],
    /// The same before it.
    pub digest_before: [u8; 32],
    /// The ids of the topics that it was read from, as far as they are known.
    pub topic_ids: TopicUuids,
    /// Its link in the chain of the job's epochs, where it is one of a job.
    pub chain: Option<Link>,
    /// Whether it is a change of settings.
    pub is_change: bool,
    /// Fields that were left out: there are none, for every field that is read is needed.
    ignored: BTreeMap<(TopicId, String), u64>,
}

impl<V> KeyedResults<V> {
    /// An epoch of which nothing is known yet.
    pub fn new(epoch: u64) -> Self {
        KeyedResults {
            epoch,
            closed: Closed::default(),
            counts: KeyedCounts::default(),
            views: Vec::new(),
            sum: ViewSum::default(),
            rejected: Vec::new(),
            erasures: Vec::new(),
            kept: Vec::new(),
            digest: [0; 32],
            digest_before: [0; 32],
            topic_ids: TopicUuids::UNKNOWN,
            chain: None,
            is_change: false,
            ignored: BTreeMap::new(),
        }
    }

    /// Takes in one batch.
    pub fn add(&mut self, output: KeyedOutput<V>) {
        match output {
            KeyedOutput::Views(mut views) => self.views.append(&mut views),
            KeyedOutput::Sum(sum) => self.sum.add(&sum),
            KeyedOutput::Rejected(mut rejected) => self.rejected.append(&mut rejected),
            KeyedOutput::Erasures(mut erasures) => self.erasures.append(&mut erasures),
            KeyedOutput::Kept(mut kept) => self.kept.append(&mut kept),
            KeyedOutput::Counts(counts) => self.counts.add(&counts),
            KeyedOutput::Closed(closed) => self.closed = closed,
        }
    }
}

impl<V: Send + 'static> Gathered for KeyedResults<V> {
    fn essentials(&self) -> Essentials<'_> {
        Essentials {
            epoch: self.epoch,
            closed: &self.closed,
            records: self.counts.records,
            counts: &self.counts,
            running: 0,
            is_change: self.is_change,
            unread_erasures: self.counts.unread_erasures,
            rejected: &self.rejected,
            ignored: &self.ignored,
            kept: &self.kept,
            digest: &self.digest,
            topic_ids: &self.topic_ids,
            chain: self.chain,
        }
    }

    fn take_owed(&mut self, topics: &TopicNames) -> Owed {
        let (erased, rejected) = (self.erased(), std::mem::take(&mut self.rejected));
        Owed::of(self.epoch, &erased, None, rejected, topics)
    }

    fn erasures(&self) -> Vec<ErasedCustomer> {
        let erased = |erasure: &KeyedErasure| ErasedCustomer {
            customer: erasure.customer,
            until: erasure.until,
            gone_until: erasure.until,
            learned: false,
        };
        self.erasures.iter().map(erased).collect()
    }
}

impl EpochCounts for KeyedCounts {
    fn json(&self) -> Value {
        by_names(self)
    }

    /// All of them count whatever is read.
    fn untold(&self) -> Vec<&'static str> {
        vec!["records", "erased", "unread_erasures"]
    }
}

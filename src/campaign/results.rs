//! All that one epoch changed, gathered from the workers for whoever commits it.

use crate::sink::Link;
use crate::sink::gathered::{DayValues, ErasedCustomer, Essentials, Gathered, behind};
use crate::sink::notices::{NoticeText, Notices};
use crate::sink::outbox::Owed;
use crate::source::{TopicNames, TopicUuids};
use dataflows::bandit::rewards::RewardSums;
use dataflows::campaign::output::{
    ArmDay, ArmUpdate, Counts, Day, Decision, Erasure, FeatureRows, InteractionRows, LastRows,
    Output, Segment,
};
use dataflows::campaign::snapshot::changed::Changed;
use dataflows::epoch::Closed;
use dataflows::event::unlisted::List;
use dataflows::event::{CustomerId, Names, Rejected};
use dataflows::source::{Kept, TopicId};
use dataflows::table::TableRows;
use std::collections::BTreeMap;

/// Everything that one epoch changed. Rows come in batches as the workers sent them, in no
/// particular order.
#[derive(Clone, Debug)]
pub struct EpochResults {
    /// Which epoch; the first is 1.
    pub epoch: u64,
    /// Its watermark and offsets.
    pub closed: Closed,
    /// What was counted in it.
    pub counts: Counts,
    /// Of the rewards without an interaction, those that name one of another customer, where that
    /// was looked for.
    pub of_other_customers: Option<u64>,
    /// Rows of interactions.
    pub interactions: Vec<InteractionRows>,
    /// Ids of those that are new.
    pub names: Vec<Names>,
    /// Rows of features.
    pub features: Vec<FeatureRows>,
    /// Rows of features at the end of a bounded input.
    pub last_features: Vec<LastRows>,
    /// Decisions.
    pub decisions: Vec<Decision>,
    /// Arms whose statistics changed.
    pub arms: Vec<ArmUpdate>,
    /// Rewards of arms before it, where they were not known.
    pub recounted: Vec<(u32, RewardSums)>,
    /// Daily thresholds that closed.
    pub thresholds: Vec<(Day, u64)>,
    /// Rejected records.
    pub rejected: Vec<Rejected>,
    /// Fields that could not be read and were left out: in how many records, by topic and name.
    pub ignored: BTreeMap<(TopicId, String), u64>,
    /// Hashes of names of purchases that are not in their lists.
    pub unlisted: Vec<(List, u64)>,
    /// Customers that were erased.
    pub erasures: Vec<Erasure>,
    /// Arm statistics by day, as they now stand.
    pub arm_days: Vec<ArmDay>,
    /// Segments, as they now stand.
    pub segments: Vec<Segment>,
    /// Rows of small tables, as they come.
    pub rows: Vec<TableRows>,
    /// Customers of whom there was a profile, where that was asked for.
    pub profiled: Vec<CustomerId>,
    /// Raw records that are kept with it.
    pub kept: Vec<Kept>,
    /// Digest of the statistics of all arms after the epoch, SHA-256.
    pub digest: [u8; 32],
    /// The same before the epoch.
    pub digest_before: [u8; 32],
    /// The ids of the topics that it was read from, as far as they are known.
    pub topic_ids: TopicUuids,
    /// Its link in the chain of the job's epochs, where it is one of a job.
    pub chain: Option<Link>,
    /// What it takes the place of, where it is a change of settings.
    pub changed: Option<Changed>,
}

impl EpochResults {
    /// An epoch of which nothing is known yet.
    pub fn new(epoch: u64) -> Self {
        EpochResults {
            epoch,
            closed: Closed::default(),
            counts: Counts::none(),
            of_other_customers: None,
            interactions: Vec::new(),
            names: Vec::new(),
            features: Vec::new(),
            last_features: Vec::new(),
            decisions: Vec::new(),
            arms: Vec::new(),
            recounted: Vec::new(),
            thresholds: Vec::new(),
            rejected: Vec::new(),
            ignored: BTreeMap::new(),
            unlisted: Vec::new(),
            erasures: Vec::new(),
            arm_days: Vec::new(),
            segments: Vec::new(),
            rows: Vec::new(),
            profiled: Vec::new(),
            kept: Vec::new(),
            digest: [0; 32],
            digest_before: [0; 32],
            topic_ids: TopicUuids::UNKNOWN,
            chain: None,
            changed: None,
        }
    }

    /// Takes in one batch.
    pub fn add(&mut self, output: Output) {
        match output {
            Output::Interactions(rows) => self.interactions.push(rows),
            Output::Names(names) => self.names.push(names),
            Output::Features(rows) => self.features.push(rows),
            Output::LastFeatures(rows) => self.last_features.push(rows),
            Output::Decisions(mut decisions) => self.decisions.append(&mut decisions),
            Output::Arm(update) => self.arms.push(*update),
            Output::Recounted(arm, rewards) => self.recounted.push((arm, rewards)),
            Output::Threshold(day, total) => self.thresholds.push((day, total)),
            Output::Rejected(mut rejected) => self.rejected.append(&mut rejected),
            Output::Ignored(fields) => fields.into_iter().for_each(|(topic, field, records)| {
                *self.ignored.entry((topic, field)).or_default() += records
            }),
            Output::Unlisted(mut names) => self.unlisted.append(&mut names),
            Output::Erasures(mut erasures) => self.erasures.append(&mut erasures),
            Output::ArmDay(row) => self.arm_days.push(row),
            Output::Segment(row) => self.segments.push(row),
            Output::Rows(rows) => self.rows.push(rows),
            Output::Profiled(mut customers) => self.profiled.append(&mut customers),
            Output::Kept(mut kept) => self.kept.append(&mut kept),
            Output::Counts(counts) => self.counts.add(&counts),
            Output::OfOtherCustomers(number) => self.of_other_customers = Some(number),
            Output::Closed(closed) => self.closed = closed,
        }
    }
}

impl EpochResults {
    /// What an epoch of a job with this dataflow is behind the face that all have.
    pub fn of(epoch: &dyn Gathered) -> &EpochResults {
        behind(epoch)
    }
}

impl Gathered for EpochResults {
    fn profiled(&self) -> Option<&[CustomerId]> {
        Some(&self.profiled)
    }

    fn take_owed(&mut self, topics: &TopicNames) -> Owed {
        let erased = self.erased();
        let decisions = Notices::of(std::mem::take(&mut self.decisions));
        let rejected = std::mem::take(&mut self.rejected);
        Owed::of(self.epoch, &erased, Some(decisions), rejected, topics)
    }

    fn essentials(&self) -> Essentials<'_> {
        Essentials {
            epoch: self.epoch,
            closed: &self.closed,
            records: self.counts.records,
            counts: &self.counts,
            running: self.counts.pending,
            is_change: self.changed.is_some(),
            unread_erasures: self.counts.unread_erasures,
            rejected: &self.rejected,
            ignored: &self.ignored,
            kept: &self.kept,
            digest: &self.digest,
            topic_ids: &self.topic_ids,
            chain: self.chain,
        }
    }

    fn erasures(&self) -> Vec<ErasedCustomer> {
        let erased = |erasure: &Erasure| ErasedCustomer {
            customer: erasure.customer,
            until: erasure.until,
            gone_until: erasure.gone_until(),
            learned: erasure.learned > 0,
        };
        self.erasures.iter().map(erased).collect()
    }

    fn published(&self) -> DayValues<'_> {
        let gone = self.changed.as_ref().map_or(&[][..], |changed| &changed.gone_thresholds);
        DayValues { what: "threshold", values: &self.thresholds, gone }
    }

    fn notices(&self) -> Vec<NoticeText> {
        self.decisions.iter().map(NoticeText::of).collect()
    }
}

//! All that one epoch changed, gathered from the workers for whoever commits it.

use super::{Link, Made};
use crate::source::TopicUuids;
use dataflows::campaign::output::{
    ArmDay, ArmUpdate, Closed, Counts, Day, Decision, Erasure, FeatureRows, InteractionRows,
    LastRows, Output, Segment,
};
use dataflows::event::unlisted::List;
use dataflows::event::{CustomerId, Names, Reason, Rejected};
use dataflows::source::{Kept, TopicId};
use std::collections::{BTreeMap, BTreeSet};

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

/// What of before a change of settings does not stand any more, beside the rows that its epoch
/// tells anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Published thresholds, by day: all of them, where they are made of something else.
    pub gone_thresholds: Vec<Day>,
    /// Features that customers do not have any more.
    pub gone_features: Vec<String>,
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
            thresholds: Vec::new(),
            rejected: Vec::new(),
            ignored: BTreeMap::new(),
            unlisted: Vec::new(),
            erasures: Vec::new(),
            arm_days: Vec::new(),
            segments: Vec::new(),
            profiled: Vec::new(),
            kept: Vec::new(),
            digest: [0; 32],
            digest_before: [0; 32],
            topic_ids: TopicUuids::UNKNOWN,
            chain: None,
            changed: None,
        }
    }

    /// What it was made of.
    pub fn made(&self) -> Made<'_> {
        let EpochResults { epoch, closed, counts, digest, topic_ids, .. } = self;
        Made {
            epoch: *epoch,
            watermark: closed.watermark,
            offsets: &closed.offsets,
            digest,
            records: counts.records,
            topic_ids,
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
            Output::Threshold(day, total) => self.thresholds.push((day, total)),
            Output::Rejected(mut rejected) => self.rejected.append(&mut rejected),
            Output::Ignored(fields) => fields.into_iter().for_each(|(topic, field, records)| {
                *self.ignored.entry((topic, field)).or_default() += records
            }),
            Output::Unlisted(mut names) => self.unlisted.append(&mut names),
            Output::Erasures(mut erasures) => self.erasures.append(&mut erasures),
            Output::ArmDay(row) => self.arm_days.push(row),
            Output::Segment(row) => self.segments.push(row),
            Output::Profiled(mut customers) => self.profiled.append(&mut customers),
            Output::Kept(mut kept) => self.kept.append(&mut kept),
            Output::Counts(counts) => self.counts.add(&counts),
            Output::OfOtherCustomers(number) => self.of_other_customers = Some(number),
            Output::Closed(closed) => self.closed = closed,
        }
    }
}

/// Says on the log what was to be erased and is not: nobody but people can see to it.
pub fn alert_of_unread_erasures(results: &EpochResults) {
    let mut unread = results.rejected.iter().filter(|rejected| rejected.is_erasure());
    let Some(first) = unread.next() else { return };
    tracing::error!(
        erasures = 1 + unread.count(),
        partition = first.place.partition(),
        position = first.place.position(),
        "Records that were to erase customers could not be read, so these customers are still \
         there: {}. The records are among the dead letters of \
         {}; erase the customers by DELETE /customers/{{id}}, or send their records anew.",
        first.reason.word(),
        first.topic.name(),
    );
}

/// What is to be said of records that were rejected because their timestamps are in another unit: a
/// line of each topic, the first time it has any.
pub fn of_other_units(rejected: &[Rejected], told: &mut BTreeSet<TopicId>) -> Vec<String> {
    let mut by_topic: BTreeMap<TopicId, (u64, &Rejected)> = BTreeMap::new();
    for rejected in rejected.iter().filter(|rejected| rejected.reason == Reason::NotMilliseconds) {
        by_topic.entry(rejected.topic).or_insert((0, rejected)).0 += 1;
    }
    let new = by_topic.into_iter().filter(|(topic, _)| told.insert(*topic));
    new.map(|(topic, (records, first))| {
        format!(
            "Timestamps of {} are hardly in milliseconds, and {records} records are rejected as \
             not_milliseconds: set input.time_unit; their dead letters, \
             the first of which is that of position {} of partition {}, say what the unit probably \
             is.",
            topic.name(),
            first.place.position(),
            first.place.partition(),
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Place;
    use dataflows::event::Topic;

    #[test]
    fn another_unit_is_said_once_of_each_topic() {
        let rejected = |topic, position, reason| Rejected {
            topic,
            place: Place::new(0, position),
            reason,
            detail: format!("at {position}"),
            raw: Vec::new(),
            whose: None,
        };
        let other = |topic, position| rejected(topic, position, Reason::NotMilliseconds);
        let mut told = BTreeSet::new();
        assert_eq!(
            of_other_units(&[rejected(Topic::Rewards.id(), 1, Reason::BadField)], &mut told),
            Vec::<String>::new()
        );
        let lines = of_other_units(
            &[
                other(Topic::Transactions.id(), 4),
                rejected(Topic::Rewards.id(), 5, Reason::BadField),
                other(Topic::Transactions.id(), 6),
            ],
            &mut told,
        );
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(
            line.starts_with(
                "Timestamps of transactions are hardly in milliseconds, and 2 \
            records are rejected as not_milliseconds:"
            ),
            "{line}"
        );
        assert!(
            line.contains("position 4 of partition 0") && !line.contains("at 4"),
            "by its place, not by what it says: {line}"
        );
        let lines = of_other_units(
            &[other(Topic::Transactions.id(), 7), other(Topic::Interactions.id(), 8)],
            &mut told,
        );
        assert!(lines.len() == 1 && lines[0].contains("interactions"), "{lines:?}");
    }
}

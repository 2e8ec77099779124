//! What people are to hear of records that were rejected.

use dataflows::event::{Reason, Rejected};
use dataflows::source::TopicId;
use std::collections::{BTreeMap, BTreeSet};

/// Says on the log what was to be erased and is not: nobody but people can see to it.
pub fn alert_of_unread_erasures(rejected: &[Rejected]) {
    let mut unread = rejected.iter().filter(|rejected| rejected.is_erasure());
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

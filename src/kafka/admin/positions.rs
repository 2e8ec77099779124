//! Positions in partitions: their ends, and those that follow from instants.

use super::{ANSWER, LOOK, asking, asking_as, partitions, report};
use crate::kafka::consumer::{Assigned, Position};
use crate::kafka::error::KafkaError;
use crate::kafka::position::{self, Lookup};
use crate::kafka::settings::KafkaSettings;
use dataflows::event::Millis;
use dataflows::source::TopicId;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

/// Where each of these partitions is to be read from, and its end: `from` as offsets that are there
/// now.
///
/// # Errors
/// The broker does not answer, or has no such offset.
pub fn positions(
    settings: &KafkaSettings,
    partitions: &BTreeMap<TopicId, Vec<u32>>,
    from: Position,
) -> Result<BTreeMap<(TopicId, u32), Range<u64>>, KafkaError> {
    let all = partitions
        .iter()
        .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)));
    find(settings, all.map(|(topic, partition)| Assigned { topic, partition, from }))
}

/// The same, each partition from a position of its own.
///
/// # Errors
/// The broker does not answer, or has no such offset.
pub fn find(
    settings: &KafkaSettings,
    assigned: impl Iterator<Item = Assigned>,
) -> Result<BTreeMap<(TopicId, u32), Range<u64>>, KafkaError> {
    find_as(settings, assigned, Isolation::Committed)
}

/// Which end of a partition is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// The last stable offset: before it every transaction has ended, and no more can be read.
    Committed,
    /// The high watermark: the offset after the last record that there is.
    Uncommitted,
}

/// The same, with this end.
///
/// # Errors
/// The broker does not answer, or has no such offset.
pub fn find_as(
    settings: &KafkaSettings,
    assigned: impl Iterator<Item = Assigned>,
    isolation: Isolation,
) -> Result<BTreeMap<(TopicId, u32), Range<u64>>, KafkaError> {
    let (consumer, connection) = asking_as(settings, isolation)?;
    let (mut found, started) = (BTreeMap::new(), Instant::now());
    for assigned in assigned {
        let Assigned { topic, partition, .. } = assigned;
        let (start, end) = loop {
            // What passes by itself is asked for again: a broker that has only just made a topic,
            // or has only just started, may not know yet that it leads a partition.
            let why = match position::find(
                &consumer,
                &settings.brokers,
                settings.topic_name(topic),
                &assigned,
            )? {
                Lookup::At(start, end) => break (start, end),
                Lookup::NoTopic => {
                    let topics = vec![settings.topic_name(topic).to_string()];
                    return Err(KafkaError::MissingTopics {
                        brokers: settings.brokers.clone(),
                        topics,
                    });
                }
                Lookup::NoAnswer(why) => why,
            };
            if started.elapsed() >= ANSWER {
                // What the client reports itself says more.
                let (brokers, why) =
                    (settings.brokers.clone(), connection.reported().unwrap_or(why));
                return Err(KafkaError::Unreachable {
                    brokers,
                    doing: "say where partitions begin and end",
                    waited: started.elapsed(),
                    why,
                });
            }
            let _ = consumer.poll(LOOK);
        };
        found.insert((topic, partition), start..end);
    }
    Ok(found)
}

/// The topics that are read which have records dated at this instant or later, each with a
/// partition and the offset of the first such record in it.
///
/// # Errors
/// The broker cannot be reached.
pub fn dated_since(
    settings: &KafkaSettings,
    instant: Millis,
) -> Result<BTreeMap<String, (u32, u64)>, KafkaError> {
    let partitions = partitions(settings)?;
    let all: Vec<(&str, u32)> = partitions
        .iter()
        .flat_map(|(topic, partitions)| {
            partitions.iter().map(|partition| (settings.topic_name(*topic), *partition))
        })
        .collect();
    let (consumer, connection) = asking(settings)?;
    let found = position::since(&consumer, &all, instant, ANSWER)
        .map_err(|error| report(&consumer, &connection, "look up offsets by time", &error))?;
    Ok(found
        .into_iter()
        .rev()
        .map(|(topic, partition, offset)| (topic, (partition, offset)))
        .collect())
}

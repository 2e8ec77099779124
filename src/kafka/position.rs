//! From where a partition is read: every start becomes an offset that was there when it was looked
//! up.

use super::connection::code_of;
use super::consumer::{Assigned, Position};
use super::error::{KafkaError, passes};
use dataflows::event::{Millis, Place};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use std::ops::Range;
use std::time::Duration;

/// How long one question to the broker may take.
const ANSWER: Duration = Duration::from_secs(2);

/// What became of a look-up.
pub(super) enum Lookup {
    /// The offset to start with, and the offset after the last that can be read.
    At(u64, u64),
    /// The topic is not there (yet: one that was just made takes a moment to be known everywhere).
    NoTopic,
    /// The broker did not answer, or not yet: why.
    NoAnswer(String),
}

/// Looks up where a partition is to be read from.
///
/// # Errors
/// What trying again cannot mend: no such partition, an offset that is not there, a refusal.
pub(super) fn find<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    brokers: &str,
    name: &str,
    assigned: &Assigned,
) -> Result<Lookup, KafkaError> {
    let Assigned { partition, from, .. } = *assigned;
    let number = match i32::try_from(partition) {
        Ok(number) if partition < Place::PARTITIONS => number,
        _ => return Err(KafkaError::TooManyPartitions { topic: name.to_string(), partition }),
    };
    let refused = |error: ClientError| refusal(brokers, name, &error);
    let found = match partitions_of(consumer, name) {
        Ok(0) => return Ok(Lookup::NoTopic),
        Ok(found) => found,
        Err(error) => return refused(error),
    };
    if partition as usize >= found {
        return Err(KafkaError::MissingPartition {
            brokers: brokers.to_string(),
            topic: name.to_string(),
            partition,
            found,
        });
    }
    let Range { start: low, end: high } = match range(consumer, name, number, ANSWER) {
        Ok(Some(range)) => range,
        Ok(None) => return Ok(Lookup::NoAnswer("no offset is known yet".to_string())),
        Err(error) => return refused(error),
    };
    let topic = || name.to_string();
    match from {
        Position::Behind { from, .. } => {
            find(consumer, brokers, name, &Assigned { from: Position::Offset(from), ..*assigned })
        }
        Position::Earliest => Ok(Lookup::At(low, high)),
        Position::Latest => Ok(Lookup::At(high, high)),
        Position::Offset(wanted) if wanted < low => {
            Err(KafkaError::Removed { topic: topic(), partition, wanted, low })
        }
        Position::Offset(wanted) if wanted > high => {
            Err(KafkaError::PastEnd { topic: topic(), partition, wanted, high })
        }
        Position::Offset(wanted) => Ok(Lookup::At(wanted, high)),
        Position::Timestamp(timestamp) => {
            match offset_at(consumer, name, number, Offset::Offset(timestamp.max(0)), ANSWER) {
                Ok(offset) => {
                    Ok(Lookup::At(offset.unwrap_or(high).clamp(low, high.max(low)), high))
                }
                Err(error) => refused(error),
            }
        }
    }
}

/// How many partitions a topic has; none: there is no such topic.
fn partitions_of<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    name: &str,
) -> Result<usize, ClientError> {
    let metadata = consumer.fetch_metadata(Some(name), ANSWER)?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
        return Ok(0);
    };
    match topic.error().map(RDKafkaErrorCode::from) {
        None => Ok(topic.partitions().len()),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(0),
        Some(code) => Err(ClientError::MetadataFetch(code)),
    }
}

/// The offsets that a partition has, up to the last that can be read; `None`: the broker did not
/// say.
///
/// `fetch_watermarks` would ask for both at once, and where the answer to one fails it takes the
/// other for it: a partition would seem to begin at its end. So each is asked for alone.
pub(super) fn range<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    name: &str,
    partition: i32,
    answer: Duration,
) -> Result<Option<Range<u64>>, ClientError> {
    let low = offset_at(consumer, name, partition, Offset::Beginning, answer)?;
    let high = offset_at(consumer, name, partition, Offset::End, answer)?;
    Ok(low.zip(high).map(|(low, high)| low..high.max(low)))
}

/// The offset at the beginning, at the end, or of the first record of this timestamp or a later
/// one; `None`: there is none.
fn offset_at<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    name: &str,
    partition: i32,
    place: Offset,
    answer: Duration,
) -> Result<Option<u64>, ClientError> {
    let mut wanted = TopicPartitionList::new();
    // The protocol has one question for all: a timestamp, or what librdkafka writes for the
    // beginning and the end.
    wanted.add_partition_offset(name, partition, place)?;
    let found = consumer.offsets_for_times(wanted, answer)?;
    let Some(element) = found.find_partition(name, partition) else { return Ok(None) };
    element.error()?;
    match element.offset() {
        Offset::Offset(offset) => Ok(u64::try_from(offset).ok()),
        _ => Ok(None),
    }
}

/// The first record of each of these partitions that is dated at this instant or later.
pub(super) fn since<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[(&str, u32)],
    instant: Millis,
    answer: Duration,
) -> Result<Vec<(String, u32, u64)>, ClientError> {
    let mut wanted = TopicPartitionList::new();
    for (name, partition) in partitions {
        wanted.add_partition_offset(
            name,
            i32::try_from(*partition).unwrap_or(i32::MAX),
            Offset::Offset(instant.max(0)),
        )?;
    }
    let found = consumer.offsets_for_times(wanted, answer)?;
    let there = found.elements().into_iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => Some((
            element.topic().to_string(),
            u32::try_from(element.partition()).ok()?,
            u64::try_from(offset).ok()?,
        )),
        _ => None,
    });
    Ok(there.collect())
}

/// What a failed question means.
fn refusal(brokers: &str, name: &str, error: &ClientError) -> Result<Lookup, KafkaError> {
    match code_of(error) {
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition => Ok(Lookup::NoTopic),
        code if passes(code) => Ok(Lookup::NoAnswer(code.to_string())),
        code => Err(KafkaError::Refused {
            brokers: brokers.to_string(),
            doing: format!("read topic `{name}`"),
            why: code.to_string(),
        }),
    }
}

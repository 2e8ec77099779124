//! What goes wrong with a partition, and what is said of it.

use super::{Lane, Reader};
use crate::kafka::consumer::{Assigned, Position};
use crate::kafka::error::{KafkaError, passes};
use crate::kafka::position;
use dataflows::source::TopicId;
use rdkafka::types::RDKafkaErrorCode;

/// An error of a partition, with what the client says.
pub(super) struct PartitionError {
    pub(super) lane: Option<usize>,
    pub(super) code: RDKafkaErrorCode,
    pub(super) text: String,
}

impl Reader {
    /// Whether an error of a partition ends the reading, and how.
    pub(super) fn judge(&self, fault: PartitionError) -> Option<KafkaError> {
        let PartitionError { lane, code, text } = fault;
        let lane = lane.and_then(|place| self.lanes.get(place));
        match (code, lane) {
            (
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                Some(lane),
            ) => Some(self.out_of_range(lane, &text)),
            (
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition,
                Some(lane),
            ) => {
                let (brokers, topic) = (
                    self.settings.brokers.clone(),
                    self.settings.topic_name(lane.topic).to_string(),
                );
                Some(KafkaError::Deleted { brokers, topic })
            }
            (code, _) if passes(code) => {
                self.shared.connection.trouble(code, &text);
                None
            }
            (code, lane) => {
                let place = lane.map(|lane| {
                    format!(
                        "partition {} of `{}`: ",
                        lane.partition,
                        self.settings.topic_name(lane.topic)
                    )
                });
                Some(self.refused(&format!("{}{text} ({code})", place.unwrap_or_default())))
            }
        }
    }

    /// Says what is there instead of the wanted offset.
    fn out_of_range(&self, lane: &Lane, text: &str) -> KafkaError {
        let wanted = lane.gathering.next();
        let assigned = Assigned {
            topic: lane.topic,
            partition: lane.partition,
            from: Position::Offset(wanted),
        };
        match position::find(
            &self.consumer,
            &self.settings.brokers,
            self.settings.topic_name(lane.topic),
            &assigned,
        ) {
            Err(error) => error,
            Ok(_) => self.refused(&format!(
                "partition {} of `{}`, offset {wanted}: {text}",
                lane.partition,
                self.settings.topic_name(lane.topic)
            )),
        }
    }

    pub(super) fn missing(&self, topic: TopicId) -> KafkaError {
        KafkaError::MissingTopics {
            brokers: self.settings.brokers.clone(),
            topics: vec![self.settings.topic_name(topic).to_string()],
        }
    }

    pub(super) fn refused(&self, why: &str) -> KafkaError {
        KafkaError::Refused {
            brokers: self.settings.brokers.clone(),
            doing: "be read".to_string(),
            why: why.to_string(),
        }
    }
}

//! What the configuration says of Kafka.

use super::{KafkaSettings, Start};
use crate::config::types::{self, Config};

impl Config {
    /// What the Kafka room must be told.
    pub fn kafka_settings(&self) -> KafkaSettings {
        KafkaSettings {
            topics: self.topic_names(),
            dead_letters: self.kafka.topics.dead_letters.clone(),
            predictions: self.kafka.topics.predictions.clone(),
            group: self.group(),
            start: match self.kafka.start {
                types::Start::Earliest => Start::Earliest,
                types::Start::Latest => Start::Latest,
                types::Start::At(instant) => Start::Timestamp(instant),
            },
            properties: self.kafka.properties.clone(),
            max_fetched: self.limits.fetched,
            ..KafkaSettings::new(&self.kafka.brokers).for_records(self.input.max_record)
        }
    }
}

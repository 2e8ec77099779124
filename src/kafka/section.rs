//! What the configuration says of Kafka.

use super::{KafkaSettings, Start};
use crate::config::types::{self, Config};
use crate::source::TopicNames;
use dataflows::event::Topic;

impl Config {
    /// What the Kafka room must be told.
    pub fn kafka_settings(&self) -> KafkaSettings {
        KafkaSettings {
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
            ..KafkaSettings::new(&self.kafka.brokers, self.topic_names())
                .for_records(self.input.max_record)
        }
    }

    /// The topics that are read, and their names.
    pub fn topic_names(&self) -> TopicNames {
        let topics = &self.kafka.topics;
        let name = |topic| match topic {
            Topic::Transactions => topics.transactions.clone(),
            Topic::Customers => topics.customers.clone(),
            Topic::Interactions => topics.interactions.clone(),
            Topic::Rewards => topics.rewards.clone(),
            Topic::Requests => topics.requests.clone(),
        };
        TopicNames::of(Topic::ALL.map(|topic| (topic.id(), name(topic))))
    }
}

//! What the configuration says of Kafka.

use super::{KafkaSettings, StartPosition};
use crate::config::types::{self, Config};
use crate::source::TopicNames;
use dataflows::source::TopicId;

impl Config {
    /// What the Kafka room must be told.
    pub fn kafka_settings(&self) -> KafkaSettings {
        KafkaSettings {
            dead_letters: self.kafka.topics.name("dead_letters"),
            predictions: dataflows::told_to(&self.dataflow).map(|key| self.kafka.topics.name(key)),
            group: self.group(),
            start: match self.kafka.start {
                types::StartFrom::Earliest => StartPosition::Earliest,
                types::StartFrom::Latest => StartPosition::Latest,
                types::StartFrom::At(instant) => StartPosition::Timestamp(instant),
            },
            properties: self.kafka.properties.clone(),
            max_fetched: self.limits.fetched,
            ..KafkaSettings::new(&self.kafka.brokers, self.topic_names())
                .for_records(self.input.max_record)
        }
    }

    /// Consumer group for tools that show lag.
    pub fn group(&self) -> String {
        self.kafka.group.clone().unwrap_or_else(|| format!("sluice-{}", self.job))
    }

    /// What reading the topics needs and has no default: (key, what is wrong).
    pub fn faults_for_topics(&self) -> Vec<(&'static str, String)> {
        let fault = (
            "kafka.brokers",
            "expected the brokers to read from, such as \"127.0.0.1:9092\"".to_string(),
        );
        self.kafka.brokers.is_empty().then_some(fault).into_iter().collect()
    }

    /// The topics that are read, and their names.
    pub fn topic_names(&self) -> TopicNames {
        let named = |topic: TopicId| (topic, self.kafka.topics.name(topic.file_stem()));
        TopicNames::of(dataflows::topics_of(&self.dataflow).into_iter().map(named))
    }
}

//! The sections on Kafka: how it is reached, and its topics.

use crate::config::secret::MASK;
use crate::config::shown::is_harmless_property;
use crate::config::values;
use dataflows::event::Millis;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The broker.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSection {
    /// Brokers to begin with; empty for none.
    #[serde(deserialize_with = "values::brokers")]
    pub brokers: String,
    /// Where a job without progress begins.
    #[serde(deserialize_with = "values::start")]
    pub start: StartFrom,
    /// Consumer group for tools that show lag; `None`: [`Config::group`](super::Config::group)
    /// makes one of the job's name.
    #[serde(deserialize_with = "values::optional_name")]
    pub group: Option<String>,
    /// Partitions of a topic that is made.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 4096>")]
    pub partitions: i32,
    /// Replicas of a topic that is made.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 100>")]
    pub replication: i32,
    /// Names of the topics.
    pub topics: Topics,
    /// Settings for librdkafka. May hold secrets: see [`is_harmless_property`].
    #[serde(deserialize_with = "values::texts")]
    pub properties: BTreeMap<String, String>,
}

impl std::fmt::Debug for KafkaSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self
            .properties
            .iter()
            .map(|(name, value)| (name, if is_harmless_property(name) { value } else { MASK }));
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("start", &self.start)
            .field("group", &self.group)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("topics", &self.topics)
            .field("properties", &shown.collect::<BTreeMap<_, _>>())
            .finish()
    }
}

/// Where a job without progress begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// At the oldest record of each partition.
    Earliest,
    /// At the end of each partition.
    Latest,
    /// At the first record that the broker dated then or later.
    At(Millis),
}

/// Names of the topics at the broker, by their keys: those that are read, of every dataflow, and
/// those that go out. Which keys there are `default.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Topics(BTreeMap<String, TopicName>);

/// A topic at the broker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
struct TopicName(#[serde(deserialize_with = "values::topic")] String);

impl Topics {
    /// The name of the topic with this key; the key itself where there is none.
    pub fn name(&self, key: &str) -> String {
        self.0.get(key).map_or(key, |TopicName(name)| name).to_string()
    }

    /// Every key with its name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, TopicName(name))| (key.as_str(), name.as_str()))
    }
}

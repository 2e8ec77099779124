//! What Kafka's clients must be told.

use super::error::KafkaError;
use crate::source::{Loss, TopicNames, TopicUuids};
use dataflows::event::Millis;
use dataflows::source::TopicId;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use std::collections::BTreeMap;
use std::fmt;

/// Settings of everything that reads from or writes to Kafka.
#[derive(Clone)]
pub struct KafkaSettings {
    /// Addresses of brokers, `host:port`, separated by commas; the others are learned from these.
    pub brokers: String,
    /// The topics that are read, and their names.
    pub topics: TopicNames,
    /// Name of the topic for records that could not be taken.
    pub dead_letters: String,
    /// Name of the topic for what the dataflow tells others, where it does.
    pub predictions: Option<String>,
    /// The ids of the topics that are meant, as far as they are known: with them a reader tells why
    /// it cannot go on.
    pub topic_ids: TopicUuids,
    /// Offsets that are given up: partitions that stand before them are read from behind them.
    pub losses: Vec<Loss>,
    /// The consumer group that progress is shown under; it decides nothing.
    pub group: String,
    /// Where a job without progress starts.
    pub start: StartPosition,
    /// Properties for librdkafka, by its names. They win over ours, except those in [`FIXED`].
    pub properties: BTreeMap<String, String>,
    /// Bytes that a record may have, on its way in and out.
    pub max_record: usize,
    /// Bytes of records that a consumer keeps ready, all its partitions together. The client needs
    /// about as much again to keep books of them.
    pub max_fetched: usize,
}

/// Where a job without progress starts to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPosition {
    /// With the first record that is there.
    Earliest,
    /// With the next that comes.
    Latest,
    /// With the first record of this or a later broker's timestamp.
    Timestamp(Millis),
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads records.
    Consumer,
    /// Writes records.
    Producer,
    /// Asks for, makes and inspects topics.
    Admin,
}

/// Properties that exactness depends on, by role: offsets are ours alone, aborted records are never
/// seen, and an offset that is not there is an error, not a leap. And the statistics, without which
/// no partition is ever known to be idle.
pub const FIXED: [(Role, &str, &str); 9] = [
    (Role::Consumer, "enable.auto.commit", "false"),
    (Role::Consumer, "enable.auto.offset.store", "false"),
    (Role::Consumer, "auto.offset.reset", "error"),
    (Role::Consumer, "isolation.level", "read_committed"),
    (Role::Consumer, "enable.partition.eof", "true"),
    (Role::Consumer, "allow.auto.create.topics", "false"),
    (Role::Consumer, "statistics.interval.ms", "1000"),
    (Role::Producer, "enable.idempotence", "true"),
    (Role::Producer, "acks", "all"),
];

/// Bytes of one partition that the broker puts into an answer. Four times less than librdkafka's
/// default: measured, smaller answers stay in the processor's cache, and a message costs a tenth
/// less.
const PARTITION_FETCH: usize = 256 * 1024;
/// Kilobytes of one partition that a consumer keeps ready at least: a few answers of the broker.
const LEAST_QUEUED_KILOBYTES: usize = 4 * PARTITION_FETCH / 1024;
/// Bytes beside the records that a message of the protocol may have.
const PROTOCOL_OVERHEAD: usize = 64 * 1024;

impl KafkaSettings {
    /// Settings for brokers and topics, with the default of everything else.
    pub fn new(brokers: &str, topics: TopicNames) -> Self {
        KafkaSettings {
            brokers: brokers.to_string(),
            topics,
            topic_ids: TopicUuids::UNKNOWN,
            losses: Vec::new(),
            dead_letters: "dead-letters".to_string(),
            predictions: None,
            group: "sluice".to_string(),
            start: StartPosition::Earliest,
            properties: BTreeMap::new(),
            max_record: 12 << 20,
            max_fetched: 32 << 20,
        }
    }

    /// These settings for records of so many bytes at least.
    pub fn for_records(self, bytes: usize) -> Self {
        KafkaSettings { max_record: self.max_record.max(bytes), ..self }
    }

    /// The name of a topic at the broker.
    pub fn topic_name(&self, topic: TopicId) -> &str {
        &self.topics[topic]
    }

    /// The topic of this name.
    pub fn topic_named(&self, name: &str) -> Option<TopicId> {
        self.topics.named(name)
    }

    /// Every topic that the job reads or writes, by name.
    pub fn all_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.topics.names().chain(self.written())
    }

    /// Every topic that the job writes, by name.
    pub fn written(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        let topics = [Some(&self.dead_letters), self.predictions.as_ref()];
        topics.into_iter().flatten().map(String::as_str)
    }

    /// Bytes that a message of the protocol may have, with a record in it.
    pub(super) fn max_message(&self) -> usize {
        self.max_record + PROTOCOL_OVERHEAD
    }

    /// The configuration of a client: ours, then the user's properties, then what is fixed.
    pub(super) fn client(&self, role: Role) -> Result<ClientConfig, KafkaError> {
        let mut config = ClientConfig::new();
        // What of librdkafka's log is shown is decided where it arrives, not here.
        config.set_log_level(RDKafkaLogLevel::Info);
        config.set("bootstrap.servers", &self.brokers).set("client.id", "sluice");
        // A silent broker counts as lost after this, and a lost one is tried again at least this
        // often.
        config.set("socket.timeout.ms", "10000").set("reconnect.backoff.max.ms", "1000");
        match role {
            Role::Consumer => {
                config
                    .set("group.id", &self.group)
                    .set("fetch.queue.backoff.ms", "2")
                    .set("fetch.error.backoff.ms", "100")
                    .set("fetch.wait.max.ms", "500")
                    .set("fetch.min.bytes", "1")
                    // Costs nothing that can be measured, and a broken disk or network is then an
                    // error, not an event.
                    .set("check.crcs", "true")
                    .set("max.partition.fetch.bytes", PARTITION_FETCH.to_string())
                    .set("fetch.max.bytes", self.max_message().max(50 << 20).to_string())
                    .set(
                        "receive.message.max.bytes",
                        (self.max_record + 2 * PROTOCOL_OVERHEAD).max(100 << 20).to_string(),
                    );
            }
            Role::Producer => {
                config.set("message.max.bytes", self.max_message().to_string());
            }
            Role::Admin => {}
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        self.set_fixed(role, &mut config)?;
        Ok(config)
    }

    /// Shares what a consumer may keep ready among so many partitions: each has a queue of its own,
    /// and the client counts each by itself.
    pub(super) fn share_fetched(&self, partitions: usize, config: &mut ClientConfig) {
        let name = "queued.max.messages.kbytes";
        if !self.properties.contains_key(name) {
            let share = self.max_fetched / 1024 / partitions.max(1);
            config.set(name, share.max(LEAST_QUEUED_KILOBYTES).to_string());
        }
    }

    /// Sets what is fixed, and refuses a property that says otherwise.
    fn set_fixed(&self, role: Role, config: &mut ClientConfig) -> Result<(), KafkaError> {
        for (of, name, wanted) in FIXED {
            match self.properties.get(name) {
                Some(value) if value != wanted => {
                    return Err(KafkaError::FixedProperty {
                        name,
                        value: value.clone(),
                        wanted: wanted.to_string(),
                    });
                }
                _ if of == role => {
                    config.set(name, wanted);
                }
                _ => {
                    config.remove(name);
                }
            }
        }
        Ok(())
    }
}

/// Values of properties may be passwords and keys: only their names are shown.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("topics", &self.topics)
            .field("dead_letters", &self.dead_letters)
            .field("predictions", &self.predictions)
            .field("group", &self.group)
            .field("start", &self.start)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .field("max_record", &self.max_record)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    #[test]
    fn properties_win_over_ours_and_never_over_what_is_fixed() {
        let mut settings = KafkaSettings::new("127.0.0.1:9092", TopicNames::own(Topic::ids()));
        settings.properties.insert("fetch.queue.backoff.ms".to_string(), "7".to_string());
        settings.properties.insert("isolation.level".to_string(), "read_committed".to_string());
        let config = settings.client(Role::Consumer).unwrap();
        assert_eq!(config.get("fetch.queue.backoff.ms"), Some("7"));
        assert_eq!(config.get("isolation.level"), Some("read_committed"));
        assert_eq!(settings.client(Role::Producer).unwrap().get("isolation.level"), None);
        for (_, name, wanted) in FIXED {
            let mut wrong = settings.clone();
            wrong.properties.insert(name.to_string(), "other".to_string());
            for role in [Role::Consumer, Role::Producer, Role::Admin] {
                let message = wrong.client(role).unwrap_err().to_string();
                assert!(message.contains(name) && message.contains(wanted), "{message}");
            }
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let mut settings = KafkaSettings::new("127.0.0.1:9092", TopicNames::own(Topic::ids()));
        settings.properties.insert("sasl.password".to_string(), "s3cret".to_string());
        let shown = format!("{settings:?}");
        assert!(shown.contains("sasl.password") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn topics_go_by_their_configured_names() {
        let mut settings = KafkaSettings::new("127.0.0.1:9092", TopicNames::own(Topic::ids()));
        settings.topics = settings.topics.with(Topic::Customers.id(), "profiles");
        assert_eq!(settings.topic_name(Topic::Customers.id()), "profiles");
        assert_eq!(settings.topic_named("profiles"), Some(Topic::Customers.id()));
        assert_eq!(settings.topic_named("customers"), None);
        assert_eq!(settings.all_names().count(), 6);
        settings.predictions = Some("decided".to_string());
        assert_eq!(settings.all_names().last(), Some("decided"));
    }
}

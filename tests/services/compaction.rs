//! Topics that the broker's cleaner really compacts, and the wait until it has.

use super::{Stage, eventually, topics};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

/// How long the broker may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What makes the cleaner remove whatever a newer record of the same key replaces within a moment,
/// and tombstones with it. Only segments that are closed are cleaned, and one is closed by the
/// first record that comes after its time.
const COMPACTED: [(&str, &str); 6] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "100"),
    ("min.cleanable.dirty.ratio", "0.001"),
    ("delete.retention.ms", "100"),
    ("max.compaction.lag.ms", "200"),
    ("max.message.bytes", "16000000"),
];

/// The customer whose profile is sent again and again to close segments.
pub(crate) const NUDGED: i64 = 999_999;

/// Makes a topic that is there, of this name at the broker, a compacted one. When that is done, the
/// broker tells whoever asks.
pub(crate) fn compact(brokers: &str, topic: &str) {
    configure(brokers, topic, &COMPACTED);
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a client");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    eventually("the broker says that the topic is compacted", || {
        let described = runtime.block_on(
            admin.describe_configs([&ResourceSpecifier::Topic(topic)], &AdminOptions::new()),
        );
        let described: Vec<_> = described
            .expect("the broker answers")
            .into_iter()
            .map(|described| described.expect("the topic is described"))
            .collect();
        let is = |name, value| {
            described.iter().any(|described| {
                described.get(name).and_then(|entry| entry.value.as_deref()) == Some(value)
            })
        };
        COMPACTED.iter().all(|(name, value)| is(name, *value))
    });
}

/// Has the properties of a topic replaced.
pub(crate) fn configure(brokers: &str, topic: &str, properties: &[(&str, &str)]) {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a client");
    let wanted = AlterConfig::new(ResourceSpecifier::Topic(topic));
    let wanted = properties.iter().fold(wanted, |wanted, (name, value)| wanted.set(name, value));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let altered = runtime
        .block_on(admin.alter_configs([&wanted], &AdminOptions::new()))
        .expect("the broker answers");
    altered.into_iter().for_each(|altered| drop(altered.expect("the topic is configured")));
}

/// Partition and offset of each record that some partitions now have.
pub(crate) fn offsets(brokers: &str, topic: &str, partitions: Range<i32>) -> BTreeSet<(i32, i64)> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("group.id", "offsets")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false");
    // That a partition ends the broker says after this time.
    config.set("fetch.wait.max.ms", "10");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in partitions.clone() {
        // A client that has to ask for the first offset itself asks late.
        let (low, _) = topics::bounds(consumer.client(), topic, partition);
        list.add_partition_offset(topic, partition, Offset::Offset(low)).expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    let (mut found, mut ended) = (BTreeSet::new(), BTreeSet::new());
    while ended.len() < partitions.len() {
        match consumer.poll(PATIENCE).expect("the broker answers") {
            Ok(message) => drop(found.insert((message.partition(), message.offset()))),
            Err(KafkaError::PartitionEOF(partition)) => drop(ended.insert(partition)),
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    found
}

/// The offset after the last of a partition.
pub(crate) fn end(brokers: &str, topic: &str, partition: i32) -> i64 {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a consumer");
    topics::bounds(consumer.client(), topic, partition).1
}

/// Sends [`NUDGED`]'s profile, by a producer that may be used for it again.
pub(crate) fn nudge(brokers: &str, topic: &str, partition: i32) -> BaseProducer {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a producer");
    nudge_by(&producer, topic, partition);
    producer
}

fn nudge_by(producer: &BaseProducer, topic: &str, partition: i32) {
    let (key, value) = (NUDGED.to_string(), format!("{{\"customer_id\":{NUDGED}}}"));
    producer
        .send(BaseRecord::to(topic).partition(partition).key(&key).payload(&value))
        .map_err(|(error, _)| error)
        .expect("there is room");
    producer.flush(PATIENCE).expect("the broker takes it");
}

/// Waits until the cleaner has removed these records from a partition of a topic of customers. So
/// that it can, [`NUDGED`]'s profile comes again and again: the job reads it as any other.
pub(crate) fn until_gone(brokers: &str, topic: &str, partition: i32, gone: &[i64]) {
    let producer = nudge(brokers, topic, partition);
    eventually("the cleaner has removed what newer records replace", || {
        nudge_by(&producer, topic, partition);
        let there = offsets(brokers, topic, partition..partition + 1);
        gone.iter().all(|offset| !there.contains(&(partition, *offset)))
    });
}

impl Stage {
    /// Makes the topics, that of customers a compacted one; gives its name.
    pub(crate) fn create_topics_with_compacted_customers(&self) -> String {
        self.create_topics();
        let customers = self.topic("customers");
        compact(&self.brokers, &customers);
        customers
    }
}

//! Records put into topics as they are, and read back from them.

use super::Stage;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;

/// Partitions of every topic.
pub(crate) const PARTITIONS: i32 = 3;

/// How long the broker may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a record lies: topic, partition, offset.
pub(crate) type At = (String, i32, i64);

/// Writes records into topics in which nobody else writes; so it knows the offset of each.
pub(crate) struct Sender {
    client: BaseProducer,
    next: BTreeMap<(String, i32), i64>,
}

impl Sender {
    /// Of a stage whose topics are there, and empty.
    pub(crate) fn new(stage: &Stage) -> Sender {
        let mut config = ClientConfig::new();
        // Idempotent: nothing changes places. The broker that scripts/services starts takes records of up to 16 MiB.
        config.set("bootstrap.servers", &stage.brokers).set("enable.idempotence", "true").set("message.max.bytes", "16000000");
        config.set("linger.ms", "20").set("queue.buffering.max.kbytes", "262144").set("reconnect.backoff.max.ms", "500");
        Sender { client: config.create().expect("a producer"), next: BTreeMap::new() }
    }

    /// Sends a record, dated `timestamp`; says where it lies.
    pub(crate) fn send(&mut self, topic: &str, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: i64) -> At {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).timestamp(timestamp);
        (record.key, record.payload) = (key, value);
        while let Err((error, back)) = self.client.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
            self.client.poll(Duration::from_millis(5));
            record = back;
        }
        let next = self.next.entry((topic.to_string(), partition)).or_default();
        *next += 1;
        (topic.to_string(), partition, *next - 1)
    }

    /// Waits until the broker has everything that was sent so far.
    pub(crate) fn flush(&self) {
        self.client.flush(PATIENCE).expect("the broker takes everything");
    }

    /// How many records there are in each partition that has any, by what was sent.
    pub(crate) fn ends(&self) -> &BTreeMap<(String, i32), i64> {
        &self.next
    }

    /// Waits until the broker has everything, where it was said to lie.
    pub(crate) fn finish(self) {
        self.flush();
        for ((topic, partition), next) in &self.next {
            let (low, high) = self.client.client().fetch_watermarks(topic, *partition, PATIENCE).expect("the broker says where a partition ends");
            assert_eq!((low, high), (0, *next), "{topic}, partition {partition}");
        }
    }
}

/// The values of all records that a topic now has, partition by partition.
pub(crate) fn read_all(brokers: &str, topic: &str) -> Vec<Vec<u8>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "proofs").set("enable.partition.eof", "true").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    let (mut values, mut ends) = (Vec::new(), 0);
    while ends < PARTITIONS {
        match consumer.poll(PATIENCE).expect("the broker answers") {
            Ok(message) => values.push(message.payload().unwrap_or_default().to_vec()),
            Err(KafkaError::PartitionEOF(_)) => ends += 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    values
}

/// The names of all topics at the broker.
pub(crate) fn names(brokers: &str) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a consumer");
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("the broker lists its topics");
    metadata.topics().iter().map(|topic| topic.name().to_string()).collect()
}

/// Deletes a topic, and waits until the broker knows of it no more.
pub(crate) fn delete(brokers: &str, topic: &str) {
    let deleted = block_on(admin(brokers).delete_topics(&[topic], &AdminOptions::new()));
    deleted.expect("the broker answers").into_iter().for_each(|deleted| drop(deleted.expect("it is deleted")));
    super::eventually("the topic is gone", || !names(brokers).iter().any(|name| name == topic));
}

/// Makes a topic, and waits until the broker knows of it.
pub(crate) fn create(brokers: &str, topic: &str, partitions: i32) {
    let new = [NewTopic::new(topic, partitions, TopicReplication::Fixed(1))];
    let created = block_on(admin(brokers).create_topics(&new, &AdminOptions::new()));
    created.expect("the broker answers").into_iter().for_each(|created| drop(created.expect("it is made")));
    super::eventually("the topic is there", || names(brokers).iter().any(|name| name == topic));
}

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a client")
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

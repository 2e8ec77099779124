//! Topics: what they have, and that they come and go.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::Duration;

/// Partitions of every topic.
pub(crate) const PARTITIONS: i32 = 3;

/// How long the broker may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Has retention take the records of a partition before an offset.
pub(crate) fn trim(brokers: &str, topic: &str, partition: i32, low: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(low)).expect("an offset");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a client");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).expect("the records go");
}

/// The values of all records that a topic now has, partition by partition; but of tombstones, which
/// have none.
pub(crate) fn read_all(brokers: &str, topic: &str) -> Vec<Vec<u8>> {
    read_keyed(brokers, topic).into_iter().filter_map(|(_, value)| value).collect()
}

/// Keys and values of all records that a topic now has, partition by partition.
pub(crate) fn read_keyed(brokers: &str, topic: &str) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("group.id", "proofs")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    let (mut values, mut ends) = (Vec::new(), 0);
    while ends < PARTITIONS {
        match consumer.poll(PATIENCE).expect("the broker answers") {
            Ok(message) => values.push((
                message.key().unwrap_or_default().to_vec(),
                message.payload().map(<[u8]>::to_vec),
            )),
            Err(KafkaError::PartitionEOF(_)) => ends += 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    values
}

/// The first offset of a partition and the one behind its last, as a client sees them. A broker
/// that has only just made the topic, or has only just started, may not know yet that it leads it.
pub(crate) fn bounds<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partition: i32,
) -> (i64, i64) {
    let mut found = None;
    super::eventually(&format!("the broker says where {topic}, {partition} ends"), || {
        found = client.fetch_watermarks(topic, partition, PATIENCE).ok();
        found.is_some()
    });
    found.expect("it is waited for")
}

/// Waits until the broker has marked the ends of all transactions in all partitions; none may be
/// open. Whoever ends one is answered before that, and a broker that ends first may forget the
/// rest: the records stay held back for ever.
pub(crate) fn await_marks(brokers: &str) {
    let consumer = |isolation: &str| -> BaseConsumer {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("isolation.level", isolation)
            .create()
            .expect("a consumer")
    };
    let (committed, all) = (consumer("read_committed"), consumer("read_uncommitted"));
    let metadata = all.fetch_metadata(None, PATIENCE).expect("the broker lists its topics");
    let topics = metadata.topics().iter().filter(|topic| !topic.name().starts_with("__"));
    for (name, partition) in topics
        .flat_map(|topic| topic.partitions().iter().map(|partition| (topic.name(), partition.id())))
    {
        let end = |consumer: &BaseConsumer| bounds(consumer.client(), name, partition).1;
        super::eventually(&format!("no transaction is open in {name}, {partition}"), || {
            end(&committed) == end(&all)
        });
    }
}

/// The names of all topics at the broker.
pub(crate) fn names(brokers: &str) -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a consumer");
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("the broker lists its topics");
    metadata.topics().iter().map(|topic| topic.name().to_string()).collect()
}

/// Deletes a topic, and waits until the broker knows of it no more.
pub(crate) fn delete(brokers: &str, topic: &str) {
    let deleted = block_on(admin(brokers).delete_topics(&[topic], &AdminOptions::new()));
    deleted
        .expect("the broker answers")
        .into_iter()
        .for_each(|deleted| drop(deleted.expect("it is deleted")));
    super::eventually("the topic is gone", || !names(brokers).iter().any(|name| name == topic));
}

/// Makes a topic, and waits until the broker knows of it.
pub(crate) fn create(brokers: &str, topic: &str, partitions: i32) {
    let new = [NewTopic::new(topic, partitions, TopicReplication::Fixed(1))];
    let created = block_on(admin(brokers).create_topics(&new, &AdminOptions::new()));
    created
        .expect("the broker answers")
        .into_iter()
        .for_each(|created| drop(created.expect("it is made")));
    super::eventually("the topic is there", || names(brokers).iter().any(|name| name == topic));
}

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a client")
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

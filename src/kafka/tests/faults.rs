//! What cannot mend itself ends the reading with a message that says what is where; what can is
//! waited out.

use super::super::KafkaError;
use super::super::settings::Role;
use super::*;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

fn one(from: Position) -> Vec<Assigned> {
    all(Topic::Transactions.id(), 1, from)
}

#[test]
fn offsets_that_are_not_there_are_named_with_what_is() {
    let Some(settings) = settings() else { return };
    create(&settings, 1);
    produce(&settings, Topic::Transactions.id(), 0..100);
    let name = settings.topic_name(Topic::Transactions.id());
    let error = failure(&settings, one(Position::Offset(101)));
    assert!(
        matches!(error, KafkaError::PastEnd { partition: 0, wanted: 101, high: 100, .. }),
        "{error}"
    );

    let admin: AdminClient<DefaultClientContext> =
        settings.client(Role::Admin).unwrap().create().unwrap();
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(name, 0, Offset::Offset(40)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(admin.delete_records(&before, &AdminOptions::new())).unwrap();
    let error = failure(&settings, one(Position::Offset(39)));
    assert!(
        matches!(error, KafkaError::Removed { partition: 0, wanted: 39, low: 40, .. }),
        "{error}"
    );
    assert!(error.to_string().contains(name), "{error}");

    let mut rest = Reading::start(&settings, one(Position::Offset(40)), 8);
    rest.until_ended(1);
    assert_eq!(rest.numbers(), (40..100).collect::<Vec<_>>());
    rest.stop();
}

#[test]
fn missing_topics_and_partitions_are_named_with_the_way_out() {
    let Some(mut settings) = settings() else { return };
    let error = failure(&settings, one(Position::Earliest)).to_string();
    assert!(
        error.contains(settings.topic_name(Topic::Transactions.id()))
            && error.contains("sluice topics create"),
        "{error}"
    );
    create(&settings, 2);
    let third =
        Assigned { topic: Topic::Transactions.id(), partition: 2, from: Position::Earliest };
    let error = failure(&settings, vec![third]);
    assert!(
        matches!(error, KafkaError::MissingPartition { partition: 2, found: 2, .. }),
        "{error}"
    );
    let error = failure(&settings, vec![Assigned { partition: 4_096, ..third }]);
    assert!(matches!(error, KafkaError::TooManyPartitions { partition: 4_096, .. }), "{error}");
    settings.properties.insert("no.such.property".to_string(), "1".to_string());
    let refused = consumer::spawn(&settings, Vec::new(), bounded(1).0, || {}).unwrap_err();
    assert!(refused.to_string().contains("no.such.property"), "{refused}");
}

/// A mock cluster with the transactions topic, in one partition, and events in it.
fn mock() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, KafkaSettings) {
    let cluster = MockCluster::new(1).unwrap();
    let settings = own_topics(&cluster.bootstrap_servers());
    for name in settings.all_names() {
        cluster.create_topic(name, 1, 1).unwrap();
    }
    produce(&settings, Topic::Transactions.id(), 0..1_000);
    (cluster, settings)
}

#[test]
fn records_that_vanish_under_the_reader_end_the_reading() {
    let (cluster, settings) = mock();
    let (sender, arrivals) = bounded(100);
    let handle = consumer::spawn(&settings, one(Position::Earliest), sender, || {}).unwrap();
    while !matches!(arrivals.recv_timeout(PATIENCE).unwrap(), Arrival::CaughtUp { .. }) {}
    cluster.request_errors(
        RDKafkaApiKey::Fetch,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE; 3],
    );
    let error = loop {
        match arrivals.recv_timeout(PATIENCE).unwrap() {
            Arrival::Failed(error) => break error.to_string(),
            Arrival::Records(_) | Arrival::CaughtUp { .. } => {}
        }
    };
    assert!(
        error.contains("partition 0")
            && error.contains(settings.topic_name(Topic::Transactions.id()))
            && error.contains("1000"),
        "{error}"
    );
    assert!(arrivals.recv_timeout(PATIENCE).is_err(), "something came after the end");
    assert!(handle.stop(PATIENCE));
}

#[test]
fn a_leader_that_moves_and_answers_that_fail_are_waited_out() {
    let (cluster, settings) = mock();
    use RDKafkaRespErr::*;
    let passing = [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
    ];
    // So does a job that looks, before it begins, where its partitions begin and end.
    cluster.request_errors(RDKafkaApiKey::ListOffsets, &passing);
    let found = crate::kafka::admin::find(&settings, one(Position::Earliest).into_iter()).unwrap();
    assert_eq!(found[&(Topic::Transactions.id(), 0)], 0..1_000);
    cluster.request_errors(RDKafkaApiKey::Fetch, &passing);
    cluster.request_errors(RDKafkaApiKey::ListOffsets, &passing);
    let mut reading = Reading::start(&settings, one(Position::Earliest), 8);
    reading.until_count(1_000);
    cluster.request_errors(RDKafkaApiKey::Fetch, &passing);
    produce(&settings, Topic::Transactions.id(), 1_000..2_000);
    reading.until_count(2_000);
    assert_eq!(reading.numbers(), (0..2_000).collect::<Vec<_>>());
    reading.stop();
}

#[test]
fn a_silent_broker_is_noticed_and_a_partition_behind_it_is_not_idle() {
    let (cluster, settings) = mock();
    let mut reading = Reading::start(&settings, one(Position::Earliest), 8);
    reading.until_ended(1);
    let idle = |reading: &Reading| reading.handle.status()[0].idle_for(Instant::now()).is_some();
    eventually("the partition is idle", || idle(&reading));
    cluster.broker_down(1).unwrap();
    eventually("the partition cannot be reached", || {
        !reading.handle.status()[0].reachable && !reading.handle.is_connected()
    });
    assert!(!idle(&reading));
    cluster.broker_up(1).unwrap();
    eventually("the partition is idle again", || idle(&reading));
    assert!(reading.handle.is_connected());
    reading.stop();
}

#[test]
fn a_refusal_ends_the_reading() {
    let (cluster, settings) = mock();
    cluster
        .topic_error(
            settings.topic_name(Topic::Transactions.id()),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        )
        .unwrap();
    let error = failure(&settings, one(Position::Earliest));
    assert!(matches!(&error, KafkaError::Refused { .. }) && !error.is_transient(), "{error}");
    assert!(
        error.to_string().contains(&RDKafkaErrorCode::TopicAuthorizationFailed.to_string()),
        "{error}"
    );
}

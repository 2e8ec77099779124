//! What is published is there, whole and in order, or the error says why not.

use super::super::KafkaError;
use super::super::publisher::{Publication, PublishOutcome, Publisher, Refused};
use super::*;
use crate::sink::destination::Destination;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaErrorCode, RDKafkaRespErr};

fn publication(destination: Destination, number: u64) -> Publication {
    let (customer, value) = event(number);
    Publication {
        destination,
        key: (customer % 10).to_string().into(),
        value: Some(value.into()),
        timestamp: MARCH + number as i64,
    }
}

/// Reads a topic that is written only.
fn read_back(settings: &KafkaSettings, name: &str, partitions: u32) -> Reading {
    let mut settings = settings.clone();
    settings.topics = settings.topics.with(Topic::Requests.id(), name);
    let mut reading =
        Reading::start(&settings, all(Topic::Requests.id(), partitions, Position::Earliest), 8);
    reading.until_ended(partitions as usize);
    reading
}

#[test]
fn an_epoch_is_published_whole_and_in_order() {
    let Some(settings) = settings() else { return };
    create(&settings, 3);
    let mut publisher = Publisher::new(&settings).unwrap();
    for epoch in 0..3 {
        let mut publications: Vec<Publication> = (epoch * 1_000..(epoch + 1) * 1_000)
            .map(|number| publication(Destination::Predictions, number))
            .collect();
        publications.push(publication(Destination::DeadLetters, epoch));
        assert_eq!(
            publisher.publish(&publications, |_| true).unwrap(),
            PublishOutcome::All(Vec::new())
        );
        // All of it is there when it says so.
        let there = read_back(&settings, predictions(&settings), 3);
        assert_eq!(there.numbers(), (0..(epoch + 1) * 1_000).collect::<Vec<_>>());
        there.stop();
    }
    assert_eq!(publisher.publish(&[], |_| true).unwrap(), PublishOutcome::All(Vec::new()));
    let predictions = read_back(&settings, predictions(&settings), 3);
    assert!(
        predictions
            .records
            .values()
            .all(|records| records.is_sorted_by_key(|record| number(&record.bytes)))
    );
    let dead = read_back(&settings, &settings.dead_letters, 3);
    assert_eq!(dead.numbers(), [0, 1, 2]);
    predictions.stop();
    dead.stop();
}

#[test]
fn a_record_that_is_too_long_is_passed_over_or_an_error_with_the_way_out() {
    let Some(settings) = settings() else { return };
    super::super::admin::create(&settings, 1, 1, &[("max.message.bytes", "1000000")]).unwrap();
    let mut publisher = Publisher::new(&settings).unwrap();
    let state = std::cell::Cell::new(1_u64);
    let noise = || {
        state.set(state.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        (state.get() >> 56) as u8
    };
    // Longer than the topic takes, and not to be compressed.
    let long = Publication {
        value: Some(std::iter::repeat_with(noise).take(2 << 20).collect()),
        ..publication(Destination::DeadLetters, 1)
    };
    let refused = Refused { index: 0, code: RDKafkaErrorCode::MessageSizeTooLarge };
    assert_eq!(
        publisher.publish(std::slice::from_ref(&long), |_| true).unwrap(),
        PublishOutcome::All(vec![refused])
    );
    let mut producer = Producer::new(&settings).unwrap();
    producer.send(&settings.dead_letters, 1, long.value.as_deref(), MARCH).unwrap();
    let error = producer.finish(PATIENCE).unwrap_err();
    assert!(
        matches!(error, KafkaError::Delivery { .. })
            && error.to_string().contains("max.message.bytes"),
        "{error}"
    );
    let mut producer = Producer::new(&settings).unwrap();
    let error = producer
        .send(&settings.dead_letters, 1, Some(&vec![0; settings.max_record + (1 << 20)]), MARCH)
        .unwrap_err();
    assert!(error.to_string().contains(&settings.dead_letters), "{error}");
}

#[test]
fn an_unreachable_broker_is_waited_for_only_as_long_as_is_wanted() {
    // Nothing listens on port 1.
    let settings = own_topics("127.0.0.1:1");
    let mut producer = Producer::new(&settings).unwrap();
    producer.send(settings.topic_name(Topic::Transactions.id()), 1, Some(b"{}"), MARCH).unwrap();
    let error = producer.finish(Duration::from_millis(300)).unwrap_err();
    assert!(
        matches!(error, KafkaError::Undelivered { waiting: 1, .. }) && error.is_transient(),
        "{error}"
    );
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    let mut publisher = Publisher::new(&settings).unwrap();
    let began = Instant::now();
    let mut reason = String::new();
    let stopped = publisher.publish(&[publication(Destination::Predictions, 1)], |connection| {
        reason = connection.reason();
        began.elapsed() < Duration::from_millis(300) || !reason.contains("efused")
    });
    assert_eq!(stopped.unwrap(), PublishOutcome::Stopped, "{reason}");
}

#[test]
fn answers_that_fail_cost_neither_records_nor_their_order() {
    let cluster = MockCluster::new(1).unwrap();
    let settings = own_topics(&cluster.bootstrap_servers());
    for name in settings.all_names() {
        cluster.create_topic(name, 1, 1).unwrap();
    }
    use RDKafkaRespErr::*;
    let passing = [
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ];
    let mut publisher = Publisher::new(&settings).unwrap();
    for epoch in 0..3 {
        cluster.request_errors(RDKafkaApiKey::Produce, &passing);
        let publications: Vec<Publication> = (epoch * 100..(epoch + 1) * 100)
            .map(|number| publication(Destination::Predictions, number))
            .collect();
        assert_eq!(
            publisher.publish(&publications, |_| true).unwrap(),
            PublishOutcome::All(Vec::new())
        );
    }
    let there = read_back(&settings, predictions(&settings), 1);
    let order: Vec<u64> = there.records[&0].iter().map(|record| number(&record.bytes)).collect();
    assert_eq!(order, (0..300).collect::<Vec<_>>());
    there.stop();
}

#[test]
fn a_client_that_has_lost_count_is_replaced_and_the_epoch_sent_again() {
    let cluster = MockCluster::new(1).unwrap();
    let settings = own_topics(&cluster.bootstrap_servers());
    for name in settings.all_names() {
        cluster.create_topic(name, 1, 1).unwrap();
    }
    let mut publisher = Publisher::new(&settings).unwrap();
    let publications: Vec<Publication> =
        (0..200).map(|number| publication(Destination::Predictions, number)).collect();
    assert_eq!(
        publisher.publish(&publications[..100], |_| true).unwrap(),
        PublishOutcome::All(Vec::new())
    );
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    assert_eq!(
        publisher.publish(&publications[100..], |_| true).unwrap(),
        PublishOutcome::All(Vec::new())
    );
    let there = read_back(&settings, predictions(&settings), 1);
    let mut numbers = there.numbers();
    numbers.dedup();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    let order: Vec<u64> = there.records[&0].iter().map(|record| number(&record.bytes)).collect();
    assert_eq!(order[order.len() - 100..], (100..200).collect::<Vec<_>>());
    there.stop();
}

/// A publication that no compression makes shorter than 3,000 bytes.
fn long(number: u64) -> Publication {
    let value: Vec<u8> =
        (0..4_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    Publication { value: Some(value), ..publication(Destination::Predictions, number) }
}

#[test]
fn records_that_their_topic_never_takes_are_named_and_the_others_are_there_in_order() {
    let Some(settings) = settings() else { return };
    super::super::admin::create(&settings, 1, 1, &[("max.message.bytes", "2000")]).unwrap();
    let mut publisher = Publisher::new(&settings).unwrap();
    let mut publications: Vec<Publication> =
        (0..40).map(|number| publication(Destination::Predictions, number)).collect();
    publications[0] = long(0);
    publications[17] = long(17);
    publications[39] = long(39);
    let refused =
        [0, 17, 39].map(|index| Refused { index, code: RDKafkaErrorCode::MessageSizeTooLarge });
    assert_eq!(
        publisher.publish(&publications, |_| true).unwrap(),
        PublishOutcome::All(refused.to_vec())
    );
    let there = read_back(&settings, predictions(&settings), 1);
    let mut seen: Vec<u64> = there.records[&0].iter().map(|record| number(&record.bytes)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (1..39).filter(|number| *number != 17).collect::<Vec<_>>());
    there.stop();
}

#[test]
fn an_instant_that_its_topic_does_not_take_is_no_reason_to_lose_a_record() {
    let Some(settings) = settings() else { return };
    super::super::admin::create(
        &settings,
        1,
        1,
        &[
            ("message.timestamp.before.max.ms", "3600000"),
            ("message.timestamp.after.max.ms", "3600000"),
        ],
    )
    .unwrap();
    let mut publisher = Publisher::new(&settings).unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let at = |number: u64, timestamp| Publication {
        timestamp,
        ..publication(Destination::Predictions, number)
    };
    let publications = [at(0, now), at(1, MARCH), at(2, now + 10 * 86_400_000), at(3, now - 1_000)];
    assert_eq!(
        publisher.publish(&publications, |_| true).unwrap(),
        PublishOutcome::All(Vec::new())
    );
    let there = read_back(&settings, predictions(&settings), 1);
    assert_eq!(
        there
            .numbers()
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    there.stop();
}

#[test]
fn a_topic_that_is_gone_is_named_at_once_and_written_when_it_is_there_again() {
    let Some(settings) = settings() else { return };
    create(&settings, 1);
    let mut publisher = Publisher::new(&settings).unwrap();
    let publications: Vec<Publication> =
        (0..100).map(|number| publication(Destination::Predictions, number)).collect();
    assert_eq!(
        publisher.publish(&publications, |_| true).unwrap(),
        PublishOutcome::All(Vec::new())
    );
    super::super::admin::delete_topics(&settings).unwrap();
    let began = Instant::now();
    // The broker may still know of it for a moment.
    let mut last = publisher.publish(&publications, |_| true);
    eventually("the topic is not there", || {
        if last.is_ok() {
            last = publisher.publish(&publications, |_| true);
        }
        last.is_err()
    });
    let error = last.unwrap_err().to_string();
    assert!(
        error.contains(predictions(&settings))
            && error.contains(&settings.brokers)
            && error.contains("topics create"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    create(&settings, 1);
    eventually("it is written again", || {
        publisher
            .publish(&publications, |_| true)
            .is_ok_and(|end| end == PublishOutcome::All(Vec::new()))
    });
    let there = read_back(&settings, predictions(&settings), 1);
    assert_eq!(
        there.numbers().into_iter().collect::<std::collections::BTreeSet<_>>(),
        (0..100).collect()
    );
    there.stop();
}

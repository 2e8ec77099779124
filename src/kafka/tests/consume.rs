//! What is written is read exactly once, from wherever the reading begins.

use super::*;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

/// Events, in three partitions.
const EVENTS: u64 = 50_000;

#[test]
fn every_record_is_read_once_from_the_start_an_offset_and_a_timestamp() {
    let Some(settings) = settings() else { return };
    create(&settings, 3);
    produce(&settings, Topic::Transactions.id(), 0..EVENTS);
    let mut whole =
        Reading::start(&settings, all(Topic::Transactions.id(), 3, Position::Earliest), 8);
    whole.until_ended(3);
    assert_eq!(whole.numbers(), (0..EVENTS).collect::<Vec<_>>());
    assert!(
        whole
            .records
            .values()
            .flatten()
            .all(|record| record.timestamp == MARCH + number(&record.bytes) as i64)
    );
    let partitions = BTreeMap::from([(Topic::Transactions.id(), vec![0, 1, 2])]);
    let found = super::super::admin::positions(&settings, &partitions, Position::Earliest).unwrap();
    let ends: BTreeMap<u32, u64> =
        found.into_iter().map(|((_, partition), range)| (partition, range.end)).collect();
    assert_eq!(whole.next, ends);

    let middle = |partition: &u32| ends[partition] / 2;
    let from = ends.keys().map(|partition| Assigned {
        topic: Topic::Transactions.id(),
        partition: *partition,
        from: Position::Offset(middle(partition)),
    });
    let mut tail = Reading::start(&settings, from.collect(), 8);
    tail.until_ended(3);
    for (partition, records) in &tail.records {
        assert_eq!(records[..], whole.records[partition][middle(partition) as usize..]);
    }

    let half = MARCH + EVENTS as i64 / 2;
    let mut late =
        Reading::start(&settings, all(Topic::Transactions.id(), 3, Position::Timestamp(half)), 8);
    late.until_ended(3);
    assert_eq!(late.numbers(), (EVENTS / 2..EVENTS).collect::<Vec<_>>());

    for from in [Position::Latest, Position::Timestamp(half * 2)] {
        let mut none = Reading::start(&settings, all(Topic::Transactions.id(), 3, from), 8);
        none.until_ended(3);
        assert_eq!((none.count(), &none.next), (0, &ends), "{from:?}");
        none.stop();
    }
    for reading in [whole, tail, late] {
        reading.stop();
    }
}

#[test]
fn null_and_empty_values_headers_and_ten_megabytes_come_as_they_are() {
    let Some(settings) = settings() else { return };
    create(&settings, 1);
    let name = settings.topic_name(Topic::Customers.id());
    let mut state = 1_u64;
    let huge: Vec<u8> = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(10 << 20)
    .collect();
    let mut producer = Producer::new(&settings).unwrap();
    producer.send(name, 7, None, MARCH).unwrap();
    producer.send(name, 8, Some(b""), MARCH + 1).unwrap();
    producer.send(name, 9, Some(&huge), MARCH + 2).unwrap();
    assert_eq!(producer.finish(PATIENCE).unwrap().delivered, 3);
    let plain: BaseProducer =
        settings.client(super::super::settings::Role::Producer).unwrap().create().unwrap();
    let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some("abc") });
    plain
        .send(
            BaseRecord::<[u8], str>::to(name)
                .payload("with headers")
                .headers(headers)
                .timestamp(MARCH + 3),
        )
        .unwrap();
    plain.send(BaseRecord::<[u8], [u8]>::to(name).timestamp(MARCH + 4)).unwrap();
    plain.flush(PATIENCE).unwrap();

    let mut reading =
        Reading::start(&settings, all(Topic::Customers.id(), 1, Position::Earliest), 8);
    reading.until_ended(1);
    let record = |offset, null, bytes: &[u8]| Read {
        offset,
        timestamp: MARCH + offset as i64,
        null,
        bytes: bytes.to_vec(),
    };
    let wanted = [
        record(0, true, b"7"),
        record(1, false, b""),
        record(2, false, &huge),
        record(3, false, b"with headers"),
        record(4, true, b""),
    ];
    assert!(
        reading.records[&0] == wanted,
        "{:?}",
        reading.records[&0]
            .iter()
            .map(|read| (read.offset, read.null, read.bytes.len()))
            .collect::<Vec<_>>()
    );
    reading.stop();
}

#[test]
fn aborted_records_are_not_seen_and_the_marks_of_transactions_are_passed() {
    let Some(settings) = settings() else { return };
    create(&settings, 1);
    let name = settings.topic_name(Topic::Transactions.id());
    let mut config = settings.client(super::super::settings::Role::Producer).unwrap();
    let producer: BaseProducer = config.set("transactional.id", &settings.group).create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    for (number, commit) in [(0, true), (1, false), (2, true), (3, false)] {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::<[u8], str>::to(name).payload(&event(number).1)).unwrap();
        if commit {
            producer.commit_transaction(PATIENCE).unwrap()
        } else {
            producer.flush(PATIENCE).and_then(|()| producer.abort_transaction(PATIENCE)).unwrap()
        }
    }
    let mut reading =
        Reading::start(&settings, all(Topic::Transactions.id(), 1, Position::Earliest), 8);
    // Four records and four marks.
    while reading.next.get(&0) != Some(&8) || !reading.ended[&0] {
        reading.take();
    }
    assert_eq!(reading.numbers(), [0, 2]);
    reading.stop();

    for from in [3, 7, 8] {
        let mut again =
            Reading::start(&settings, all(Topic::Transactions.id(), 1, Position::Offset(from)), 8);
        while again.next.get(&0) != Some(&8) {
            again.take();
        }
        assert_eq!(again.numbers(), if from == 3 { vec![2] } else { vec![] });
        again.stop();
    }
}

#[test]
fn a_stuck_reader_holds_the_consumer_back_and_loses_nothing() {
    let Some(settings) = settings() else { return };
    create(&settings, 3);
    produce(&settings, Topic::Transactions.id(), 0..EVENTS);
    let mut reading =
        Reading::start(&settings, all(Topic::Transactions.id(), 3, Position::Earliest), 1);
    eventually("the channel is full", || reading.arrivals.is_full());
    // Statistics go on being served while the channel is full: they alone say that leaders are
    // connected.
    eventually("every leader is connected", || {
        reading.handle.status().iter().all(|status| status.reachable)
    });
    assert!(reading.handle.is_connected());
    assert!(reading.handle.status().iter().any(|status| status.lag() > Some(0)));
    reading.until_ended(3);
    assert_eq!(reading.numbers(), (0..EVENTS).collect::<Vec<_>>());
    eventually("all partitions are idle", || {
        reading.handle.status().iter().all(|status| status.idle_for(Instant::now()).is_some())
    });
    reading.stop();
}

#[test]
fn a_held_partition_waits_while_others_go_on() {
    let Some(settings) = settings() else { return };
    create(&settings, 3);
    produce(&settings, Topic::Transactions.id(), 0..EVENTS);
    let (held, others) = all(Topic::Transactions.id(), 3, Position::Earliest)
        .into_iter()
        .partition(|assigned| assigned.partition == 1);
    let mut reading = Reading::start(&settings, others, 8);
    // Before it is read: what is on its way when it is held would still come.
    reading.handle.hold(Topic::Transactions.id(), 1);
    reading.handle.add(held);
    reading.until_ended(2);
    assert!(!reading.records.contains_key(&1) && reading.records.len() == 2);
    reading.handle.release(Topic::Transactions.id(), 1);
    while reading.records.get(&1).is_none_or(|records| records.len() < 1_000) {
        reading.take();
    }
    reading.handle.hold(Topic::Transactions.id(), 1);
    reading.handle.release(Topic::Transactions.id(), 1);
    reading.until_ended(3);
    assert_eq!(reading.numbers(), (0..EVENTS).collect::<Vec<_>>());
    reading.stop();
}

#[test]
fn partitions_can_be_added_and_progress_be_shown() {
    let Some(settings) = settings() else { return };
    create(&settings, 2);
    produce(&settings, Topic::Transactions.id(), 0..1_000);
    produce(&settings, Topic::Rewards.id(), 1_000..2_000);
    let mut reading =
        Reading::start(&settings, all(Topic::Transactions.id(), 2, Position::Earliest), 8);
    reading.until_ended(2);
    reading.ended.clear();
    reading.next.clear();
    reading.handle.add(all(Topic::Rewards.id(), 2, Position::Earliest));
    // What is read already is not begun anew.
    reading.handle.add(all(Topic::Transactions.id(), 2, Position::Earliest));
    reading.until_ended(2);
    assert_eq!(reading.numbers(), (0..2_000).collect::<Vec<_>>());
    assert_eq!(reading.handle.status().len(), 4);

    reading.handle.show_progress(vec![(Topic::Transactions.id(), 1, 321)]);
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("group.id", &settings.group);
    let consumer: rdkafka::consumer::BaseConsumer = config.create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition(settings.topic_name(Topic::Transactions.id()), 1);
    use rdkafka::consumer::Consumer;
    let committed =
        || consumer.committed_offsets(list.clone(), PATIENCE).unwrap().elements()[0].offset();
    eventually("the progress is committed to the group", || {
        committed() == rdkafka::Offset::Offset(321)
    });
    reading.stop();
}

#[test]
fn an_event_is_handed_over_at_once_when_little_comes() {
    let Some(settings) = settings() else { return };
    create(&settings, 1);
    let (sender, arrivals) = bounded(8);
    let (wakes, woken) = bounded(8);
    let wake = move || wakes.send(Instant::now()).unwrap_or(());
    let handle =
        consumer::spawn(&settings, all(Topic::Requests.id(), 1, Position::Earliest), sender, wake)
            .unwrap();
    assert!(matches!(arrivals.recv_timeout(PATIENCE).unwrap(), Arrival::CaughtUp { next: 0, .. }));
    woken.recv_timeout(PATIENCE).unwrap();
    let producer: BaseProducer = settings
        .client(super::super::settings::Role::Producer)
        .unwrap()
        .set("linger.ms", "0")
        .create()
        .unwrap();
    let deliver = |number| {
        let (_, value) = event(number);
        let sent = Instant::now();
        producer
            .send(
                BaseRecord::<[u8], str>::to(settings.topic_name(Topic::Requests.id()))
                    .payload(&value),
            )
            .unwrap();
        producer.flush(PATIENCE).unwrap();
        let Arrival::Records(block) = arrivals.recv_timeout(PATIENCE).unwrap() else {
            panic!("an end before the record")
        };
        assert_eq!((block.heads.len(), block.end()), (1, Some(number + 1)));
        let delay = woken.recv_timeout(PATIENCE).unwrap() - sent;
        assert!(matches!(arrivals.recv_timeout(PATIENCE).unwrap(), Arrival::CaughtUp { .. }));
        woken.recv_timeout(PATIENCE).unwrap();
        delay
    };
    // The producer's first record waits until it is connected.
    deliver(0);
    let mut delays: Vec<Duration> = (1..=50).map(deliver).collect();
    delays.sort_unstable();
    eprintln!(
        "from the producer's call to the arrival: median {:?}, longest {:?}",
        delays[25], delays[49]
    );
    // Blocks wait 2 ms at most, and the fetch answers at once: far below the 500 ms that the broker
    // may hold an empty answer.
    assert!(delays[25] < Duration::from_millis(100), "{:?}", delays[25]);
    assert!(handle.stop(PATIENCE));
}

//! Tests against a real broker, and against librdkafka's mock where faults are needed.

mod admin;
mod consume;
mod faults;
mod measure;
mod outage;
mod publish;

use super::consumer::{self, Arrival, Assigned, ConsumerHandle, Position};
use super::producer::Producer;
use super::settings::KafkaSettings;
use crate::source::TopicNames;
use crossbeam_channel::{Receiver, bounded, never};
use dataflows::event::{Millis, Topic};
use dataflows::source::{Block, Messages, TopicId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Timestamp of a first record, 2024-03-01.
const MARCH: Millis = 1_709_251_200_000;

/// Settings for the broker of the environment, with topics that no other test has; `None`, where
/// there is no broker and the test is skipped.
pub(crate) fn settings() -> Option<KafkaSettings> {
    match std::env::var("SLUICE_KAFKA_BROKERS") {
        Ok(brokers) => Some(own_topics(&brokers)),
        Err(_) if std::env::var("SLUICE_REQUIRE_SERVICES").is_ok_and(|value| value == "1") => {
            panic!(
                "SLUICE_KAFKA_BROKERS is not set, and SLUICE_REQUIRE_SERVICES=1 asks for a broker"
            )
        }
        Err(_) => {
            eprintln!(
                "skipped: SLUICE_KAFKA_BROKERS is not set; scripts/services up starts a broker and \
                 prints it"
            );
            None
        }
    }
}

fn own_topics(brokers: &str) -> KafkaSettings {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let prefix =
        format!("test-{now}-{}-{}", std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
    let mut settings = KafkaSettings::new(brokers, TopicNames::own(Topic::ids()));
    settings.topics =
        TopicNames::of(Topic::ids().map(|topic| (topic, format!("{prefix}-{}", topic.name()))));
    settings.dead_letters = format!("{prefix}-dead-letters");
    settings.predictions = Some(format!("{prefix}-predictions"));
    settings.group = prefix;
    settings
}

/// The topic of predictions.
fn predictions(settings: &KafkaSettings) -> &str {
    settings.predictions.as_deref().expect("these have one")
}

/// Makes the topics, for records as large as can be.
fn create(settings: &KafkaSettings, partitions: u32) {
    let created = super::admin::create(
        settings,
        partitions,
        1,
        &[("retention.ms", "-1"), ("max.message.bytes", "13000000")],
    )
    .unwrap();
    assert!(created.iter().all(|(_, creation)| *creation == super::admin::Creation::Created));
}

/// Waits until something holds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        let _ = never::<()>().recv_timeout(Duration::from_millis(5));
    }
}

/// The event of this number; its customer has the same number, modulo a thousand.
fn event(number: u64) -> (i64, String) {
    let customer = (number % 1_000) as i64;
    (
        customer,
        format!(r#"{{"customer_id": {customer}, "transaction_id": {number}, "amount": 12.34}}"#),
    )
}

/// The number of an event.
fn number(value: &[u8]) -> u64 {
    let text = std::str::from_utf8(value).unwrap();
    let start = text.find("transaction_id\": ").unwrap() + "transaction_id\": ".len();
    text[start..].split(',').next().unwrap().parse().unwrap()
}

/// Writes events, each dated one millisecond after the one before.
fn produce(settings: &KafkaSettings, topic: TopicId, numbers: std::ops::Range<u64>) {
    let mut producer = Producer::new(settings).unwrap();
    let count = numbers.end - numbers.start;
    for number in numbers {
        let (customer, value) = event(number);
        producer
            .send(
                settings.topic_name(topic),
                customer,
                Some(value.as_bytes()),
                MARCH + number as i64,
            )
            .unwrap();
    }
    let produced = producer.finish(PATIENCE).unwrap();
    assert_eq!((produced.delivered, produced.failed), (count, 0));
}

/// Partitions 0 to `partitions` of a topic, each from there.
fn all(topic: TopicId, partitions: u32, from: Position) -> Vec<Assigned> {
    (0..partitions).map(|partition| Assigned { topic, partition, from }).collect()
}

/// A record, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    offset: u64,
    timestamp: Millis,
    null: bool,
    bytes: Vec<u8>,
}

/// A consumer, and all that it has handed over.
struct Reading {
    handle: ConsumerHandle,
    arrivals: Receiver<Arrival>,
    records: BTreeMap<u32, Vec<Read>>,
    next: BTreeMap<u32, u64>,
    /// Partitions that were at their end when they were last heard of.
    ended: BTreeMap<u32, bool>,
}

impl Reading {
    fn start(settings: &KafkaSettings, assignment: Vec<Assigned>, room: usize) -> Self {
        let (sender, arrivals) = bounded(room);
        let handle = consumer::spawn(settings, assignment, sender, || {}).unwrap();
        Reading {
            handle,
            arrivals,
            records: BTreeMap::new(),
            next: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Takes one arrival.
    fn take(&mut self) {
        match self.arrivals.recv_timeout(PATIENCE).unwrap() {
            Arrival::Records(block) => {
                let records = unpack(&block);
                let next = block.end().expect("at least one record");
                assert!(
                    records[0].offset >= self.next.get(&block.partition).copied().unwrap_or(0),
                    "an offset came twice"
                );
                self.records.entry(block.partition).or_default().extend(records);
                self.next.insert(block.partition, next);
                self.ended.insert(block.partition, false);
            }
            Arrival::CaughtUp { partition, next, .. } => {
                assert!(next >= self.next.get(&partition).copied().unwrap_or(0));
                self.next.insert(partition, next);
                self.ended.insert(partition, true);
            }
            Arrival::Failed(error) => panic!("{error}"),
        }
    }

    /// Takes arrivals until this many records are there.
    fn until_count(&mut self, count: usize) {
        while self.count() < count {
            self.take();
        }
        assert_eq!(self.count(), count);
    }

    /// Takes arrivals until this many partitions are at their ends.
    fn until_ended(&mut self, partitions: usize) {
        while self.ended.values().filter(|ended| **ended).count() < partitions {
            self.take();
        }
    }

    fn count(&self) -> usize {
        self.records.values().map(Vec::len).sum()
    }

    /// The numbers of all events, sorted.
    fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> =
            self.records.values().flatten().map(|record| number(&record.bytes)).collect();
        numbers.sort_unstable();
        numbers
    }

    fn stop(self) {
        assert!(self.handle.stop(PATIENCE), "the consumer's thread did not end");
    }
}

/// The records of a block; checks that it is made as a block has to be.
fn unpack(block: &Messages) -> Vec<Read> {
    assert!(
        !block.heads.is_empty()
            && block.heads.is_sorted_by(|one, next| one.position < next.position)
    );
    let end = block
        .heads
        .last()
        .map(|head| (head.start + head.length + 1 + u32::from(head.key)) as usize);
    assert_eq!(end.map(|end| end + Block::PADDING), Some(block.bytes.len()));
    let read = |head: &dataflows::source::Head| {
        let bytes = &block.bytes[head.start as usize..][..head.length as usize];
        assert_eq!(block.bytes[(head.start + head.length) as usize], b'\n');
        Read {
            offset: head.position,
            timestamp: head.timestamp,
            null: head.null,
            bytes: bytes.to_vec(),
        }
    };
    block.heads.iter().map(read).collect()
}

/// The error that ends a reading.
fn failure(settings: &KafkaSettings, assignment: Vec<Assigned>) -> super::KafkaError {
    let (sender, arrivals) = bounded(1_000);
    let handle = consumer::spawn(settings, assignment, sender, || {}).unwrap();
    loop {
        if let Arrival::Failed(error) = arrivals.recv_timeout(PATIENCE).unwrap() {
            assert!(handle.stop(PATIENCE), "the consumer's thread did not end");
            return error;
        }
    }
}

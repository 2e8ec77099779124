//! What a message costs, in time of the processor: `cargo test --release kafka::tests::measure --
//! --ignored --nocapture --test-threads 1`.
//!
//! Linux only. Of one topic in three partitions, with 173 bytes a message.

use super::super::settings::Role;
use super::*;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::{Offset, TopicPartitionList};

const MESSAGES: u64 = 2_000_000;

/// Seconds of the processor that this process has used.
fn processor_seconds() -> f64 {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = status[status.rfind(')').unwrap() + 2..].split(' ').collect();
    // User and system time, in hundredths of a second.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// Prints what something cost.
fn measured<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (started, before) = (Instant::now(), processor_seconds());
    let result = run();
    let (seconds, used) = (started.elapsed().as_secs_f64(), processor_seconds() - before);
    println!(
        "{what}: {:.0} messages/s, {:.3} us of the processor a message",
        MESSAGES as f64 / seconds,
        used * 1e6 / MESSAGES as f64
    );
    result
}

fn fill(settings: &KafkaSettings, compression: &str) {
    let mut settings = settings.clone();
    settings.properties.insert("compression.type".to_string(), compression.to_string());
    let name = settings.topic_name(Topic::Transactions.id()).to_string();
    let mut state = 1_u64;
    measured(&format!("produce, {compression}"), || {
        let mut producer = Producer::new(&settings).unwrap();
        for number in 0..MESSAGES {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (customer, cents) = ((state >> 40) as i64 % 100_000, state >> 50);
            let value = format!(
                "{{\"transaction_id\": \"t-{number:09}\", \"customer_id\": {customer:06}, \
                \"timestamp\": {}, \"amount\": {:08.2}, \"category\": \"Electronics\", \
                \"device\": \"Mobile\", \"payment_method\": \"E-wallet\", \"discount\": 1}}",
                MARCH + number as i64,
                cents as f64 / 100.0
            );
            producer.send(&name, customer, Some(value.as_bytes()), MARCH + number as i64).unwrap();
        }
        producer.finish(PATIENCE).unwrap()
    });
}

/// Message by message, copied into blocks likewise.
fn by_poll(settings: &KafkaSettings) -> usize {
    let consumer: BaseConsumer = settings.client(Role::Consumer).unwrap().create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..3 {
        list.add_partition_offset(
            settings.topic_name(Topic::Transactions.id()),
            partition,
            Offset::Beginning,
        )
        .unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut ends, mut count) = (0, 0);
    let mut blocks = vec![Vec::new(); 3];
    while ends < 3 {
        match consumer.poll(PATIENCE) {
            Some(Ok(message)) => {
                let block = &mut blocks[message.partition() as usize];
                block.extend_from_slice(message.payload().unwrap());
                block.push(b'\n');
                if block.len() >= 256 * 1024 {
                    *block = Vec::new();
                }
                count += 1;
            }
            Some(Err(ClientError::PartitionEOF(_))) => ends += 1,
            other => panic!("{:?}", other.map(|result| result.map(|_| ()))),
        }
    }
    count
}

fn by_batch(settings: &KafkaSettings) -> usize {
    let (sender, arrivals) = bounded(16);
    let handle = consumer::spawn(
        settings,
        all(Topic::Transactions.id(), 3, Position::Earliest),
        sender,
        || {},
    )
    .unwrap();
    let (mut ends, mut count, mut blocks) = (0, 0, 0);
    while ends < 3 {
        match arrivals.recv_timeout(PATIENCE).unwrap() {
            Arrival::Records(block) => {
                count += block.heads.len();
                blocks += 1;
            }
            Arrival::CaughtUp { .. } => ends += 1,
            Arrival::Failed(error) => panic!("{error}"),
        }
    }
    assert!(handle.stop(PATIENCE));
    println!("  {blocks} blocks of {} records", count / blocks);
    count
}

#[test]
#[ignore = "a measurement"]
fn microseconds_a_message() {
    let Some(zstd) = settings() else { return };
    create(&zstd, 3);
    fill(&zstd, "zstd");
    let lz4 = own_topics(&zstd.brokers);
    create(&lz4, 3);
    fill(&lz4, "lz4");
    for (name, settings) in [("zstd", &zstd), ("lz4", &lz4)] {
        for _ in 0..2 {
            assert_eq!(
                measured(&format!("consume by poll, {name}"), || by_poll(settings)),
                MESSAGES as usize
            );
            assert_eq!(
                measured(&format!("consume by batch, {name}"), || by_batch(settings)),
                MESSAGES as usize
            );
        }
        for (property, value) in [
            ("max.partition.fetch.bytes", "1048576"),
            ("max.partition.fetch.bytes", "524288"),
            ("max.partition.fetch.bytes", "131072"),
            ("check.crcs", "true"),
        ] {
            let mut other = settings.clone();
            other.properties.insert(property.to_string(), value.to_string());
            assert_eq!(
                measured(&format!("consume by batch, {name}, {property}={value}"), || by_batch(
                    &other
                )),
                MESSAGES as usize
            );
        }
    }
}

/// Bytes of memory that this process holds.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
#[ignore = "a measurement"]
fn megabytes_behind_a_stuck_reader() {
    let Some(settings) = settings() else { return };
    create(&settings, 3);
    fill(&settings, "lz4");
    let before = resident_bytes();
    let reading =
        Reading::start(&settings, all(Topic::Transactions.id(), 3, Position::Earliest), 4);
    eventually("the channel is full", || reading.arrivals.is_full());
    // By the third report of statistics the client has fetched what it will.
    let mut most = 0;
    for _ in 0..3 {
        let began = Instant::now();
        eventually("a second has passed", || began.elapsed() > Duration::from_secs(1));
        most = most.max(resident_bytes());
    }
    println!("{} MiB more behind a stuck reader", most.saturating_sub(before) >> 20);
    reading.stop();
}

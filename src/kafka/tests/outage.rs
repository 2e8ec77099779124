//! A broker that is away is waited for, and nothing is lost or read twice.

use super::super::publisher::{Publication, PublishOutcome, Publisher};
use super::*;
use crate::sink::destination::Destination;
use std::process::Command;

/// A broker of a test's own, which it may stop.
struct Broker {
    folder: tempfile::TempDir,
}

impl Broker {
    /// Starts it; returns its address too.
    fn start() -> (Self, String) {
        let broker = Broker { folder: tempfile::tempdir().unwrap() };
        let address = broker.services(&["start", "kafka"]);
        let address = address.trim().strip_prefix("SLUICE_KAFKA_BROKERS=").unwrap().to_string();
        (broker, address)
    }

    fn services(&self, arguments: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");
        let output = Command::new(script)
            .args(arguments)
            .arg("--data")
            .arg(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.services(&["down", "--wipe"]);
    }
}

fn decision(number: u64) -> Publication {
    let (customer, value) = event(number);
    Publication {
        destination: Destination::Predictions,
        key: customer.to_string().into(),
        value: Some(value.into()),
        timestamp: MARCH,
    }
}

#[test]
fn a_broker_that_comes_late_and_goes_in_the_middle_costs_nothing_but_time() {
    if settings().is_none() {
        return;
    }
    let (broker, address) = Broker::start();
    let settings = own_topics(&address);
    create(&settings, 3);
    produce(&settings, Topic::Transactions.id(), 0..20_000);

    broker.services(&["stop", "kafka"]);
    let mut reading =
        Reading::start(&settings, all(Topic::Transactions.id(), 3, Position::Earliest), 2);
    eventually("the consumer knows why it cannot connect", || {
        reading.handle.trouble().is_some_and(|why| why.contains("efused"))
    });
    assert!(!reading.handle.is_connected() && reading.arrivals.is_empty());

    broker.services(&["start", "kafka"]);
    while reading.count() < 5_000 {
        reading.take();
    }
    eventually("the consumer knows that it is connected", || reading.handle.is_connected());

    broker.services(&["stop", "kafka", "--kill"]);
    eventually("the consumer has noticed", || {
        !reading.handle.is_connected()
            && reading.handle.status().iter().all(|status| !status.reachable)
    });
    let mut publisher = Publisher::new(&settings).unwrap();
    let decisions: Vec<Publication> = (0..100).map(decision).collect();
    let began = Instant::now();
    assert_eq!(
        publisher.publish(&decisions, |_| began.elapsed() < Duration::from_millis(200)).unwrap(),
        PublishOutcome::Stopped
    );

    broker.services(&["start", "kafka"]);
    produce(&settings, Topic::Transactions.id(), 20_000..40_000);
    reading.until_count(40_000);
    assert_eq!(reading.numbers(), (0..40_000).collect::<Vec<_>>());
    eventually("the consumer is connected again", || reading.handle.is_connected());
    reading.stop();

    assert_eq!(publisher.publish(&decisions, |_| true).unwrap(), PublishOutcome::All(Vec::new()));
    let mut back = settings.clone();
    back.topics = back.topics.with(Topic::Requests.id(), predictions(&settings));
    let mut published = Reading::start(&back, all(Topic::Requests.id(), 3, Position::Earliest), 8);
    published.until_ended(3);
    assert_eq!(published.numbers(), (0..100).collect::<Vec<_>>());
    published.stop();
}

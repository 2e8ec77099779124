//! The thread against an outbox in memory and librdkafka's own broker: what is owed arrives in
//! order, and the mark never passes over what does not.

use super::*;
use crate::campaign::results::EpochResults;
use crate::campaign::rows::CampaignWording;
use crate::first::{First, Panicked};
use crate::journal::JournalError;
use crate::sink::SinkError;
use crate::sink::outbox::{Backlog, Owed};
use crate::status::report;
use dataflows::campaign::output::{Decision, Erasure};
use dataflows::event::{CustomerId, Topic};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const PATIENCE: Duration = Duration::from_secs(30);

const PREDICTIONS: &str = "campaign-predictions";

/// What an outbox has in memory.
#[derive(Debug, Default)]
struct Held {
    epochs: Vec<Owed>,
    mark: u64,
    reads: usize,
    fenced: bool,
    away: bool,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Held>>);

impl Memory {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    fn ask(&self) -> Result<MutexGuard<'_, Held>, SinkError> {
        let held = self.held();
        let path = "journal".into();
        match () {
            () if held.fenced => Err(JournalError::Changed { path }.into()),
            () if held.away => {
                Err(JournalError::Damaged { path, at: 0, why: "it is away".to_string() }.into())
            }
            () => Ok(held),
        }
    }
}

impl Outbox for Memory {
    fn confirm(&mut self, _: u64) -> Result<(), SinkError> {
        self.ask().map(|_| ())
    }

    fn owed(&mut self, after: u64, through: u64) -> Result<Stretch, SinkError> {
        let mut held = self.ask()?;
        held.reads += 1;
        let epochs: Vec<Owed> = held
            .epochs
            .iter()
            .filter(|owed| owed.epoch > after && owed.epoch <= through && owed.records() > 0)
            .take(2)
            .cloned()
            .collect();
        let through = if epochs.len() == 2 { epochs[1].epoch } else { through };
        Ok(Stretch { epochs, through })
    }

    fn backlog(&mut self, after: u64, through: u64) -> Result<Backlog, SinkError> {
        let held = self.ask()?;
        let records = held
            .epochs
            .iter()
            .filter(|owed| owed.epoch > after && owed.epoch <= through)
            .map(|owed| owed.records() as u64)
            .sum();
        Ok(Backlog { records, oldest: Some(Duration::from_secs(500)) })
    }

    fn advance(&mut self, from: u64, to: u64) -> Result<u64, SinkError> {
        let mut held = self.ask()?;
        if held.mark == from {
            held.mark = to;
        }
        Ok(held.mark)
    }
}

struct Scene {
    cluster: MockCluster<'static, DefaultProducerContext>,
    kafka: KafkaSettings,
    memory: Memory,
    status: Arc<Status>,
}

impl Scene {
    /// A broker with both topics, each of one partition.
    fn new() -> Scene {
        let cluster = MockCluster::new(1).unwrap();
        let topics = TopicNames::own(Topic::ids());
        let kafka = KafkaSettings {
            predictions: Some(PREDICTIONS.to_string()),
            ..KafkaSettings::new(&cluster.bootstrap_servers(), topics)
        };
        for topic in kafka.written() {
            cluster.create_topic(topic, 1, 1).unwrap();
        }
        Scene {
            cluster,
            kafka,
            memory: Memory::default(),
            status: Arc::new(Status::new("campaign", &[], Box::new(()))),
        }
    }

    fn start(&self, committed: u64) -> Publishing {
        let published = self.memory.held().mark;
        let progress = Progress { epoch: committed, incarnation: 1, published };
        let (publisher, failure) =
            (Publisher::new(&self.kafka).unwrap(), First::<Panicked>::default().teller());
        Publishing::start(
            &self.kafka,
            publisher,
            Arc::new(CampaignWording::default()),
            Box::new(self.memory.clone()),
            progress,
            Arc::clone(&self.status),
            failure,
        )
        .unwrap()
    }

    /// Commits an epoch: into the outbox, and on its way.
    fn commit(&self, publishing: &Publishing, mut results: EpochResults) {
        let owed = results.clone().take_owed(&self.kafka.topics);
        let erased = results.erased();
        let mut held = self.memory.held();
        held.epochs.iter_mut().for_each(|owed| {
            owed.erase(&erased);
        });
        held.epochs.push(owed);
        drop(held);
        publishing.committed(&mut results);
    }

    /// Has the broker refuse whatever is written, or take it again.
    fn refuses(&self, refuses: bool) {
        self.cluster.clear_request_errors(RDKafkaApiKey::Produce);
        if refuses {
            let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 1_000];
            self.cluster.request_errors(RDKafkaApiKey::Produce, &errors);
        }
    }

    fn await_mark(&self, wanted: u64) {
        eventually("the mark is there", || self.memory.held().mark == wanted);
    }

    fn shown(&self) -> report::PublishingBacklog {
        self.status.report().publishing
    }

    /// The ids of the decisions that the topic has, in order, and the customers of tombstones.
    fn published(&self) -> Vec<String> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.kafka.brokers)
            .set("group.id", "reads")
            .set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(PREDICTIONS, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut ids = Vec::new();
        while let Some(Ok(message)) = consumer.poll(PATIENCE) {
            let Some(value) = message.payload() else {
                ids.push(format!("buried {}", String::from_utf8_lossy(message.key().unwrap())));
                continue;
            };
            let value: serde_json::Value = serde_json::from_slice(value).unwrap();
            assert_eq!(message.key().unwrap(), value["customer_id"].to_string().as_bytes());
            ids.push(value["decision_id"].as_str().unwrap().to_string());
        }
        ids
    }
}

/// What is shown where everything up to an epoch is published.
fn nothing_owed(published: u64) -> report::PublishingBacklog {
    let unpublishable_predictions = Some(0);
    report::PublishingBacklog { published, unpublishable_predictions, ..Default::default() }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn decision(customer: CustomerId, epoch: u64) -> Decision {
    Decision {
        customer,
        key: epoch,
        decision: format!("{epoch}-{customer}"),
        timestamp: epoch as i64,
        ..Decision::default()
    }
}

/// An epoch that decides for customers.
fn epoch(epoch: u64, customers: &[CustomerId]) -> EpochResults {
    let mut results = EpochResults::new(epoch);
    results.decisions = customers.iter().map(|customer| decision(*customer, epoch)).collect();
    results
}

/// An epoch that erases a customer.
fn erasing(number: u64, customer: CustomerId, until: i64) -> EpochResults {
    let erasure = Erasure { customer, until, decisions: 1, ..Erasure::default() };
    EpochResults { erasures: vec![erasure], ..epoch(number, &[]) }
}

fn distinct(ids: &[String]) -> Vec<&str> {
    let mut seen = Vec::new();
    ids.iter().for_each(|id| {
        if !seen.contains(&id.as_str()) {
            seen.push(id)
        }
    });
    seen
}

#[test]
fn epochs_are_published_without_a_read_and_the_mark_follows_over_those_that_have_nothing() {
    let scene = Scene::new();
    let publishing = scene.start(0);
    scene.commit(&publishing, epoch(1, &[2, 1]));
    scene.commit(&publishing, epoch(2, &[]));
    scene.commit(&publishing, epoch(3, &[1]));
    scene.commit(&publishing, epoch(4, &[]));
    scene.await_mark(4);
    assert_eq!(scene.published(), ["1-1", "1-2", "3-1"]);
    assert_eq!((scene.memory.held().reads, scene.shown()), (0, nothing_owed(4)));
    publishing.close(PATIENCE);
    publishing.join(PATIENCE);
}

#[test]
fn what_fails_is_owed_and_said_while_commits_go_on_and_arrives_in_order() {
    let scene = Scene::new();
    let publishing = scene.start(0);
    scene.commit(&publishing, epoch(1, &[1]));
    scene.await_mark(1);
    scene.refuses(true);
    for number in 2..=9 {
        scene.commit(&publishing, epoch(number, if number % 3 == 0 { &[] } else { &[1, 2] }));
    }
    eventually("it is said", || {
        scene
            .shown()
            .trouble
            .is_some_and(|why| why.contains(PREDICTIONS) && why.contains(&scene.kafka.brokers))
    });
    let shown = scene.shown();
    assert_eq!(
        (shown.published, shown.epochs, shown.records, scene.memory.held().mark),
        (1, 8, 10, 1)
    );
    assert!(shown.oldest_seconds > 0.0);
    scene.refuses(false);
    scene.await_mark(9);
    let wanted = ["1-1", "2-1", "2-2", "4-1", "4-2", "5-1", "5-2", "7-1", "7-2", "8-1", "8-2"];
    assert_eq!(distinct(&scene.published()), wanted);
    eventually("nothing is owed", || scene.shown() == nothing_owed(9));
}

#[test]
fn a_start_goes_on_with_what_is_owed_and_an_end_leaves_it() {
    let scene = Scene::new();
    scene.refuses(true);
    let publishing = scene.start(0);
    (1..=5).for_each(|number| scene.commit(&publishing, epoch(number, &[1])));
    eventually("it is said", || scene.shown().trouble.is_some());
    publishing.close(PATIENCE);
    publishing.join(PATIENCE);
    assert_eq!(scene.memory.held().mark, 0);
    scene.refuses(false);
    scene.memory.held().away = true;
    let publishing = scene.start(5);
    scene.commit(&publishing, epoch(6, &[1]));
    eventually("what is owed cannot be read", || {
        scene.shown().trouble.is_some_and(|why| why.contains("it is away"))
    });
    scene.memory.held().away = false;
    scene.await_mark(6);
    assert_eq!(distinct(&scene.published()), ["1-1", "2-1", "3-1", "4-1", "5-1", "6-1"]);
    assert_eq!(scene.memory.held().reads, 3, "two epochs at a time, and the last one waited");
}

#[test]
fn nothing_is_published_for_a_customer_that_is_erased_before_it_could_be() {
    let scene = Scene::new();
    let publishing = scene.start(0);
    scene.refuses(true);
    scene.commit(&publishing, epoch(1, &[1, 2]));
    eventually("epoch 1 is in hand", || scene.shown().trouble.is_some());
    scene.commit(&publishing, epoch(2, &[1, 2]));
    scene.commit(&publishing, erasing(3, 1, 2));
    scene.commit(&publishing, epoch(4, &[1]));
    assert!(scene.memory.held().mark == 0);
    scene.refuses(false);
    scene.await_mark(4);
    assert_eq!(distinct(&scene.published()), ["1-2", "2-2", "buried 1", "4-1"]);
    eventually("nothing is owed", || scene.shown().records == 0);
}

#[test]
fn a_job_that_was_taken_over_publishes_nothing_more() {
    let scene = Scene::new();
    let publishing = scene.start(0);
    scene.refuses(true);
    scene.commit(&publishing, epoch(1, &[1]));
    eventually("epoch 1 is in hand", || scene.shown().trouble.is_some());
    scene.memory.held().fenced = true;
    eventually("the thread has ended", || {
        publishing.ended.recv_timeout(Duration::ZERO)
            == Err(crossbeam_channel::RecvTimeoutError::Disconnected)
    });
    scene.refuses(false);
    assert!(scene.published().is_empty() && scene.memory.held().mark == 0);
}

#[test]
fn a_mark_that_somebody_has_set_back_has_it_published_again() {
    let scene = Scene::new();
    let publishing = scene.start(0);
    scene.commit(&publishing, epoch(1, &[1]));
    scene.commit(&publishing, epoch(2, &[1]));
    scene.await_mark(2);
    scene.memory.held().mark = 1;
    scene.commit(&publishing, epoch(3, &[1]));
    scene.await_mark(3);
    assert_eq!(scene.published().last().unwrap(), "3-1");
    assert_eq!(scene.published().iter().filter(|id| *id == "2-1").count(), 2);
}

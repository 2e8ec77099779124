//! Topics and partitions: made, counted and checked before a job starts.

mod positions;

#[cfg(test)]
pub use positions::find;

pub use positions::{Isolation, dated_since, find_as, positions};
use rdkafka::consumer::Consumer;

use super::connection::{Connection, Tracked, code_of};
use super::error::{KafkaError, passes};
use super::settings::{KafkaSettings, Role};
use dataflows::event::Place;
use dataflows::source::TopicId;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the broker may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// How often it is asked for topics that it has just made.
const LOOK: Duration = Duration::from_millis(50);

/// What became of a topic that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is new.
    Created,
    /// It was there, and stays as it is.
    Exists,
}

/// Creates every topic that the job reads or writes, kept for ever, never compacted, and open to
/// records of any length that is taken; says what became of each, by name.
///
/// # Errors
/// The broker cannot be reached, or refuses to create a topic.
pub fn create_topics(
    settings: &KafkaSettings,
    partitions: u32,
    replication: u32,
) -> Result<Vec<(String, Creation)>, KafkaError> {
    let longest = settings.max_message().to_string();
    create(
        settings,
        partitions,
        replication,
        &[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("max.message.bytes", &longest)],
    )
}

/// Creates every topic, with these properties.
pub(super) fn create(
    settings: &KafkaSettings,
    partitions: u32,
    replication: u32,
    properties: &[(&str, &str)],
) -> Result<Vec<(String, Creation)>, KafkaError> {
    let (admin, connection) = admin(settings)?;
    let (partitions, replication) = (
        i32::try_from(partitions).unwrap_or(i32::MAX),
        i32::try_from(replication).unwrap_or(i32::MAX),
    );
    let topic = |name| {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        properties.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
    };
    let topics: Vec<NewTopic<'_>> = settings.all_names().map(topic).collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    let results = block_on(admin.create_topics(&topics, &options))?
        .map_err(|error| failure(&connection, "create topics", &error))?;
    let created: Vec<(String, Creation)> = results
        .into_iter()
        .map(|result| match result {
            Ok(name) => Ok((name, Creation::Created)),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => Ok((name, Creation::Exists)),
            Err((name, code)) => {
                let (brokers, doing) = (
                    settings.brokers.clone(),
                    format!(
                        "create topic `{name}` with {partitions} partitions, {replication} times"
                    ),
                );
                Err(KafkaError::Refused { brokers, doing, why: code.to_string() })
            }
        })
        .collect::<Result<_, _>>()?;
    await_topics(settings)?;
    Ok(created)
}

/// Waits until the broker knows of every topic: it says that one is made a moment before, and a job
/// that is started then would miss it.
fn await_topics(settings: &KafkaSettings) -> Result<(), KafkaError> {
    let started = Instant::now();
    loop {
        let there = all_partitions(settings)?;
        let topics: Vec<String> = settings
            .all_names()
            .filter(|name| !there.contains_key(*name))
            .map(str::to_string)
            .collect();
        if topics.is_empty() {
            return Ok(());
        }
        if started.elapsed() >= ANSWER {
            return Err(KafkaError::MissingTopics { brokers: settings.brokers.clone(), topics });
        }
        std::thread::sleep(LOOK);
    }
}

/// Deletes every topic that the job reads or writes, with all that is in them: for topics that were
/// made to measure something.
///
/// # Errors
/// The broker cannot be reached, or refuses.
#[cfg(any(test, feature = "demo"))]
pub fn delete_topics(settings: &KafkaSettings) -> Result<(), KafkaError> {
    let (admin, connection) = admin(settings)?;
    let names: Vec<&str> = settings.all_names().collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    let results = block_on(admin.delete_topics(&names, &options))?
        .map_err(|error| failure(&connection, "delete topics", &error))?;
    match results.into_iter().find_map(Result::err) {
        None | Some((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => Ok(()),
        Some((name, code)) => Err(KafkaError::Refused {
            brokers: settings.brokers.clone(),
            doing: format!("delete topic `{name}`"),
            why: code.to_string(),
        }),
    }
}

/// The partitions of each topic that is read.
///
/// # Errors
/// The broker cannot be reached, or topics are missing; all of them are named.
pub fn partitions(settings: &KafkaSettings) -> Result<BTreeMap<TopicId, Vec<u32>>, KafkaError> {
    let mut there = all_partitions(settings)?;
    let (mut found, mut topics) = (BTreeMap::new(), Vec::new());
    for topic in settings.topics.topics() {
        match there.remove(settings.topic_name(topic)) {
            Some(partitions) => drop(found.insert(topic, partitions)),
            None => topics.push(settings.topic_name(topic).to_string()),
        }
    }
    if !topics.is_empty() {
        return Err(KafkaError::MissingTopics { brokers: settings.brokers.clone(), topics });
    }
    for (topic, partitions) in &found {
        if let Some(partition) =
            partitions.iter().copied().find(|partition| *partition >= Place::PARTITIONS)
        {
            return Err(KafkaError::TooManyPartitions {
                topic: settings.topic_name(*topic).to_string(),
                partition,
            });
        }
    }
    Ok(found)
}

/// Every topic of the broker, with its partitions in order.
fn all_partitions(settings: &KafkaSettings) -> Result<BTreeMap<String, Vec<u32>>, KafkaError> {
    let (consumer, connection) = asking(settings)?;
    let started = Instant::now();
    loop {
        match consumer.fetch_metadata(
            None,
            ANSWER.saturating_sub(started.elapsed()).max(Duration::from_millis(1)),
        ) {
            Ok(metadata) => {
                let there =
                    metadata.topics().iter().filter(|topic| topic.error().is_none()).map(|topic| {
                        let mut partitions: Vec<u32> = topic
                            .partitions()
                            .iter()
                            .filter_map(|partition| u32::try_from(partition.id()).ok())
                            .collect();
                        partitions.sort_unstable();
                        (topic.name().to_string(), partitions)
                    });
                return Ok(there.collect());
            }
            // A first attempt to connect may fail where the next succeeds: a name with several
            // addresses, a broker that is starting.
            Err(error) if passes(code_of(&error)) && started.elapsed() < ANSWER => {
                drop(consumer.poll(Duration::from_millis(100)))
            }
            Err(error) => return Err(report(&consumer, &connection, "list its topics", &error)),
        }
    }
}

/// A consumer that only asks. It has a group's name, as every consumer, and never joins or commits
/// to it.
pub(super) fn asking(
    settings: &KafkaSettings,
) -> Result<(BaseConsumer<Tracked>, Arc<Connection>), KafkaError> {
    asking_as(settings, Isolation::Committed)
}

/// The broker's answer to where a partition ends depends on who asks.
fn asking_as(
    settings: &KafkaSettings,
    isolation: Isolation,
) -> Result<(BaseConsumer<Tracked>, Arc<Connection>), KafkaError> {
    let level = match isolation {
        Isolation::Committed => "read_committed",
        Isolation::Uncommitted => "read_uncommitted",
    };
    let connection = Arc::new(Connection::new(&settings.brokers, "admin"));
    let mut config = settings.client(Role::Admin)?;
    config
        .set("group.id", &settings.group)
        .set("isolation.level", level)
        .set("allow.auto.create.topics", "false");
    let consumer = config
        .create_with_context(Tracked(Arc::clone(&connection)))
        .map_err(|error| KafkaError::configuration(&error))?;
    Ok((consumer, connection))
}

pub(super) fn admin(
    settings: &KafkaSettings,
) -> Result<(AdminClient<Tracked>, Arc<Connection>), KafkaError> {
    let connection = Arc::new(Connection::new(&settings.brokers, "admin"));
    let created =
        settings.client(Role::Admin)?.create_with_context(Tracked(Arc::clone(&connection)));
    Ok((created.map_err(|error| KafkaError::configuration(&error))?, connection))
}

/// What a failed question means, after the client has had a moment to say why.
fn report(
    consumer: &BaseConsumer<Tracked>,
    connection: &Connection,
    doing: &'static str,
    error: &ClientError,
) -> KafkaError {
    let _ = consumer.poll(Duration::from_millis(10));
    failure(connection, doing, error)
}

/// What a failed question means.
pub(super) fn failure(
    connection: &Connection,
    doing: &'static str,
    error: &ClientError,
) -> KafkaError {
    let brokers = connection.brokers().to_string();
    match code_of(error) {
        code if passes(code) => {
            KafkaError::Unreachable { brokers, doing, waited: ANSWER, why: connection.reason() }
        }
        _ => KafkaError::Refused { brokers, doing: doing.to_string(), why: error.to_string() },
    }
}

/// Waits for an answer on this thread; the client has threads of its own that bring it.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, KafkaError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().map_err(KafkaError::Thread)?;
    Ok(runtime.block_on(future))
}

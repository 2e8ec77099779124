//! Writes what epochs have decided and what they have rejected, after their commit, and waits until
//! the broker has all of it.
//!
//! At least once, identical on repetition: what was interrupted is sent again from its first record
//! on, so some of the records may be there twice. Otherwise each is there once, and the order of a
//! partition's records is that in which they were given.

use super::connection::{self, Connection, code_of};
use super::error::KafkaError;
use super::producer::{config, refused};
use super::settings::KafkaSettings;
use crate::telemetry::stalls::{Cause, Seen};
use dataflows::event::Millis;
use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long acknowledgments are waited for at a time.
const WAIT: Duration = Duration::from_millis(20);

/// How long a topic that the broker does not know may be on its way to it.
const UNKNOWN_TOPIC: Duration = Duration::from_secs(2);

/// How long the broker may take to say which topics it has, when something was not taken.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes of a batch, at most, unless one record alone is longer: a topic that takes a record of so
/// many bytes takes every batch.
const BATCH: usize = 64 * 1024;

/// A record to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where to.
    pub destination: Destination,
    /// Its key; records of one key keep their order.
    pub key: Vec<u8>,
    /// Its value; `None` buries what its key had before.
    pub value: Option<Vec<u8>>,
    /// Its timestamp.
    pub timestamp: Millis,
}

/// Where a publication goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The topic of decisions.
    Predictions,
    /// The topic of records that could not be taken.
    DeadLetters,
}

impl Destination {
    /// Both.
    pub const ALL: [Destination; 2] = [Destination::Predictions, Destination::DeadLetters];

    /// What stands still while its topic takes nothing.
    pub fn cause(self) -> Cause {
        match self {
            Destination::Predictions => Cause::PredictionsTopic,
            Destination::DeadLetters => Cause::DeadLettersTopic,
        }
    }
}

/// How publishing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The broker has all records but these, which it would never take.
    All(Vec<Refused>),
    /// It was told to stop before that.
    Stopped,
}

/// A record that its topic never takes: it is too long, or not valid there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which of the records.
    pub index: usize,
    /// Why.
    pub code: RDKafkaErrorCode,
}

/// Publishes records, in their order.
pub struct Publisher {
    settings: KafkaSettings,
    client: Client,
}

/// A client, and what has become of what it was handed.
struct Client {
    producer: BaseProducer<Noting>,
    notes: Arc<Notes>,
}

impl Publisher {
    /// A publisher that connects when it has something to send.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        Ok(Publisher { settings: settings.clone(), client: Client::new(settings)? })
    }

    /// The topic of a destination.
    pub fn topic(&self, destination: Destination) -> &str {
        match destination {
            Destination::Predictions => &self.settings.predictions,
            Destination::DeadLetters => &self.settings.dead_letters,
        }
    }

    /// Why records were not taken: what failed first, and the other topic too, where the broker
    /// does not have it or does not let this user see it.
    pub fn explain(&self, error: &KafkaError) -> Vec<Seen> {
        let KafkaError::Delivery { topic: failed, .. } = error else {
            return vec![Seen::of(Cause::Publishing, error.to_string())];
        };
        let explain = |destination: Destination| {
            let topic = self.topic(destination);
            if topic == failed {
                return Some(Seen::of(destination.cause(), error.to_string()));
            }
            let metadata = self.client.producer.client().fetch_metadata(Some(topic), LOOK).ok()?;
            let code = metadata.topics().iter().find(|found| found.name() == topic)?.error()?;
            Some(Seen::of(
                destination.cause(),
                refused(&self.client.notes.connection, topic, code.into()).to_string(),
            ))
        };
        Destination::ALL.into_iter().filter_map(explain).collect()
    }

    /// Sends records and waits until the broker has them all, for as long as `go_on` says so: a
    /// broker that is away is waited for. It is asked again and again, and told what is known of
    /// the connection. One that a topic never takes does not keep back the others.
    ///
    /// # Errors
    /// A topic is not there, or may not be written. Some of the records may be in it already.
    pub fn publish(
        &mut self,
        records: &[Publication],
        mut go_on: impl FnMut(&Connection) -> bool,
    ) -> Result<Published, KafkaError> {
        let mut refused = Vec::new();
        // Where the broker refuses some of them, they are sent one by one from the first of these
        // on, to tell which: what came after it may be there twice then. An instant that a topic
        // does not take can be told by the record's value only.
        let (mut at, mut many, mut undated) = (0, records.len(), None);
        while at < records.len() {
            let end = at.saturating_add(many).min(records.len());
            let attempt = self.attempt(&records[at..end], undated == Some(at), &mut go_on);
            if !matches!(attempt, Ok(Attempt::Done | Attempt::Refused(..))) {
                // What is still on its way would otherwise come between the records of a later
                // attempt, and be counted with them.
                self.client = Client::new(&self.settings)?;
            }
            match attempt? {
                Attempt::Done => (at, many) = (end, many.saturating_mul(2)),
                Attempt::Refused(first, _) if end - at > 1 => (at, many) = (at + first, 1),
                Attempt::Refused(_, RDKafkaErrorCode::InvalidTimestamp) if undated != Some(at) => {
                    undated = Some(at)
                }
                Attempt::Refused(_, code) => {
                    refused.push(Refused { index: at, code });
                    at += 1;
                }
                Attempt::Stopped => return Ok(Published::Stopped),
                Attempt::Broken(why) => {
                    tracing::warn!(
                        brokers = self.settings.brokers,
                        "The Kafka producer starts anew, and sends again: {why}."
                    );
                }
            }
        }
        Ok(Published::All(refused))
    }

    /// Sends records until each is there or refused, or until one fails for a reason that is not
    /// its own. With `undated`, they are dated by the clock.
    fn attempt(
        &self,
        records: &[Publication],
        undated: bool,
        go_on: &mut impl FnMut(&Connection) -> bool,
    ) -> Result<Attempt, KafkaError> {
        let Client { producer, notes } = &self.client;
        notes.begin();
        let now = jiff::Timestamp::now().as_millisecond();
        for (index, publication) in records.iter().enumerate() {
            let topic = self.topic(publication.destination);
            // A broker refuses what is dated later than it is, and a customer's clock may be wrong.
            let timestamp = if undated { now } else { publication.timestamp.min(now) };
            let mut record = BaseRecord::<Vec<u8>, Vec<u8>, usize>::with_opaque_to(topic, index)
                .key(&publication.key)
                .timestamp(timestamp);
            record.payload = publication.value.as_ref();
            while let Err((error, back)) = producer.send(record) {
                match code_of(&error) {
                    RDKafkaErrorCode::QueueFull if go_on(&notes.connection) => producer.poll(WAIT),
                    RDKafkaErrorCode::QueueFull => return Ok(Attempt::Stopped),
                    RDKafkaErrorCode::Fatal => {
                        return Ok(Attempt::Broken(
                            notes.fatal().unwrap_or_else(|| error.to_string()),
                        ));
                    }
                    code if is_own(code) => {
                        notes.fail(index, topic, code);
                        break;
                    }
                    code => return Err(refused(&notes.connection, topic, code)),
                }
                record = back;
            }
        }
        loop {
            if let Some(why) = notes.fatal() {
                return Ok(Attempt::Broken(why));
            }
            match notes.failure() {
                Some((_, code)) if breaks_client(code) => {
                    return Ok(Attempt::Broken(code.to_string()));
                }
                Some((topic, code)) => return Err(refused(&notes.connection, &topic, code)),
                None => {}
            }
            if let Some(settled) = notes.settled(records.len()) {
                return Ok(settled);
            }
            if !go_on(&notes.connection) {
                return Ok(Attempt::Stopped);
            }
            // What waits for others to make a larger batch is sent at once: nothing more is coming.
            let _ = producer.flush(WAIT);
        }
    }
}

/// What has become of the records of an attempt.
#[derive(Debug)]
struct Notes {
    connection: Connection,
    outcome: Mutex<Outcome>,
    /// The last report that the client can do nothing more.
    fatal: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Outcome {
    delivered: usize,
    /// Records that failed for a reason of their own.
    refused: Vec<(usize, RDKafkaErrorCode)>,
    /// The first that failed for another one: topic and code.
    failure: Option<(String, RDKafkaErrorCode)>,
}

impl Notes {
    fn begin(&self) {
        *self.outcome() = Outcome::default();
    }

    fn fail(&self, index: usize, topic: &str, code: RDKafkaErrorCode) {
        let mut outcome = self.outcome();
        match is_own(code) {
            true => outcome.refused.push((index, code)),
            false => drop(outcome.failure.get_or_insert_with(|| (topic.to_string(), code))),
        }
    }

    fn failure(&self) -> Option<(String, RDKafkaErrorCode)> {
        self.outcome().failure.clone()
    }

    /// How the attempt ended, once something has become of each of so many records.
    fn settled(&self, records: usize) -> Option<Attempt> {
        let outcome = self.outcome();
        let first = outcome.refused.iter().min_by_key(|(index, _)| *index);
        let end = first.map_or(Attempt::Done, |(index, code)| Attempt::Refused(*index, *code));
        (outcome.delivered + outcome.refused.len() == records).then_some(end)
    }

    fn fatal(&self) -> Option<String> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The context of a producer: notes what became of each record, by its number.
#[derive(Clone)]
struct Noting(Arc<Notes>);

impl ClientContext for Noting {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        connection::log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        match code_of(&error) {
            RDKafkaErrorCode::Fatal => {
                *self.0.fatal.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(reason.to_string())
            }
            code => self.0.connection.trouble(code, reason),
        }
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ProducerContext for Noting {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        match result {
            Ok(_) => {
                self.0.outcome().delivered += 1;
                self.0.connection.works();
            }
            Err((error, message)) => self.0.fail(index, message.topic(), code_of(error)),
        }
    }
}

/// Whether a failure is the record's own: its topic never takes it, or not with the others of its
/// batch.
fn is_own(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::*;
    matches!(code, MessageSizeTooLarge | InvalidRecord | InvalidTimestamp | InvalidDifferentRecord)
}

/// Whether a failure says that the client has lost count of what the broker has, rather than that a
/// record is not wanted.
fn breaks_client(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::*;
    matches!(
        code,
        Fatal
            | OutOfOrderSequenceNumber
            | DuplicateSequenceNumber
            | UnknownProducerId
            | InvalidProducerEpoch
            | PurgeQueue
            | PurgeInflight
            | BrokerDestroy
    )
}

/// How one attempt to send records ended.
enum Attempt {
    Done,
    /// Something has become of each; the first that was refused is this.
    Refused(usize, RDKafkaErrorCode),
    Stopped,
    /// The client can do nothing more.
    Broken(String),
}

impl Client {
    fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let connection = Connection::new(&settings.brokers, "producer");
        let notes =
            Arc::new(Notes { connection, outcome: Mutex::default(), fatal: Mutex::default() });
        let mut config = config(settings, "2")?;
        // A record never runs out of time: whether it is still wanted, only the caller can say.
        // That its topic is not there is said at once, and not waited out: the caller tries it
        // again.
        config.set("message.timeout.ms", "0");
        config.set("topic.metadata.propagation.max.ms", UNKNOWN_TOPIC.as_millis().to_string());
        if !settings.properties.contains_key("batch.size") {
            config.set("batch.size", BATCH.to_string());
        }
        let producer = config
            .create_with_context(Noting(Arc::clone(&notes)))
            .map_err(|error| KafkaError::configuration(&error))?;
        Ok(Client { producer, notes })
    }
}

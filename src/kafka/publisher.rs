//! Writes what epochs have decided and what they have rejected, after their commit, and waits until
//! the broker has all of it.
//!
//! At least once, identical on repetition: what was interrupted is sent again from its first record
//! on, so some of the records may be there twice. Otherwise each is there once, and the order of a
//! partition's records is that in which they were given.

mod notes;

use super::connection::{Connection, code_of};
use super::error::KafkaError;
use super::producer::{config, refused};
use super::settings::KafkaSettings;
use crate::sink::destination::Destination;
use crate::telemetry::stalls::{Cause, Seen};
use dataflows::event::Millis;
use notes::{Notes, Noting, SendOutcome, breaks_client, is_own};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::{Arc, Mutex};
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

/// How publishing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
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

    /// The topic of a destination; none where nothing goes there.
    fn topic_of(&self, destination: Destination) -> Option<&str> {
        match destination {
            Destination::Predictions => self.settings.predictions.as_deref(),
            Destination::DeadLetters => Some(&self.settings.dead_letters),
        }
    }

    /// The topic of a destination to which something goes.
    pub fn topic(&self, destination: Destination) -> &str {
        self.topic_of(destination).unwrap_or_default()
    }

    /// Why records were not taken: what failed first, and the other topic too, where the broker
    /// does not have it or does not let this user see it.
    pub fn explain(&self, error: &KafkaError) -> Vec<Seen> {
        let KafkaError::Delivery { topic: failed, .. } = error else {
            return vec![Seen::of(Cause::Publishing, error.to_string())];
        };
        let explain = |destination: Destination| {
            let topic = self.topic_of(destination)?;
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
    ) -> Result<PublishOutcome, KafkaError> {
        let mut refused = Vec::new();
        // Where the broker refuses some of them, they are sent one by one from the first of these
        // on, to tell which: what came after it may be there twice then. An instant that a topic
        // does not take can be told by the record's value only.
        let (mut at, mut many, mut undated) = (0, records.len(), None);
        while at < records.len() {
            let end = at.saturating_add(many).min(records.len());
            let attempt = self.attempt(&records[at..end], undated == Some(at), &mut go_on);
            if !matches!(attempt, Ok(SendOutcome::Done | SendOutcome::Refused(..))) {
                // What is still on its way would otherwise come between the records of a later
                // attempt, and be counted with them.
                self.client = Client::new(&self.settings)?;
            }
            match attempt? {
                SendOutcome::Done => (at, many) = (end, many.saturating_mul(2)),
                SendOutcome::Refused(first, _) if end - at > 1 => (at, many) = (at + first, 1),
                SendOutcome::Refused(_, RDKafkaErrorCode::InvalidTimestamp)
                    if undated != Some(at) =>
                {
                    undated = Some(at)
                }
                SendOutcome::Refused(_, code) => {
                    refused.push(Refused { index: at, code });
                    at += 1;
                }
                SendOutcome::Stopped => return Ok(PublishOutcome::Stopped),
                SendOutcome::Broken(why) => {
                    tracing::warn!(
                        brokers = self.settings.brokers,
                        "The Kafka producer starts anew, and sends again: {why}."
                    );
                }
            }
        }
        Ok(PublishOutcome::All(refused))
    }

    /// Sends records until each is there or refused, or until one fails for a reason that is not
    /// its own. With `undated`, they are dated by the clock.
    fn attempt(
        &self,
        records: &[Publication],
        undated: bool,
        go_on: &mut impl FnMut(&Connection) -> bool,
    ) -> Result<SendOutcome, KafkaError> {
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
                    RDKafkaErrorCode::QueueFull => return Ok(SendOutcome::Stopped),
                    RDKafkaErrorCode::Fatal => {
                        return Ok(SendOutcome::Broken(
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
                return Ok(SendOutcome::Broken(why));
            }
            match notes.failure() {
                Some((_, code)) if breaks_client(code) => {
                    return Ok(SendOutcome::Broken(code.to_string()));
                }
                Some((topic, code)) => return Err(refused(&notes.connection, &topic, code)),
                None => {}
            }
            if let Some(settled) = notes.settled(records.len()) {
                return Ok(settled);
            }
            if !go_on(&notes.connection) {
                return Ok(SendOutcome::Stopped);
            }
            // What waits for others to make a larger batch is sent at once: nothing more is coming.
            let _ = producer.flush(WAIT);
        }
    }
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

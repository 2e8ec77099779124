//! Writes what an epoch has decided and what it has rejected, after its commit, and waits until the broker has all of it.
//!
//! At least once, identical on repetition: what was interrupted is sent again from the epoch's first record on, so some of its records may be there
//! twice. Otherwise each is there once, and the order of a partition's records is that in which they were given.

use super::connection::code_of;
use super::error::KafkaError;
use super::producer::{Counting, Deliveries, config, refused};
use super::settings::KafkaSettings;
use dataflows::event::Millis;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::Arc;
use std::time::Duration;

/// How long acknowledgments are waited for at a time.
const WAIT: Duration = Duration::from_millis(20);

/// A record to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where to.
    pub destination: Destination,
    /// Its key; records of one key keep their order.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
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

/// How the publishing of an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The broker has all records.
    All,
    /// It was told to stop before that.
    Stopped,
}

/// Publishes epochs, one after the other.
pub struct Publisher {
    settings: KafkaSettings,
    client: Client,
}

/// A client, and what it has delivered since it was made.
struct Client {
    producer: BaseProducer<Counting>,
    deliveries: Arc<Deliveries>,
}

impl Publisher {
    /// A publisher that connects when it has something to send.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        Ok(Publisher { settings: settings.clone(), client: Client::new(settings)? })
    }

    /// Whether a broker was reached the last time.
    #[cfg(test)]
    pub fn is_connected(&self) -> bool {
        self.client.deliveries.connection.is_up()
    }

    /// Sends an epoch's records and waits until the broker has them all, for as long as `go_on` says so: a broker that is away is waited for.
    ///
    /// # Errors
    /// The broker does not take a record, and would not if it were sent again. The records before it may be there already.
    pub fn publish(&mut self, epoch: &[Publication], go_on: impl Fn() -> bool) -> Result<Published, KafkaError> {
        loop {
            let attempt = self.attempt(epoch, &go_on);
            if !matches!(attempt, Ok(Attempt::Done)) {
                // What is still on its way would otherwise come between the records of a later attempt, and be counted with them.
                self.client = Client::new(&self.settings)?;
            }
            match attempt? {
                Attempt::Done => return Ok(Published::All),
                Attempt::Stopped => return Ok(Published::Stopped),
                Attempt::Broken(why) => {
                    tracing::warn!(brokers = self.settings.brokers, "The Kafka producer starts anew, and sends the epoch again: {why}.");
                }
            }
        }
    }

    fn attempt(&self, epoch: &[Publication], go_on: &impl Fn() -> bool) -> Result<Attempt, KafkaError> {
        let Client { producer, deliveries } = &self.client;
        let wanted = deliveries.delivered() + epoch.len() as u64;
        for publication in epoch {
            let topic = self.topic(publication.destination);
            let mut record = BaseRecord::to(topic).key(&publication.key).payload(&publication.value).timestamp(publication.timestamp);
            while let Err((error, back)) = producer.send(record) {
                match code_of(&error) {
                    RDKafkaErrorCode::QueueFull if go_on() => producer.poll(WAIT),
                    RDKafkaErrorCode::QueueFull => return Ok(Attempt::Stopped),
                    RDKafkaErrorCode::Fatal => return Ok(Attempt::Broken(deliveries.fatal().unwrap_or_else(|| error.to_string()))),
                    code => return Err(refused(&deliveries.connection, topic, code)),
                }
                record = back;
            }
        }
        while deliveries.delivered() < wanted {
            if let Some(why) = deliveries.fatal() {
                return Ok(Attempt::Broken(why));
            }
            match deliveries.first_failure() {
                Some((_, code)) if breaks_client(code) => return Ok(Attempt::Broken(code.to_string())),
                Some((topic, code)) => return Err(refused(&deliveries.connection, &topic, code)),
                None => {}
            }
            if !go_on() {
                return Ok(Attempt::Stopped);
            }
            // What waits for others to make a larger batch is sent at once: nothing more is coming.
            let _ = producer.flush(WAIT);
        }
        Ok(Attempt::Done)
    }

    fn topic(&self, destination: Destination) -> &str {
        match destination {
            Destination::Predictions => &self.settings.predictions,
            Destination::DeadLetters => &self.settings.dead_letters,
        }
    }
}

/// Whether a failure says that the client has lost count of what the broker has, rather than that a record is not wanted.
fn breaks_client(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::*;
    matches!(code, Fatal | OutOfOrderSequenceNumber | DuplicateSequenceNumber | UnknownProducerId | InvalidProducerEpoch | PurgeQueue | PurgeInflight)
}

/// How one attempt to send an epoch ended.
enum Attempt {
    Done,
    Stopped,
    /// The client can do nothing more.
    Broken(String),
}

impl Client {
    fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let deliveries = Arc::new(Deliveries::new(&settings.brokers));
        let mut config = config(settings, "2")?;
        // A record never runs out of time: whether it is still wanted, only the caller can say.
        config.set("message.timeout.ms", "0");
        let producer = config.create_with_context(Counting(Arc::clone(&deliveries))).map_err(|error| KafkaError::Configuration(error.to_string()))?;
        Ok(Client { producer, deliveries })
    }
}

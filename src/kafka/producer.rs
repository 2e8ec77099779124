//! Writes events as fast as the broker takes them: for the simulated world and for benches.

use super::connection::{self, Connection, code_of};
use super::error::KafkaError;
use super::settings::{KafkaSettings, Role};
use dataflows::event::{CustomerId, Millis};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records that wait to be sent, at most.
const QUEUED_RECORDS: &str = "500000";
/// Records between two looks at what was delivered.
const SERVED_EVERY: u64 = 1_000;
/// How long a full queue is waited for at a time.
const FULL_QUEUE: Duration = Duration::from_millis(5);

/// What became of the records that were handed to a client.
#[derive(Debug)]
pub(super) struct Deliveries {
    pub(super) connection: Connection,
    delivered: AtomicU64,
    failed: AtomicU64,
    /// The first failure: topic and code.
    first: Mutex<Option<(String, RDKafkaErrorCode)>>,
}

impl Deliveries {
    pub(super) fn new(brokers: &str) -> Self {
        let connection = Connection::new(brokers, "producer");
        Deliveries {
            connection,
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            first: Mutex::default(),
        }
    }

    /// Notes what became of a record.
    pub(super) fn note(&self, result: &DeliveryResult<'_>) {
        use rdkafka::Message;
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                self.connection.works();
            }
            Err((error, message)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| (message.topic().to_string(), code_of(error)));
            }
        }
    }

    /// Records that the broker has.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Records that it has not, and will not get.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The first failure: topic and code.
    pub(super) fn first_failure(&self) -> Option<(String, RDKafkaErrorCode)> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The error of a record that was not taken.
pub(super) fn refused(connection: &Connection, topic: &str, code: RDKafkaErrorCode) -> KafkaError {
    KafkaError::Delivery {
        brokers: connection.brokers().to_string(),
        topic: topic.to_string(),
        why: code.to_string(),
        code,
    }
}

/// The context of a producer: counts what was delivered.
#[derive(Clone)]
pub(super) struct Counting(pub(super) Arc<Deliveries>);

impl ClientContext for Counting {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        connection::log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.0.connection.trouble(code_of(&error), reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0.note(result);
    }
}

/// A configuration for large, compressed batches, as far as the user's properties do not say
/// otherwise. lz4: measured, a quarter more records a second than with zstd.
pub(super) fn config(settings: &KafkaSettings, linger: &str) -> Result<ClientConfig, KafkaError> {
    let mut config = settings.client(Role::Producer)?;
    let ours = [
        ("compression.type", "lz4"),
        ("linger.ms", linger),
        ("batch.size", "1000000"),
        ("queue.buffering.max.messages", QUEUED_RECORDS),
        ("queue.buffering.max.kbytes", "262144"),
    ];
    for (name, value) in
        ours.into_iter().filter(|(name, _)| !settings.properties.contains_key(*name))
    {
        config.set(name, value);
    }
    Ok(config)
}

/// What a producer has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Records that the broker has.
    pub delivered: u64,
    /// Records that it has not.
    pub failed: u64,
}

/// Writes events; those of one customer keep their order.
pub struct Producer {
    client: BaseProducer<Counting>,
    deliveries: Arc<Deliveries>,
    sent: u64,
    /// The text of a key, reused.
    key: Vec<u8>,
}

impl Producer {
    /// A producer that connects when it has something to send.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let deliveries = Arc::new(Deliveries::new(&settings.brokers));
        let client = config(settings, "20")?
            .create_with_context(Counting(Arc::clone(&deliveries)))
            .map_err(|error| KafkaError::configuration(&error))?;
        Ok(Producer { client, deliveries, sent: 0, key: Vec::new() })
    }

    /// Sends an event of a customer, `None` for a tombstone, dated `timestamp`; waits while too
    /// many are on their way.
    ///
    /// # Errors
    /// The record cannot be sent at all: it is too long, or the client can do nothing more. That
    /// the broker did not take it turns up in [`finish`](Self::finish).
    pub fn send(
        &mut self,
        topic: &str,
        customer: CustomerId,
        value: Option<&[u8]>,
        timestamp: Millis,
    ) -> Result<(), KafkaError> {
        self.key.clear();
        // Writing into a vector cannot fail.
        let _ = write!(self.key, "{customer}");
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).key(&self.key).timestamp(timestamp);
        record.payload = value;
        while let Err((error, back)) = self.client.send(record) {
            match code_of(&error) {
                RDKafkaErrorCode::QueueFull => self.client.poll(FULL_QUEUE),
                code => return Err(refused(&self.deliveries.connection, topic, code)),
            }
            record = back;
        }
        self.sent += 1;
        if self.sent.is_multiple_of(SERVED_EVERY) {
            self.client.poll(Duration::ZERO);
        }
        Ok(())
    }

    /// Waits until the broker has all that was sent.
    ///
    /// # Errors
    /// Records are still on their way when `patience` is at its end, or the broker did not take
    /// some; the first is named.
    pub fn finish(self, patience: Duration) -> Result<Produced, KafkaError> {
        let started = Instant::now();
        let flushed = self.client.flush(patience);
        let produced =
            Produced { delivered: self.deliveries.delivered(), failed: self.deliveries.failed() };
        if let Some((topic, code)) = self.deliveries.first_failure() {
            return Err(refused(&self.deliveries.connection, &topic, code));
        }
        if flushed.is_err() {
            let connection = &self.deliveries.connection;
            let (brokers, why) = (connection.brokers().to_string(), connection.reason());
            let waiting = (self.sent - produced.delivered) as usize;
            return Err(KafkaError::Undelivered {
                brokers,
                waiting,
                waited: started.elapsed(),
                why,
            });
        }
        Ok(produced)
    }
}

//! Writes events at a steady rate whatever the broker does, and notes where each comes to lie: for
//! measuring how long an event is on its way.
//!
//! The schedule alone says when an event is due, and its way is counted from then: a producer or a
//! broker that stalls is seen in every event that waited.

use super::connection::code_of;
use super::error::KafkaError;
use super::producer::{Deliveries, config, refused};
use super::settings::KafkaSettings;
use super::timetable::Timetable;
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the producer sleeps at most: what becomes due meanwhile goes together.
const NAP: Duration = Duration::from_millis(1);
/// How long a full queue is waited for at a time.
const FULL_QUEUE: Duration = Duration::from_millis(5);
/// How long the broker may take to say where a topic is.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the broker may take for the last records.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// Where to.
    pub topic: TopicId,
    /// Whose it is: its key.
    pub customer: CustomerId,
    /// The record's value.
    pub value: &'a [u8],
    /// The record's date.
    pub timestamp: Millis,
}

/// Where an event came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landed {
    /// Its topic.
    pub topic: TopicId,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// When it was due, from the start on.
    pub due: Duration,
}

/// Writes events, the first at once and so many a second.
pub struct PacedProducer<'a> {
    settings: &'a KafkaSettings,
    client: BaseProducer<Landing>,
    landing: Landing,
    timetable: Timetable,
    /// Topic and instant of every event so far.
    sent: Vec<(TopicId, Duration)>,
}

impl<'a> PacedProducer<'a> {
    /// A connected producer, whose schedule begins now: what connecting takes is no event's way.
    ///
    /// # Errors
    /// What is wrong with the settings, or the broker does not answer.
    pub fn new(settings: &'a KafkaSettings, rate: u32) -> Result<Self, KafkaError> {
        let landing = Landing {
            deliveries: Arc::new(Deliveries::new(&settings.brokers)),
            places: Arc::default(),
        };
        let client: BaseProducer<Landing> = config(settings, "2")?
            .create_with_context(landing.clone())
            .map_err(|error| KafkaError::configuration(&error))?;
        for topic in settings.topics.names() {
            let known = client.client().fetch_metadata(Some(topic), ANSWER);
            known
                .map_err(|error| refused(&landing.deliveries.connection, topic, code_of(&error)))?;
        }
        Ok(PacedProducer {
            settings,
            client,
            landing,
            timetable: Timetable::new(rate, Instant::now()),
            sent: Vec::new(),
        })
    }

    /// When its schedule began.
    pub fn started(&self) -> Instant {
        self.timetable.started()
    }

    /// Waits until the next event is due, and writes it; says whether it did, for `stop` ends the
    /// waiting.
    ///
    /// # Errors
    /// The record cannot be sent at all.
    pub fn send(&mut self, event: Due<'_>, stop: &AtomicBool) -> Result<bool, KafkaError> {
        let due = self.timetable.due(self.sent.len());
        while let Some(early) = self.timetable.early(due) {
            self.client.poll(Duration::ZERO);
            std::thread::sleep(early.min(NAP));
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
        }
        let topic = self.settings.topic_name(event.topic);
        let key = event.customer.to_string();
        let mut record = BaseRecord::with_opaque_to(topic, self.sent.len())
            .key(&key)
            .payload(event.value)
            .timestamp(event.timestamp);
        while let Err((error, back)) = self.client.send(record) {
            match code_of(&error) {
                RDKafkaErrorCode::QueueFull if !stop.load(Ordering::Relaxed) => {
                    self.client.poll(FULL_QUEUE)
                }
                RDKafkaErrorCode::QueueFull => return Ok(false),
                code => return Err(refused(&self.landing.deliveries.connection, topic, code)),
            }
            record = back;
        }
        self.sent.push((event.topic, due));
        Ok(true)
    }

    /// Waits until the broker has everything, and says where it lies.
    ///
    /// # Errors
    /// The broker did not take a record, or not in time.
    pub fn finish(self) -> Result<Vec<Landed>, KafkaError> {
        let flushing = Instant::now();
        let flushed = self.client.flush(PATIENCE);
        let Deliveries { connection, .. } = &*self.landing.deliveries;
        if let Some((topic, code)) = self.landing.deliveries.first_failure() {
            return Err(refused(connection, &topic, code));
        }
        let places = std::mem::take(
            &mut *self.landing.places.lock().unwrap_or_else(PoisonError::into_inner),
        );
        if flushed.is_err() || places.len() < self.sent.len() {
            let (brokers, why, waiting) = (
                connection.brokers().to_string(),
                connection.reason(),
                self.sent.len() - places.len(),
            );
            return Err(KafkaError::Undelivered {
                brokers,
                waiting,
                waited: flushing.elapsed(),
                why,
            });
        }
        let landed = places.into_iter().filter_map(|(number, partition, offset)| {
            let (topic, due) = *self.sent.get(number)?;
            Some(Landed {
                topic,
                partition: u32::try_from(partition).ok()?,
                offset: u64::try_from(offset).ok()?,
                due,
            })
        });
        Ok(landed.collect())
    }
}

/// The context of the producer: number, partition and offset of what was delivered.
#[derive(Clone)]
struct Landing {
    deliveries: Arc<Deliveries>,
    places: Arc<Mutex<Vec<(usize, i32, i64)>>>,
}

impl ClientContext for Landing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::connection::log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.deliveries.connection.trouble(code_of(&error), reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ProducerContext for Landing {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        self.deliveries.note(result);
        if let Ok(message) = result {
            self.places.lock().unwrap_or_else(PoisonError::into_inner).push((
                number,
                message.partition(),
                message.offset(),
            ));
        }
    }
}

//! Asks for a customer's erasure: a record without a value in the topic of which such erase, where
//! every reader of the log finds it.

use super::error::KafkaError;
use super::producer::Producer;
use super::settings::KafkaSettings;
use crate::telemetry::pseudonym::Pseudonym;
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the broker may take to have the record.
const PATIENCE: Duration = Duration::from_secs(4);

/// Writes erasures, one at a time.
#[derive(Debug)]
pub struct Eraser {
    settings: KafkaSettings,
    topic: TopicId,
    /// Erasures are rare: each has a client of its own, and only one at a time.
    turn: Mutex<()>,
}

impl Eraser {
    /// An eraser that connects when there is something to write.
    ///
    /// # Panics
    /// Never for the topics of a dataflow, of which records of one erase.
    pub fn new(settings: &KafkaSettings) -> Self {
        let topic = settings.topics.topics().find(|topic| topic.erases());
        let topic = topic.expect("records of one topic of every dataflow erase");
        Eraser { settings: settings.clone(), topic, turn: Mutex::new(()) }
    }

    /// Writes the record and waits until the broker has it; gives its timestamp, up to which
    /// everything of the customer goes.
    ///
    /// # Errors
    /// The broker cannot be reached in time, or refuses the record. An unreachable broker may have
    /// it all the same; writing it again does no harm.
    pub fn erase(&self, customer: CustomerId) -> Result<Millis, KafkaError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = jiff::Timestamp::now().as_millisecond();
        let mut producer = Producer::new(&self.settings)?;
        producer.send(self.settings.topic_name(self.topic), customer, None, now)?;
        producer.finish(PATIENCE)?;
        tracing::info!(customer = %Pseudonym(customer), "The erasure of a customer has been asked \
            for.");
        Ok(now)
    }
}

//! Decisions and rejected records on their way to Kafka, after the commit of their epoch.
//!
//! At least once, identical on repetition: the mark of what has been published follows the publishing, and on a start what lies past it is sent again.

use crate::kafka::publisher::{Destination, Publication, Published, Publisher};
use crate::kafka::{KafkaError, KafkaSettings};
use crate::results::EpochResults;
use crate::sink::{Sink, SinkError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dataflows::campaign::output::Decision;
use dataflows::event::Rejected;
use serde_json::json;

/// Why something was not published.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The mark of what has been published.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// The way to the topics of decisions and dead letters.
pub struct Predictions {
    publisher: Publisher,
    arms: Vec<String>,
    topics: [String; 5],
}

/// The name of the policy that decides.
const POLICY: &str = "linucb";

impl Predictions {
    /// A way that connects when there is something to send.
    ///
    /// # Errors
    /// The settings are wrong.
    pub fn new(kafka: &KafkaSettings, arms: &[String]) -> Result<Self, KafkaError> {
        Ok(Predictions { publisher: Publisher::new(kafka)?, arms: arms.to_vec(), topics: kafka.topics.clone() })
    }

    /// Sends again what may not have been published before the last end of the job.
    ///
    /// # Errors
    /// What was committed cannot be read, or the broker refuses a record.
    pub fn resume(&mut self, sink: &mut dyn Sink) -> Result<(), PredictionError> {
        let progress = sink.progress();
        if progress.published >= progress.epoch {
            return Ok(());
        }
        let unpublished = sink.unpublished()?;
        self.publisher.publish(&self.publications(&unpublished.decisions, &unpublished.rejected), || true)?;
        sink.set_published(progress.epoch)?;
        Ok(())
    }

    /// Publishes an epoch that has been committed, for as long as `go_on` says so.
    ///
    /// # Errors
    /// The broker refuses a record, or the mark cannot be set.
    pub fn publish(&mut self, sink: &mut dyn Sink, results: &EpochResults, go_on: impl Fn() -> bool) -> Result<(), PredictionError> {
        let publications = self.publications(&results.decisions, &results.rejected);
        if publications.is_empty() {
            return Ok(());
        }
        if self.publisher.publish(&publications, go_on)? == Published::All {
            sink.set_published(results.epoch)?;
        }
        Ok(())
    }

    fn publications(&self, decisions: &[Decision], rejected: &[Rejected]) -> Vec<Publication> {
        let decisions = decisions.iter().map(|decision| self.prediction(decision));
        decisions.chain(rejected.iter().map(|rejected| self.dead_letter(rejected))).collect()
    }

    fn prediction(&self, decision: &Decision) -> Publication {
        let value = json!({
            "decision_id": decision.decision,
            "customer_id": decision.customer,
            "timestamp": decision.timestamp,
            "action": decision.arm,
            "campaign_name": decision.arm.and_then(|arm| self.arms.get(usize::from(arm))),
            "propensity": decision.propensity,
            "expected_reward": decision.expected_reward,
            "uncertainty": decision.uncertainty,
            "scores": decision.scores,
            "model_version": decision.model_version,
            "policy": POLICY,
        });
        Publication {
            destination: Destination::Predictions,
            key: decision.customer.to_string().into_bytes(),
            value: value.to_string().into_bytes(),
            timestamp: decision.timestamp,
        }
    }

    fn dead_letter(&self, rejected: &Rejected) -> Publication {
        let mut value = json!({
            "topic": self.topics[rejected.topic as usize],
            "partition": rejected.place.partition(),
            "offset": rejected.place.position(),
            "reason": rejected.reason.word(),
            "detail": rejected.detail,
        });
        match std::str::from_utf8(&rejected.raw) {
            Ok(text) => value["raw"] = json!(text),
            Err(_) => value["raw_base64"] = json!(STANDARD.encode(&rejected.raw)),
        }
        Publication {
            destination: Destination::DeadLetters,
            key: rejected.place.0.to_le_bytes().to_vec(),
            value: value.to_string().into_bytes(),
            // No instant of its own can be trusted: it is dated by the clock.
            timestamp: jiff::Timestamp::now().as_millisecond(),
        }
    }
}

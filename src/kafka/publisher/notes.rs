//! What the broker says of records that are on their way, noted by its thread.

use crate::kafka::connection::{self, Connection, code_of};
use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What has become of the records of an attempt.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) connection: Connection,
    pub(super) outcome: Mutex<DeliveryReport>,
    /// The last report that the client can do nothing more.
    pub(super) fatal: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
pub(super) struct DeliveryReport {
    delivered: usize,
    /// Records that failed for a reason of their own.
    pub(super) refused: Vec<(usize, RDKafkaErrorCode)>,
    /// The first that failed for another one: topic and code.
    pub(super) failure: Option<(String, RDKafkaErrorCode)>,
}

impl Notes {
    pub(super) fn begin(&self) {
        *self.outcome() = DeliveryReport::default();
    }

    pub(super) fn fail(&self, index: usize, topic: &str, code: RDKafkaErrorCode) {
        let mut outcome = self.outcome();
        match is_own(code) {
            true => outcome.refused.push((index, code)),
            false => drop(outcome.failure.get_or_insert_with(|| (topic.to_string(), code))),
        }
    }

    pub(super) fn failure(&self) -> Option<(String, RDKafkaErrorCode)> {
        self.outcome().failure.clone()
    }

    /// How the attempt ended, once something has become of each of so many records.
    pub(super) fn settled(&self, records: usize) -> Option<SendOutcome> {
        let outcome = self.outcome();
        let first = outcome.refused.iter().min_by_key(|(index, _)| *index);
        let end =
            first.map_or(SendOutcome::Done, |(index, code)| SendOutcome::Refused(*index, *code));
        (outcome.delivered + outcome.refused.len() == records).then_some(end)
    }

    pub(super) fn fatal(&self) -> Option<String> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn outcome(&self) -> MutexGuard<'_, DeliveryReport> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The context of a producer: notes what became of each record, by its number.
#[derive(Clone)]
pub(super) struct Noting(pub(super) Arc<Notes>);

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
pub(super) fn is_own(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::*;
    matches!(code, MessageSizeTooLarge | InvalidRecord | InvalidTimestamp | InvalidDifferentRecord)
}

/// Whether a failure says that the client has lost count of what the broker has, rather than that a
/// record is not wanted.
pub(super) fn breaks_client(code: RDKafkaErrorCode) -> bool {
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
pub(super) enum SendOutcome {
    Done,
    /// Something has become of each; the first that was refused is this.
    Refused(usize, RDKafkaErrorCode),
    Stopped,
    /// The client can do nothing more.
    Broken(String),
}

//! Whether the brokers can be reached: known from what a client reports, and logged once a change.

use super::error::passes;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is said where no trouble was reported.
const SILENT: &str = "no answer";

/// What is known of the connection to the brokers.
#[derive(Debug)]
pub struct Connection {
    brokers: String,
    /// What the client does, for the log.
    role: &'static str,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    state: State,
    /// The last trouble that was reported.
    reason: Option<String>,
    /// What the client's log last had of a connection that failed, of which it does not always
    /// report.
    logged: Option<String>,
    /// The brokers do not let this client in.
    refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been heard yet.
    Unknown,
    Up,
    Down,
}

impl Connection {
    /// A connection of which nothing is known yet.
    pub fn new(brokers: &str, role: &'static str) -> Self {
        let known = Known { state: State::Unknown, reason: None, logged: None, refused: false };
        Connection { brokers: brokers.to_string(), role, known: Mutex::new(known) }
    }

    /// The addresses.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Why the brokers do not let this client in, which will not pass by itself.
    pub fn refusal(&self) -> Option<String> {
        let known = self.known();
        known.reason.clone().filter(|_| known.refused)
    }

    /// Whether every broker was tried, and none is connected.
    pub fn is_down(&self) -> bool {
        self.known().state == State::Down
    }

    /// Whether a broker is connected.
    pub fn is_up(&self) -> bool {
        self.known().state == State::Up
    }

    /// The last trouble that was reported, or that there was no answer.
    pub fn reason(&self) -> String {
        let known = self.known();
        known.reason.clone().or_else(|| known.logged.clone()).unwrap_or_else(|| SILENT.to_string())
    }

    /// Takes from a line of the client's log why a connection failed.
    pub fn hear(&self, facility: &str, message: &str) {
        if facility == "FAIL" {
            // The thread of the client is of no use to anybody.
            let said = message.split_once("]: ").map_or(message, |(_, said)| said);
            self.known().logged = Some(said.to_string());
        }
    }

    /// The last trouble that was reported.
    pub fn reported(&self) -> Option<String> {
        self.known().reason.clone()
    }

    /// A broker has answered.
    pub fn works(&self) {
        let mut known = self.known();
        known.refused = false;
        match std::mem::replace(&mut known.state, State::Up) {
            State::Up => {}
            State::Unknown => {
                tracing::info!(brokers = self.brokers, role = self.role, "Connected to Kafka.")
            }
            State::Down => tracing::info!(
                brokers = self.brokers,
                role = self.role,
                "Connected to Kafka again."
            ),
        }
    }

    /// No broker can be reached.
    pub fn lost(&self) {
        let mut known = self.known();
        if std::mem::replace(&mut known.state, State::Down) != State::Down {
            tracing::warn!(
                brokers = self.brokers,
                role = self.role,
                "Broker {} cannot be reached ({}); start it, or correct kafka.brokers. It is tried \
                 again until it answers; nothing is lost.",
                self.brokers,
                known.reason.as_deref().unwrap_or(SILENT)
            );
        }
    }

    /// The client reports trouble.
    pub fn trouble(&self, code: RDKafkaErrorCode, reason: &str) {
        if code == RDKafkaErrorCode::AllBrokersDown {
            return self.lost();
        }
        if passes(code) {
            tracing::debug!(brokers = self.brokers, role = self.role, "Kafka client: {reason}");
        } else {
            tracing::error!(brokers = self.brokers, role = self.role, "Kafka client: {reason}.");
        }
        let mut known = self.known();
        known.reason = Some(reason.to_string());
        known.refused = matches!(
            code,
            RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
        );
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The context of a client that only keeps track of its connection.
#[derive(Debug)]
pub struct Tracked(pub std::sync::Arc<Connection>);

impl ClientContext for Tracked {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.hear(facility, message);
        log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.0.trouble(code_of(&error), reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl rdkafka::consumer::ConsumerContext for Tracked {}

/// The code in a client's error.
pub fn code_of(error: &ClientError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}

/// Passes on librdkafka's own log. It repeats each failed attempt to connect, of which
/// [`Connection`] says once what matters: so only what is critical stands out.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_alone_is_no_loss_and_an_answer_ends_one() {
        let connection = Connection::new("127.0.0.1:9092", "consumer");
        assert!(!connection.is_up());
        connection.works();
        assert!(connection.is_up());
        connection.trouble(RDKafkaErrorCode::BrokerTransportFailure, "connection refused");
        assert!(connection.is_up());
        connection.trouble(RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down");
        assert!(!connection.is_up());
        assert_eq!(connection.reason(), "connection refused");
        connection.works();
        assert!(connection.is_up());
    }
}

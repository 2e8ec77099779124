//! What the job is doing, and whether others may rely on it.

use crate::telemetry::stalls::Cause;

/// What the job is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Connecting, restoring.
    Starting,
    /// Repeating recorded epochs, or far behind the end of its input.
    CatchingUp,
    /// Keeping up.
    Running,
    /// Something keeps epochs from being committed; what is seen of it, without secrets.
    Stalled(Cause, String),
    /// Finishing what was read, to end then.
    Draining,
    /// Ended.
    #[cfg_attr(
        not(feature = "demo"),
        expect(
            dead_code,
            reason = "a job's status page ends with the job, that of the demo after it"
        )
    )]
    Stopped,
    /// It cannot go on, and will end; the first cause.
    Failed(String),
}

impl State {
    /// The words for every state, for metrics.
    pub const WORDS: [&str; 9] = [
        "starting",
        "catching_up",
        "running",
        "waiting_for_database",
        "waiting_for_broker",
        "stalled",
        "draining",
        "stopped",
        "failed",
    ];

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::CatchingUp => "catching_up",
            State::Running => "running",
            State::Stalled(Cause::Database | Cause::DatabaseLock | Cause::DatabaseSlow, _) => {
                "waiting_for_database"
            }
            State::Stalled(Cause::Broker, _) => "waiting_for_broker",
            State::Stalled(..) => "stalled",
            State::Draining => "draining",
            State::Stopped => "stopped",
            State::Failed(_) => "failed",
        }
    }

    /// Whether the job keeps up with its input, so that others may rely on it.
    pub fn is_ready(&self) -> bool {
        self.unready().is_none()
    }

    /// Why others cannot rely on it, for `/readyz`; `None` while they can.
    pub fn unready(&self) -> Option<String> {
        match self {
            State::Running => None,
            State::Starting => Some("the job is starting".to_string()),
            State::CatchingUp => Some("the job is catching up with its input".to_string()),
            State::Stalled(cause, what) => Some(cause.told(what)),
            State::Draining => Some("the job is draining, to end then".to_string()),
            State::Stopped => Some("the job has stopped".to_string()),
            State::Failed(cause) => Some(format!("the job has failed: {cause}")),
        }
    }

    /// What is to be said of it.
    pub(super) fn message(&self) -> Option<&str> {
        match self {
            State::Stalled(_, message) | State::Failed(message) => Some(message),
            State::Starting
            | State::CatchingUp
            | State::Running
            | State::Draining
            | State::Stopped => None,
        }
    }
}

//! Why the job ended.

use crate::blame::Blame;
use crate::checkpoint::{CheckpointError, Unsaved};
use crate::cluster::ClusterError;
use crate::console::ConsoleError;
use crate::engine::gather::GatherError;
use crate::engine::restart::RestartError;
use crate::engine::saving::ResumeError;
use crate::first::Panicked;
use crate::kafka::KafkaError;
use crate::sink::SinkError;
use std::time::Duration;

/// Why the job ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The broker or its topics.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The sink.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It cannot go on where it was.
    #[error(transparent)]
    Restart(#[from] RestartError),
    /// The workers.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The epochs.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The console.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// The checkpoint that the job goes on from cannot be taken up.
    #[error("the job cannot begin: {0}")]
    Load(#[from] ResumeError),
    /// The drain was in order but for the last checkpoint.
    #[error(transparent)]
    Unsaved(#[from] Unsaved),
    /// The signals cannot be caught.
    #[error("SIGTERM and SIGINT cannot be caught: {0}")]
    Signals(#[source] std::io::Error),
    /// There is no thread to be had.
    #[error("the thread `{name}` cannot be started: {source}")]
    Thread {
        /// What it was to do.
        name: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// A worker gives no sign of life.
    #[error("a worker of the job hangs, here or in another process: it has given no sign of life \
        for {} s. Start all processes again", .0.as_secs())]
    Hung(Duration),
    /// The drain did not end in time, and not everything is committed.
    #[error("the drain did not end in {} s; what is not committed is read again at the next \
        start", .0.as_secs())]
    Undrained(Duration),
}

impl RunError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            RunError::Kafka(error) => error.blame(),
            RunError::Sink(error) => error.blame(),
            RunError::Checkpoint(error) => error.blame(),
            RunError::Restart(error) => error.blame(),
            RunError::Cluster(error) => error.blame(),
            RunError::Gather(error) => error.blame(),
            RunError::Console(error) => error.blame(),
            RunError::Load(error) => error.blame(),
            RunError::Unsaved(_)
            | RunError::Signals(_)
            | RunError::Thread { .. }
            | RunError::Panicked(_)
            | RunError::Hung(_)
            | RunError::Undrained(_) => Blame::World,
        }
    }
}

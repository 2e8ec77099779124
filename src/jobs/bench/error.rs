//! Why nothing was measured.

use crate::blame::Blame;
use crate::engine::load::LoadError;
use crate::kafka::KafkaError;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use world::WorldError;
use world::write::WriteError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Such a world cannot be made.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The world cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The directory or the files in it.
    #[error("cannot use {}: {source}; name another place with --directory", path.display())]
    Directory {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be waited for.
    #[error("signals cannot be handled: {0}")]
    Signals(#[source] io::Error),
    /// A process cannot be started or waited for.
    #[error("the program cannot run itself: {0}")]
    Start(#[source] io::Error),
    /// A replay failed.
    #[error("a replay ended with {status}: {message}")]
    Replay {
        /// How it ended.
        status: ExitStatus,
        /// What it said last.
        message: String,
    },
    /// A replay's summary cannot be read.
    #[error("the summary of a replay cannot be read: {0}")]
    Summary(#[from] serde_json::Error),
    /// Two replays of one world learned differently.
    #[error(
        "replays of one world gave the model digests {first} and {other}: this is a fault of the \
         program, its figures mean nothing"
    )]
    Digests {
        /// That of the first replay.
        first: String,
        /// One that differs.
        other: String,
    },
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The world cannot be sent.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The database cannot be reached.
    #[error(transparent)]
    Database(#[from] crate::postgres::PostgresError),
    /// The database.
    #[error("the database of --postgres cannot be used: {}", said(.0))]
    Postgres(#[source] ::postgres::Error),
    /// The long-running job.
    #[error("the job that is measured failed: {0}")]
    Job(String),
    /// A signal came.
    #[error("stopped by a signal before everything was measured")]
    Stopped,
}

impl BenchError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            BenchError::World(_) => Blame::Usage,
            BenchError::Directory { .. } => Blame::Usage,
            BenchError::Kafka(error) => error.blame(),
            BenchError::Database(error) => error.blame(),
            BenchError::Load(error) => error.blame(),
            BenchError::Write(_)
            | BenchError::Signals(_)
            | BenchError::Start(_)
            | BenchError::Replay { .. }
            | BenchError::Summary(_)
            | BenchError::Digests { .. }
            | BenchError::Postgres(_)
            | BenchError::Job(_)
            | BenchError::Stopped => Blame::World,
        }
    }
}

/// What the server says, where it says something.
fn said(error: &::postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_string())
}

//! What can be wrong with checkpoints, and whether an older one helps.

use super::manifest::FORMAT;
use crate::blame::Blame;
use crate::first::Panicked;
use std::io;

/// Why a checkpoint cannot be written, found or read. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There can be no checkpoints at such a place.
    #[error("checkpoint.dir = {address:?} cannot be used: {why}")]
    Address {
        /// The place.
        address: String,
        /// Why not.
        why: String,
    },
    /// The folder or the object store fails.
    #[error("{object} cannot be {done}: {}", chain(source.as_ref()))]
    Store {
        /// The file, with its place.
        object: String,
        /// What was to be done with it: read, written, listed or deleted.
        done: &'static str,
        /// What the store says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file is not there.
    #[error("{object} is missing")]
    Missing {
        /// The file.
        object: String,
    },
    /// A file is not what was written.
    #[error("{object} is damaged: {why}")]
    Damaged {
        /// The file.
        object: String,
        /// How that shows.
        why: String,
    },
    /// The checkpoint is of another version of the program.
    #[error(
        "{object} has format {found}, and this program reads format {FORMAT}: run the version that \
         wrote it, or rebuild the state from the topics \
         with --rebuild"
    )]
    Format {
        /// The manifest.
        object: String,
        /// Its format.
        found: u32,
    },
    /// The checkpoint is of another configuration.
    #[error(
        "{object} was written with another configuration: {}; configure the job as before, or \
         rebuild the state from the topics with --rebuild",
        differences.join("; ")
    )]
    Foreign {
        /// The manifest.
        object: String,
        /// What differs, key by key.
        differences: Vec<String>,
    },
    /// No such checkpoint.
    #[error(
        "{address} has no checkpoint of epoch {epoch}; `sluice checkpoint list` names those that \
         are there"
    )]
    Unknown {
        /// The place, with the job's folder.
        address: String,
        /// The epoch that was asked for.
        epoch: u64,
    },
    /// No such history.
    #[error(
        "{address} has no checkpoint of a history {history}; `sluice checkpoint list` names those \
         that are there"
    )]
    UnknownHistory {
        /// The place, with the job's folder.
        address: String,
        /// The history that was asked for.
        history: String,
    },
    /// Of which history is not said.
    #[error("{address} has checkpoints of the histories {}: say which one is meant with \
        --history", histories.join(", "))]
    Ambiguous {
        /// The place, with the job's folder.
        address: String,
        /// Those that there are.
        histories: Vec<String>,
    },
    /// No checkpoint at all.
    #[error("{address} has no checkpoint that can be used; `sluice checkpoint list` says why")]
    Nothing {
        /// The place, with the job's folder.
        address: String,
    },
    /// The saver's thread could not be started.
    #[error("the thread that saves checkpoints cannot be started: {0}")]
    Thread(#[source] io::Error),
    /// The saver's thread panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl CheckpointError {
    /// Whose fault it is. What another configuration has written lasts, but that configuration
    /// alone is not wrong; what is damaged, the next start passes over.
    pub fn blame(&self) -> Blame {
        match self {
            CheckpointError::Address { .. }
            | CheckpointError::Unknown { .. }
            | CheckpointError::UnknownHistory { .. }
            | CheckpointError::Ambiguous { .. } => Blame::Usage,
            CheckpointError::Store { .. }
            | CheckpointError::Missing { .. }
            | CheckpointError::Damaged { .. }
            | CheckpointError::Nothing { .. }
            | CheckpointError::Thread(_)
            | CheckpointError::Panicked(_) => Blame::World,
            CheckpointError::Format { .. } | CheckpointError::Foreign { .. } => Blame::Lasting,
        }
    }

    /// Whether this checkpoint is lost and an older one may be whole.
    pub fn is_damage(&self) -> bool {
        match self {
            CheckpointError::Missing { .. } | CheckpointError::Damaged { .. } => true,
            CheckpointError::Address { .. }
            | CheckpointError::Store { .. }
            | CheckpointError::Format { .. }
            | CheckpointError::Foreign { .. }
            | CheckpointError::Unknown { .. }
            | CheckpointError::UnknownHistory { .. }
            | CheckpointError::Ambiguous { .. }
            | CheckpointError::Nothing { .. }
            | CheckpointError::Thread(_)
            | CheckpointError::Panicked(_) => false,
        }
    }
}

/// An error with what caused it: the outermost of an object store says little.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in
        std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string)
    {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

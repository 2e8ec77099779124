//! Why a file of changes cannot be written, read or trusted.

use crate::blame::Blame;
use crate::postgres::PostgresError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file of changes cannot be written, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// The file system fails.
    #[error("{path} cannot be {done}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was to be done with it.
        done: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A file is not the one that its epoch was committed with.
    #[error(
        "{path} is damaged: {why}. Restore it from a copy, or move it away: the program goes on \
         without it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it shows.
        why: String,
    },
    /// There are files of another history.
    #[error(
        "{path} is of another history of the job{}, as of another deployment, or of before its \
         progress was lost; nobody could tell its rows from those of \
         this one. Set another files.dir, or move the files away",
        found.as_ref().map_or(String::new(), |found| format!(", {found}"))
    )]
    OtherHistory {
        /// The newest file.
        path: PathBuf,
        /// Its history, by the first digits, where it says it.
        found: Option<String>,
    },
    /// Another instance has them.
    #[error(
        "another instance writes its files of changes into {0}: end that one first, or set another \
         files.dir"
    )]
    Held(PathBuf),
    /// The results do not fit the configured lists.
    #[error(transparent)]
    Rows(#[from] PostgresError),
}

impl ChangesError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            ChangesError::Io { .. } => Blame::World,
            ChangesError::Held(_) => Blame::Another,
            ChangesError::Damaged { .. } | ChangesError::OtherHistory { .. } => Blame::Lasting,
            ChangesError::Rows(error) => error.blame(),
        }
    }
}

pub(super) fn failed(path: &Path, done: &'static str) -> impl FnOnce(io::Error) -> ChangesError {
    let path = path.to_path_buf();
    move |source| ChangesError::Io { path, done, source }
}

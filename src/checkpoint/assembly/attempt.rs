//! One checkpoint that is being put together, and why it may be given up.

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::manifest::File;
use crate::checkpoint::saver::{CommonPiece, Pause};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A checkpoint that is being written.
pub(super) struct Attempt {
    pub(super) epoch: u64,
    pub(super) started: Instant,
    /// Of this process, each with its shard.
    pub(super) files: Vec<(u16, File)>,
    /// Those that are not written yet: names and contents.
    pub(super) unwritten: Vec<(String, Bytes)>,
    /// Workers of this process that have handed over everything.
    pub(super) done: BTreeSet<usize>,
    /// The longest turn of one of them.
    pub(super) longest: Pause,
    /// On process 0: what belongs to no customer, with its file.
    pub(super) shared: Option<(CommonPiece, File)>,
    /// What the tables must hold, where a verification leaves it.
    pub(super) tables: Vec<File>,
    /// On process 0: what the others have written, as far as they have told.
    pub(super) parts: BTreeMap<usize, Vec<(u16, File)>>,
}

/// Why a checkpoint is abandoned.
#[derive(Debug, thiserror::Error)]
pub enum Abandoned {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] CheckpointError),
    /// The next one has begun.
    #[error("the checkpoint of epoch {0} has begun")]
    Overtaken(u64),
    /// The one before is missing.
    #[error("it holds only changes, and the checkpoint that they add to is not there")]
    Baseless,
    /// A fault of the program.
    #[error("shard {0} was handed over twice, where each belongs to one worker")]
    Twice(u16),
    /// A fault of the program.
    #[error("its manifest would not be consistent: {0}")]
    Inconsistent(String),
    /// Another process failed.
    #[error("process {process} could not write its part: {why}")]
    Elsewhere {
        /// Which.
        process: usize,
        /// What it says.
        why: String,
    },
}

impl Attempt {
    pub(super) fn new(epoch: u64) -> Self {
        let (files, unwritten, done) = (Vec::new(), Vec::new(), BTreeSet::new());
        Attempt {
            epoch,
            started: Instant::now(),
            files,
            unwritten,
            done,
            longest: Pause::default(),
            shared: None,
            tables: Vec::new(),
            parts: BTreeMap::new(),
        }
    }

    /// Files of shards that were written for it, here and elsewhere.
    pub(super) fn written(&self) -> impl Iterator<Item = &(u16, File)> {
        self.files.iter().chain(self.parts.values().flatten())
    }
}

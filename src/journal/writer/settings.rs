//! What the writer must be told.

use crate::sink::rows::{Wording, Wordless};
use crate::source::{TopicNames, TopicUuids};
use std::path::PathBuf;
use std::sync::Arc;

/// What the writer must be told.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The job.
    pub job: String,
    /// The folder of its checkpoints.
    pub folder: PathBuf,
    /// Names of the topics.
    pub topics: TopicNames,
    /// How notices read back.
    pub wording: Arc<dyn Wording>,
    /// The ids of the topics as they now are.
    pub now: TopicUuids,
    /// Epochs from before the oldest checkpoint that may be there before the journal is written
    /// anew without them.
    pub prune_at: usize,
    /// Bytes from which on it is written anew without them, be they ever so few.
    pub prune_at_bytes: u64,
    /// Whether everything will be forgotten at once, so that nothing of what was before need be
    /// sound but the journal itself.
    pub anew: bool,
}

impl JournalSettings {
    /// For a job whose checkpoints are in a folder, with the default of everything else.
    pub fn new(job: &str, folder: PathBuf) -> Self {
        let topics = TopicNames::own(dataflows::topics());
        JournalSettings {
            job: job.to_string(),
            folder,
            topics,
            wording: Arc::new(Wordless),
            now: TopicUuids::UNKNOWN,
            prune_at: 1024,
            prune_at_bytes: 64 << 20,
            anew: false,
        }
    }
}

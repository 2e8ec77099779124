//! What the configuration says of the journal.

use crate::config::types::Config;
use std::path::PathBuf;

impl Config {
    /// Where the journal of a job without a database lies; `None` where a database keeps the
    /// progress, or where there can be none.
    pub fn journal_folder(&self) -> Option<PathBuf> {
        self.job_folder().filter(|_| self.postgres.url.is_empty())
    }
}

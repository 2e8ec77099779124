//! What the configuration says of checkpoints.

use crate::config::location::Location;
use crate::config::types::Config;
use std::path::PathBuf;

impl Config {
    /// The job's own folder among the checkpoints; `None` where they are in an object store.
    pub fn job_folder(&self) -> Option<PathBuf> {
        match &self.checkpoint.dir {
            Location::Folder(dir) => Some(dir.join(&self.job)),
            Location::Url(_) => None,
        }
    }
}

//! Where files go: folders and object stores are tried by writing, reading back and removing.

use super::{Finding, Probe};
use crate::config::location::Location;
use crate::durable;
use std::path::PathBuf;

/// Makes sure that a directory is there, or can be made, and keeps files.
pub(super) struct DirectoryProbe {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

impl Probe for DirectoryProbe {
    fn name(&self) -> &'static str {
        self.name
    }

    fn target(&self) -> String {
        self.path.display().to_string()
    }

    fn probe(&self) -> Vec<Finding> {
        vec![durable::try_out(&self.path).map_or_else(Finding::fault, Finding::ok)]
    }
}

/// Makes sure that an object store takes files, gives them back and removes them.
pub(super) struct ObjectStoreProbe {
    pub(super) location: Location,
}

impl Probe for ObjectStoreProbe {
    fn name(&self) -> &'static str {
        "checkpoints"
    }

    fn target(&self) -> String {
        self.location.to_string()
    }

    fn probe(&self) -> Vec<Finding> {
        vec![self.location.try_out().map_or_else(Finding::fault, Finding::ok)]
    }
}

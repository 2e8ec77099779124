//! Which checkpoint a start goes on from, and why others are passed over.

use super::{Checkpoints, Listed};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::manifest::{File, Manifest, OLDEST_FORMAT};
use crate::checkpoint::names;
use std::collections::BTreeMap;

/// What a search for a checkpoint comes to.
#[derive(Debug)]
pub struct Selection<S> {
    /// The one to go on from.
    pub manifest: Option<Manifest>,
    /// The settings that it was taken under, where they are others than the job's.
    pub former: Option<S>,
    /// Newer ones, which are not.
    pub passed_over: Vec<PassedOver>,
}

impl<S> Default for Selection<S> {
    fn default() -> Self {
        Selection { manifest: None, former: None, passed_over: Vec::new() }
    }
}

/// A checkpoint that is not gone on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    pub(super) epoch: u64,
    said: String,
}

impl PassedOver {
    /// One of an epoch, with the reason.
    pub fn new(epoch: u64, said: String) -> PassedOver {
        PassedOver { epoch, said }
    }

    /// Says why.
    pub fn warn(&self) {
        tracing::warn!(epoch = self.epoch, "{}", self.said);
    }
}

impl Checkpoints {
    /// The newest complete checkpoint. A damaged one is warned of and the one before it taken.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] of a newer version and [`CheckpointError::Foreign`], which no
    /// older one would mend, and [`CheckpointError::Store`].
    pub fn newest(&self) -> Result<Option<Manifest>, CheckpointError> {
        let found = self.find::<()>(u64::MAX, |_| None, |_| None, |_, _| None)?;
        found.passed_over.iter().for_each(PassedOver::warn);
        Ok(found.manifest)
    }

    /// The newest checkpoint of an epoch up to `at_most` that nothing is found to be wrong with.
    /// One that `strange` gives a reason for is of another history: it is passed over like one
    /// whose epoch is not committed. One of another configuration is taken where that is a `former`
    /// one, which may be changed to that of the job. What is `unsound` in the files of one, for its
    /// configuration, only whoever knows what they hold can tell.
    ///
    /// # Errors
    /// As for [`newest`](Checkpoints::newest).
    pub fn find<S>(
        &self,
        at_most: u64,
        strange: impl Fn(&Manifest) -> Option<String>,
        former: impl Fn(&Manifest) -> Option<S>,
        unsound: impl Fn(&Manifest, Option<&S>) -> Option<CheckpointError>,
    ) -> Result<Selection<S>, CheckpointError> {
        let mut passed_over = Vec::new();
        for Listed { epoch, manifest, problem, .. } in self.list()? {
            if epoch > at_most {
                let said = format!(
                    "A checkpoint is passed over: its epoch is not committed, for the last one \
                     that is is {at_most}."
                );
                passed_over.push(PassedOver { epoch, said });
                continue;
            }
            if let Some(why) = manifest.as_ref().and_then(&strange) {
                passed_over.push(PassedOver {
                    epoch,
                    said: format!("A checkpoint is passed over: {why}."),
                });
                continue;
            }
            let former = match (&problem, &manifest) {
                (Some(CheckpointError::Foreign { .. }), Some(manifest)) => former(manifest),
                _ => None,
            };
            let problem = problem.filter(|_| former.is_none());
            match problem.or_else(|| {
                manifest.as_ref().and_then(|manifest| unsound(manifest, former.as_ref()))
            }) {
                Some(problem) if problem.is_damage() => {
                    let said = format!(
                        "A checkpoint cannot be used, and the one before it is tried: {problem}."
                    );
                    passed_over.push(PassedOver { epoch, said });
                }
                // Everything that it covers is recorded, or else it is said what is missing.
                Some(CheckpointError::Format { object, found }) if found < OLDEST_FORMAT => {
                    let said = format!(
                        "A checkpoint is passed over: {object} has format {found}, of a version \
                         before, which is read no more. The epochs since the one \
                         before it, or since the first, are repeated from the topics."
                    );
                    passed_over.push(PassedOver { epoch, said });
                }
                Some(problem) => return Err(problem),
                None => return Ok(Selection { manifest, former, passed_over }),
            }
        }
        Ok(Selection { manifest: None, former: None, passed_over })
    }

    /// A file of the checkpoint that is not there, or not as long as it should be, nor its twin.
    pub(super) fn absence(
        &self,
        manifest: &Manifest,
        lengths: &BTreeMap<String, u64>,
    ) -> Option<CheckpointError> {
        let has_twin = |file: &File| lengths.get(&names::twin(&file.name)) == Some(&file.bytes);
        manifest.files().filter(|(_, file)| !has_twin(file)).find_map(|(_, file)| {
            let object = || self.store.object(&self.name(&file.name));
            match lengths.get(&file.name) {
                None => Some(CheckpointError::Missing { object: object() }),
                Some(found) if *found != file.bytes => {
                    let why = format!("it has {found} bytes, and the manifest says {}", file.bytes);
                    Some(CheckpointError::Damaged { object: object(), why })
                }
                Some(_) => None,
            }
        })
    }

    /// What differs between the configuration of a checkpoint and that of the job.
    pub(super) fn foreign(&self, manifest: &Manifest) -> Option<CheckpointError> {
        let differences = manifest.fingerprint.differences(&self.fingerprint);
        let object = || self.store.object(&self.name(&names::manifest(manifest.epoch)));
        (!differences.is_empty())
            .then(|| CheckpointError::Foreign { object: object(), differences })
    }
}

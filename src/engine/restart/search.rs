//! The search for the checkpoint that a job goes on from: what it knows of the settings, and what
//! these have to do with each checkpoint.

use super::error::RestartError;
use super::found::{find, strange};
use super::{Restart, Sources};
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest, Selection};
use crate::engine::reconfiguring::{self, WantedSettings};
use crate::engine::soundness;
use crate::hosting::Hosted;
use crate::sink::RecordedEpoch;
use crate::sink::applied::AppliedSettings;

/// What the search knows.
pub(super) struct CheckpointSearch<'a, D: Hosted> {
    pub(super) sources: &'a Sources<'a>,
    pub(super) wanted: &'a WantedSettings<'a, D::Settings>,
    /// The settings that the epochs were computed with.
    pub(super) applied: &'a AppliedSettings<D::Settings>,
    /// Those that are to be given up, where they are.
    pub(super) given_up: Option<&'a D::Settings>,
    /// The last committed epoch.
    pub(super) progress: u64,
    /// What was found before, and need not be looked at again.
    pub(super) before: Option<&'a Restart>,
}

impl<D: Hosted> CheckpointSearch<'_, D> {
    /// The newest sound checkpoint in the first of these places that has one.
    pub(super) fn find(
        &self,
        places: &[Checkpoints],
        recorded: &[RecordedEpoch],
    ) -> Result<Selection<D::Settings>, CheckpointError> {
        find(
            places,
            self.progress,
            |manifest| strange(manifest, recorded),
            |manifest| self.former_of(manifest),
            |manifest, former| self.unsound(manifest, former),
        )
    }

    /// The settings that a checkpoint was taken under, where they are others than the job's.
    fn former_of(&self, manifest: &Manifest) -> Option<D::Settings> {
        match self.given_up {
            Some(given_up) => {
                (D::fingerprint(given_up) == manifest.fingerprint).then(|| given_up.clone())
            }
            None => reconfiguring::turned::<D>(
                self.applied,
                self.progress,
                manifest,
                self.wanted.settings,
            ),
        }
    }

    fn unsound(
        &self,
        manifest: &Manifest,
        former: Option<&D::Settings>,
    ) -> Option<CheckpointError> {
        let settings = former.unwrap_or(self.wanted.settings);
        let look = || soundness::unsound::<D>(self.sources.checkpoints, manifest, settings);
        if self.is_known(manifest) { None } else { look() }
    }

    fn is_known(&self, manifest: &Manifest) -> bool {
        self.before.and_then(|before| before.manifest.as_ref()) == Some(manifest)
    }

    /// Makes sure that settings can be given up for the others: by the checkpoint of the last
    /// epoch, which must be the one that was found.
    pub(super) fn check_given_up(
        &self,
        job: &str,
        found: Option<&Manifest>,
    ) -> Result<(), RestartError> {
        match (found, self.given_up) {
            (_, None) => Ok(()),
            (Some(manifest), Some(_))
                if manifest.epoch == self.progress && self.is_known(manifest) =>
            {
                Ok(())
            }
            (Some(manifest), Some(given_up)) if manifest.epoch == self.progress => {
                let (checkpoints, wanted) = (self.sources.checkpoints, self.wanted.settings);
                reconfiguring::inspect::<D>(checkpoints, manifest, given_up, wanted)
            }
            (newest, Some(_)) => Err(RestartError::Uncheckpointed {
                job: job.to_string(),
                epoch: self.progress,
                newest: newest.map(|manifest| manifest.epoch),
            }),
        }
    }
}

//! Which checkpoints go, and the files that no other one names.

use super::Checkpoints;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::manifest::{Manifest, OLDEST_FORMAT};
use crate::checkpoint::names;
use std::collections::{BTreeMap, BTreeSet};

impl Checkpoints {
    /// Removes what is no longer needed: all but the newest `keep` complete checkpoints, those
    /// older than the newest that erases, and every file that none of the kept ones names, unless
    /// it is newer than the newest: that may be on its way into the next. Says which is the oldest
    /// that is kept.
    ///
    /// # Errors
    /// [`CheckpointError::Store`]; [`CheckpointError::Format`] where a manifest cannot be read, so
    /// that nobody knows what it names.
    pub fn prune(&self, keep: usize) -> Result<Option<u64>, CheckpointError> {
        let mut complete = self.readable()?;
        let lengths: BTreeMap<String, u64> = self.files("")?.into_iter().collect();
        complete.retain(|manifest| self.absence(manifest, &lengths).is_none());
        let erased = complete
            .iter()
            .rev()
            .find(|manifest| manifest.erases)
            .map_or(0, |manifest| manifest.epoch);
        let kept: Vec<&Manifest> = complete
            .iter()
            .rev()
            .take(keep.max(1))
            .filter(|manifest| manifest.epoch >= erased)
            .collect();
        let Some(newest) = kept.first().map(|manifest| manifest.epoch) else { return Ok(None) };
        self.remove_manifests(|epoch| {
            epoch <= newest && !kept.iter().any(|manifest| manifest.epoch == epoch)
        })?;
        self.sweep(&kept, newest)?;
        Ok(kept.last().map(|manifest| manifest.epoch))
    }

    /// Removes every checkpoint older than `epoch` and what only they name, whether it can be read
    /// or not. With `u64::MAX`, everything.
    ///
    /// # Errors
    /// As for [`prune`](Checkpoints::prune).
    pub fn erase_before(&self, epoch: u64) -> Result<(), CheckpointError> {
        self.remove_manifests(|older| older < epoch)?;
        let kept = self.readable()?;
        let newest = kept.last().map_or(epoch, |manifest| manifest.epoch);
        self.sweep(&kept.iter().collect::<Vec<_>>(), newest)
    }

    /// Removes the checkpoints that a restart from `base` has passed over, now that one of `epoch`
    /// is there: they are damaged, or of a history that was not gone on with.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub(in crate::checkpoint) fn remove_passed_over(
        &self,
        base: u64,
        epoch: u64,
    ) -> Result<(), CheckpointError> {
        self.remove_manifests(|other| other > base && other != epoch)
    }

    /// Removes what the processes of an earlier start have written for one another.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub(in crate::checkpoint) fn clear_parts(&self) -> Result<(), CheckpointError> {
        self.delete(self.files(names::PARTS)?.into_iter().map(|(name, _)| name))
    }

    /// Whether any is of a version before, which cannot be read any more.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub(in crate::checkpoint) fn are_outdated(&self) -> Result<bool, CheckpointError> {
        for epoch in self.epochs()? {
            match self.manifest(epoch) {
                Err(CheckpointError::Format { found, .. }) if found < OLDEST_FORMAT => {
                    return Ok(true);
                }
                Err(error @ CheckpointError::Store { .. }) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(false)
    }

    /// The manifests that can be read, oldest first.
    fn readable(&self) -> Result<Vec<Manifest>, CheckpointError> {
        let mut readable = Vec::new();
        for epoch in self.epochs()? {
            match self.manifest(epoch) {
                Ok(manifest) => readable.push(manifest),
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(readable)
    }

    /// Removes the manifests of epochs for which `goes` holds.
    fn remove_manifests(&self, goes: impl Fn(u64) -> bool) -> Result<(), CheckpointError> {
        self.delete(self.epochs()?.into_iter().filter(|epoch| goes(*epoch)).map(names::manifest))
    }

    /// Removes every file up to an epoch that none of these manifests names.
    fn sweep(&self, kept: &[&Manifest], newest: u64) -> Result<(), CheckpointError> {
        let named: Vec<&str> = kept
            .iter()
            .flat_map(|manifest| manifest.files().map(|(_, file)| file.name.as_str()))
            .collect();
        let named: BTreeSet<String> =
            named.into_iter().flat_map(|name| [name.to_string(), names::twin(name)]).collect();
        let manifests: BTreeSet<String> = self.epochs()?.into_iter().map(names::manifest).collect();
        let is_old = |name: &str| names::epoch_of(name).is_some_and(|epoch| epoch <= newest);
        let goes =
            |name: &String| is_old(name) && !named.contains(name) && !manifests.contains(name);
        self.delete(self.files("")?.into_iter().map(|(name, _)| name).filter(goes))
    }

    fn delete(&self, names: impl Iterator<Item = String>) -> Result<(), CheckpointError> {
        self.store.delete(&names.map(|name| self.name(&name)).collect::<Vec<_>>())
    }
}

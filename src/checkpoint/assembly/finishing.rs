//! The end of a checkpoint: its parts gathered, its manifest written, what is needless removed.

use super::Assembly;
use super::attempt::{Abandoned, Attempt};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::manifest::{FORMAT, File, FileKind, Manifest};
use crate::checkpoint::saver::CommonPiece;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

impl Assembly {
    /// Whether the checkpoint is finished.
    pub(super) fn finish(&mut self, attempt: &mut Attempt) -> Result<bool, Abandoned> {
        let is_written = self.is_first() && attempt.done.len() == self.settings.workers;
        if !is_written
            || self.committed.load(Ordering::Acquire) < attempt.epoch
            || !self.gather(attempt)?
        {
            return Ok(false);
        }
        let Some((shared, file)) = &attempt.shared else { return Ok(false) };
        let manifest = self.manifest(attempt, shared, file.clone())?;
        self.patiently(|| self.checkpoints.commit(&manifest))?;
        let of_shards: u64 = attempt.written().map(|(_, file)| file.bytes).sum();
        tracing::info!(
            epoch = manifest.epoch,
            bytes = of_shards + manifest.shared.bytes,
            shards = attempt.written().count(),
            full = shared.full,
            seconds = attempt.started.elapsed().as_secs_f64(),
            longest_pause = ?attempt.longest.took,
            longest_work = ?attempt.longest.worked,
            "A checkpoint is complete."
        );
        let erases = manifest.erases;
        let passed_over_after = self.former.as_ref().map_or(0, |former| former.epoch);
        self.saved.complete(attempt.epoch, manifest.created);
        self.former = Some(manifest);
        self.clean(passed_over_after, attempt.epoch, erases);
        Ok(true)
    }

    /// Looks for what the other processes have written; whether all have told.
    fn gather(&self, attempt: &mut Attempt) -> Result<bool, Abandoned> {
        for process in 1..self.settings.processes {
            if attempt.parts.contains_key(&process) {
                continue;
            }
            let Some(part) = self.patiently(|| self.checkpoints.part(attempt.epoch, process))?
            else {
                return Ok(false);
            };
            let files = part.files.map_err(|why| Abandoned::Elsewhere { process, why })?;
            attempt.parts.insert(process, files);
        }
        Ok(true)
    }

    /// The manifest: chains of the former one, and what has been written since.
    fn manifest(
        &self,
        attempt: &Attempt,
        shared: &CommonPiece,
        file: File,
    ) -> Result<Manifest, Abandoned> {
        let former = self.former.as_ref().filter(|_| !shared.full);
        if !shared.full && (former.is_none() || self.saved.needs_full()) {
            return Err(Abandoned::Baseless);
        }
        let mut shards = former.map(|former| former.shards.clone()).unwrap_or_default();
        let mut seen = BTreeSet::new();
        for (shard, file) in attempt.written() {
            if !seen.insert(shard) {
                return Err(Abandoned::Twice(*shard));
            }
            match file.kind {
                FileKind::Base => drop(shards.insert(*shard, vec![file.clone()])),
                FileKind::Delta => {
                    shards.get_mut(shard).ok_or(Abandoned::Baseless)?.push(file.clone())
                }
            }
        }
        let manifest = Manifest {
            format: FORMAT,
            job: self.checkpoints.job().to_string(),
            identity: self.checkpoints.identity(),
            follows_unnamed: self.follows_unnamed,
            fingerprint: self.checkpoints.fingerprint().clone(),
            epoch: attempt.epoch,
            digest: shared.digest,
            chain: shared.chain,
            topic_ids: shared.topic_ids,
            watermark: shared.watermark,
            offsets: shared.offsets.clone(),
            created: Timestamp::now(),
            customers: shared.customers,
            erases: shared.erases,
            shared: file,
            shards,
            tables: attempt.tables.clone(),
        };
        match manifest.fault() {
            Some(fault) => Err(Abandoned::Inconsistent(fault)),
            None => Ok(manifest),
        }
    }

    /// Removes what the new checkpoint makes needless. What fails here is made up for after the
    /// next checkpoint.
    fn clean(&mut self, passed_over_after: u64, epoch: u64, erases: bool) {
        let cleaned = self.remove_needless(passed_over_after, epoch);
        match cleaned {
            Ok(oldest) => self.saved.begins_with(oldest.unwrap_or(0)),
            Err(error) if erases => {
                self.saved.erasure_failed();
                tracing::error!(
                    epoch,
                    "Older checkpoints still hold customers that were erased: they are not \
                     removed, and will be after the next one: {error}."
                );
            }
            Err(error) => tracing::warn!(
                epoch,
                "Older checkpoints are not removed, and will be after the next one: {error}."
            ),
        }
    }

    /// Says which is the oldest that is kept.
    fn remove_needless(
        &mut self,
        passed_over_after: u64,
        epoch: u64,
    ) -> Result<Option<u64>, CheckpointError> {
        if self.follows_unnamed {
            self.checkpoints.unnamed().erase_before(u64::MAX)?;
            self.follows_unnamed = false;
        }
        self.checkpoints.remove_passed_over(passed_over_after, epoch)?;
        self.checkpoints.prune(self.settings.keep)
    }
}

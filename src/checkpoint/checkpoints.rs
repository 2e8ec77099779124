//! The checkpoints of a history: which there are, what is in them, which may go. Those of any other
//! history beside them are only looked at.

mod finding;
mod pruning;
mod reading;

pub use finding::{PassedOver, Selection};

use super::error::CheckpointError;
use super::manifest::{File, FileKind, Manifest, Part};
use super::store::Store;
use super::{names, pack};
use crate::config::location::Location;
use crate::fingerprint::Fingerprint;
use crate::sink::Link;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of a manifest or part at most; what a chain of a thousand files for each shard takes.
const TEXT_LIMIT: u64 = 64 << 20;

/// Files that are read at once to verify a checkpoint: an object store takes long for each.
const READ_AT_ONCE: usize = 8;

/// The checkpoints of one history of a job in a store.
#[derive(Clone)]
pub struct Checkpoints {
    store: Arc<dyn Store>,
    job: String,
    fingerprint: Fingerprint,
    /// Their folder: that of the job, with one for the history in it.
    folder: String,
    /// The history; none for the checkpoints of before histories had folders, which lie in the
    /// job's.
    identity: Option<Link>,
}

/// A checkpoint that is there.
#[derive(Debug)]
pub struct Listed {
    /// Its epoch, by the manifest's name.
    pub epoch: u64,
    /// The first digits of its history's identity; none where it has no folder of its own.
    pub history: Option<String>,
    /// The manifest, where it can be read.
    pub manifest: Option<Manifest>,
    /// Why a restart cannot go on from it; `None` for a complete one. What is in its files has not
    /// been looked at.
    pub problem: Option<CheckpointError>,
}

impl Checkpoints {
    /// Those of a job at a location, for a job configured so, that are of before histories had
    /// folders; [`of`](Checkpoints::of) has those of a history.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn open(
        location: &Location,
        job: &str,
        fingerprint: Fingerprint,
    ) -> Result<Self, CheckpointError> {
        Ok(Checkpoints::over(location.open()?, job, fingerprint))
    }

    /// The same, in a store.
    pub fn over(store: Arc<dyn Store>, job: &str, fingerprint: Fingerprint) -> Self {
        Checkpoints {
            store,
            job: job.to_string(),
            fingerprint,
            folder: job.to_string(),
            identity: None,
        }
    }

    /// Those of a history of the job.
    pub fn of(&self, identity: Link) -> Self {
        Checkpoints { identity: Some(identity), ..self.within(Some(&identity.short())) }
    }

    /// Those of before histories had folders.
    pub fn unnamed(&self) -> Self {
        self.within(None)
    }

    /// Those among which a manifest is.
    pub fn holding(&self, manifest: &Manifest) -> Self {
        manifest.identity.map_or_else(|| self.unnamed(), |identity| self.of(identity))
    }

    /// Those of each history that has any, and of before histories had folders.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub fn histories(&self) -> Result<Vec<Checkpoints>, CheckpointError> {
        let job = self.unnamed();
        let files = job.files("")?;
        let histories: BTreeSet<Option<&str>> =
            files.iter().filter_map(|(name, _)| names::history_of_manifest(name)).collect();
        Ok(histories.into_iter().map(|history| job.within(history)).collect())
    }

    fn within(&self, history: Option<&str>) -> Self {
        let folder =
            history.map_or_else(|| self.job.clone(), |history| format!("{}/{history}", self.job));
        Checkpoints { folder, identity: None, ..self.clone() }
    }

    /// The first digits of their history's identity.
    pub fn history(&self) -> Option<&str> {
        self.folder.strip_prefix(&self.job)?.strip_prefix('/')
    }

    /// Their history, where these are opened as those of one.
    pub fn identity(&self) -> Option<Link> {
        self.identity
    }

    /// The job.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// The configuration that new checkpoints are written for.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Where they lie.
    pub fn address(&self) -> String {
        self.store.object(&self.folder)
    }

    /// Every checkpoint, newest first, each complete or with why not. Lengths are compared,
    /// contents are not.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub fn list(&self) -> Result<Vec<Listed>, CheckpointError> {
        // In this order, everything that a listed manifest names is in the list of files.
        let epochs = self.epochs()?;
        let lengths: BTreeMap<String, u64> = self.files("")?.into_iter().collect();
        let mut listed = Vec::new();
        for epoch in epochs.into_iter().rev() {
            match self.manifest(epoch) {
                Ok(manifest) => {
                    let problem =
                        self.absence(&manifest, &lengths).or_else(|| self.foreign(&manifest));
                    listed.push(Listed {
                        epoch,
                        history: self.own_history(),
                        manifest: Some(manifest),
                        problem,
                    });
                }
                // Pruned since the epochs were listed.
                Err(CheckpointError::Missing { .. }) => {}
                Err(error @ CheckpointError::Store { .. }) => return Err(error),
                Err(problem) => listed.push(Listed {
                    epoch,
                    history: self.own_history(),
                    manifest: None,
                    problem: Some(problem),
                }),
            }
        }
        Ok(listed)
    }

    fn own_history(&self) -> Option<String> {
        self.history().map(str::to_string)
    }

    /// Writes a manifest, with which the checkpoint is there. Every file that it names must be
    /// written, and its epoch committed.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub fn commit(&self, manifest: &Manifest) -> Result<(), CheckpointError> {
        self.put(&[(names::manifest(manifest.epoch), manifest.to_text().into())])
    }

    /// Compresses a content, and describes the file that it makes under this name.
    pub(super) fn pack(
        &self,
        name: String,
        kind: FileKind,
        epoch: u64,
        customers: u64,
        content: &[u8],
    ) -> Result<(File, Bytes), CheckpointError> {
        let failed = |source: std::io::Error| CheckpointError::Store {
            object: self.store.object(&self.name(&name)),
            done: "compressed",
            source: source.into(),
        };
        let packed = pack::pack(content).map_err(failed)?;
        let (bytes, raw_bytes, crc32) =
            (packed.len() as u64, content.len() as u64, crc32fast::hash(&packed));
        Ok((File { name, bytes, raw_bytes, crc32, kind, epoch, customers }, packed.into()))
    }

    /// Writes what a process has written.
    pub(super) fn write_part(&self, part: &Part) -> Result<(), CheckpointError> {
        self.put(&[(names::part(part.epoch, part.process), part.to_text().into())])
    }

    /// What a process has written for a checkpoint; `None` as long as it has not told.
    pub(super) fn part(&self, epoch: u64, process: usize) -> Result<Option<Part>, CheckpointError> {
        let name = self.name(&names::part(epoch, process));
        let text = match self.store.get(&name, TEXT_LIMIT) {
            Err(CheckpointError::Missing { .. }) => return Ok(None),
            read => read?,
        };
        let damaged = |why| CheckpointError::Damaged { object: self.store.object(&name), why };
        let part = Part::from_text(&text).map_err(damaged)?;
        match (part.epoch, part.process) == (epoch, process) {
            true => Ok(Some(part)),
            false => {
                Err(damaged(format!("it is of epoch {} and process {}", part.epoch, part.process)))
            }
        }
    }

    /// Epochs that have a manifest, oldest first.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub fn epochs(&self) -> Result<Vec<u64>, CheckpointError> {
        let is_manifest =
            |name: &str| names::epoch_of(name).filter(|epoch| names::manifest(*epoch) == name);
        Ok(self.files(names::MANIFESTS)?.iter().filter_map(|(name, _)| is_manifest(name)).collect())
    }

    /// Names below their folder, with their lengths.
    fn files(&self, folder: &str) -> Result<Vec<(String, u64)>, CheckpointError> {
        let folder = if folder.is_empty() { self.folder.clone() } else { self.name(folder) };
        let below =
            |name: &str| name.strip_prefix(&self.folder)?.strip_prefix('/').map(str::to_string);
        Ok(self
            .store
            .list(&folder)?
            .into_iter()
            .filter_map(|entry| Some((below(&entry.name)?, entry.bytes)))
            .collect())
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Writes files.
    pub(super) fn put(&self, files: &[(String, Bytes)]) -> Result<(), CheckpointError> {
        let files: Vec<(String, Bytes)> =
            files.iter().map(|(name, content)| (self.name(name), content.clone())).collect();
        self.store.put(&files)
    }
}

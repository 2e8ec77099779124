//! The checkpoints of a history: which there are, what is in them, which may go. Those of any other
//! history beside them are only looked at.

use super::at_once::at_once;
use super::error::CheckpointError;
use super::fingerprint::Fingerprint;
use super::manifest::{File, Kind, Manifest, OLDEST_FORMAT, Part, Unreadable};
use super::store::Store;
use super::{names, pack};
use crate::config::location::Location;
use crate::sink::Link;
use bytes::Bytes;
use dataflows::codec::Aligned;
use dataflows::settings::Settings;
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

/// What a search for a checkpoint comes to.
#[derive(Debug, Default)]
pub struct Found {
    /// The one to go on from.
    pub manifest: Option<Manifest>,
    /// The settings that it was taken under, where they are others than the job's.
    pub former: Option<Settings>,
    /// Newer ones, which are not.
    pub passed_over: Vec<PassedOver>,
}

/// A checkpoint that is not gone on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    epoch: u64,
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

    /// The newest complete checkpoint. A damaged one is warned of and the one before it taken.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] of a newer version and [`CheckpointError::Foreign`], which no older one would mend, and [`CheckpointError::Store`].
    pub fn newest(&self) -> Result<Option<Manifest>, CheckpointError> {
        let found = self.find(u64::MAX, |_| None, |_| None, |_, _| None)?;
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
    pub fn find(
        &self,
        at_most: u64,
        strange: impl Fn(&Manifest) -> Option<String>,
        former: impl Fn(&Manifest) -> Option<Settings>,
        unsound: impl Fn(&Manifest, Option<&Settings>) -> Option<CheckpointError>,
    ) -> Result<Found, CheckpointError> {
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
                None => return Ok(Found { manifest, former, passed_over }),
            }
        }
        Ok(Found { manifest: None, former: None, passed_over })
    }

    /// The manifest of an epoch.
    ///
    /// # Errors
    /// It is missing, damaged or of another format, or the store fails.
    pub fn manifest(&self, epoch: u64) -> Result<Manifest, CheckpointError> {
        let name = self.name(&names::manifest(epoch));
        let text = self.store.get(&name, TEXT_LIMIT)?;
        let object = self.store.object(&name);
        match Manifest::from_text(&text) {
            Ok(manifest)
                if (manifest.epoch, manifest.job.as_str()) == (epoch, self.job.as_str())
                    && self.holds(&manifest) =>
            {
                Ok(manifest)
            }
            Ok(manifest) => {
                let history = manifest
                    .identity
                    .map_or(String::new(), |identity| format!(" and history {identity}"));
                let why = format!(
                    "it is the manifest of epoch {} of job {:?}{history}",
                    manifest.epoch, manifest.job
                );
                Err(CheckpointError::Damaged { object, why })
            }
            Err(Unreadable::Damaged(why)) => Err(CheckpointError::Damaged { object, why }),
            Err(Unreadable::Format(found)) => Err(CheckpointError::Format { object, found }),
        }
    }

    /// Whether a manifest that lies here is of the history that is meant.
    fn holds(&self, manifest: &Manifest) -> bool {
        manifest.identity.map(|identity| identity.short()).as_deref() == self.history()
            && self.identity.is_none_or(|identity| manifest.identity == Some(identity))
    }

    fn own_history(&self) -> Option<String> {
        self.history().map(str::to_string)
    }

    /// The content of a file as it was written; where it is missing or damaged, its twin's.
    ///
    /// # Errors
    /// Both are missing or damaged, or the store fails.
    pub fn read(&self, file: &File) -> Result<Aligned, CheckpointError> {
        self.read_as(&file.name, file).or_else(|problem| {
            let twin = names::twin(&file.name);
            match self.read_as(&twin, file) {
                Ok(content) if problem.is_damage() => {
                    let twin = self.store.object(&self.name(&twin));
                    tracing::warn!(
                        "A file of a checkpoint cannot be used, and its twin is: \
                        {problem}; copy {twin} over it."
                    );
                    Ok(content)
                }
                _ => Err(problem),
            }
        })
    }

    fn read_as(&self, name: &str, file: &File) -> Result<Aligned, CheckpointError> {
        let name = self.name(name);
        let packed = self.store.get(&name, file.bytes)?;
        pack::unpack(file, &packed)
            .map_err(|why| CheckpointError::Damaged { object: self.store.object(&name), why })
    }

    /// What `look` makes of each shard and the files to read of it, of which some are looked at at
    /// once; the first error where there is any.
    ///
    /// # Errors
    /// That of `look`.
    pub fn each_shard<T: Send>(
        &self,
        manifest: &Manifest,
        look: impl Fn(u16, &[File]) -> Result<T, CheckpointError> + Sync,
    ) -> Result<Vec<T>, CheckpointError> {
        let (mut all, shards) = (Vec::new(), manifest.shards.iter().collect::<Vec<_>>());
        for some in shards.chunks(READ_AT_ONCE) {
            let looked = at_once(some, |(shard, chain)| look(**shard, chain));
            all.extend(looked.into_iter().collect::<Result<Vec<_>, _>>()?);
        }
        Ok(all)
    }

    /// What keeps a checkpoint from being read: every file is read, and compared with its checksum.
    pub fn unsound(&self, manifest: &Manifest) -> Option<CheckpointError> {
        self.reading(manifest, |file| self.read(file).err(), |_| ()).into_iter().next()
    }

    /// How a file is named in what is said of it.
    pub fn object(&self, file: &File) -> String {
        self.store.object(&self.name(&file.name))
    }

    /// Reads every file of a checkpoint and each twin that is there, and tells what is wrong,
    /// though a restart may go on with one of the two. `read` is told the bytes of a few files each
    /// time that they have been read.
    pub fn verify(&self, manifest: &Manifest, read: impl FnMut(u64)) -> Vec<CheckpointError> {
        let twin = |file: &File| match self.read_as(&names::twin(&file.name), file) {
            // A version that wrote no twins has left none.
            Ok(_) | Err(CheckpointError::Missing { .. }) => None,
            Err(problem) => Some(problem),
        };
        self.reading(
            manifest,
            |file| {
                self.read_as(&file.name, file)
                    .err()
                    .into_iter()
                    .chain(twin(file))
                    .collect::<Vec<_>>()
            },
            read,
        )
    }

    /// What is found in the files of a checkpoint, of which a few are read at once.
    fn reading<F>(
        &self,
        manifest: &Manifest,
        find: impl Fn(&File) -> F + Sync,
        mut read: impl FnMut(u64),
    ) -> Vec<CheckpointError>
    where
        F: IntoIterator<Item = CheckpointError> + Send,
    {
        let mut problems = Vec::new();
        let files: Vec<&File> = manifest.files().map(|(_, file)| file).collect();
        for some in files.chunks(READ_AT_ONCE) {
            let found = at_once(some, |file| find(file));
            problems.extend(found.into_iter().flatten());
            read(some.iter().map(|file| file.bytes).sum());
        }
        problems
    }

    /// Writes a manifest, with which the checkpoint is there. Every file that it names must be
    /// written, and its epoch committed.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub fn commit(&self, manifest: &Manifest) -> Result<(), CheckpointError> {
        self.put(&[(names::manifest(manifest.epoch), manifest.to_text().into())])
    }

    /// Removes what is no longer needed: all but the newest `keep` complete checkpoints, those
    /// older than the newest that erases, and every file that none of the kept ones names, unless
    /// it is newer than the newest: that may be on its way into the next. Says which is the oldest
    /// that is kept.
    ///
    /// # Errors
    /// [`CheckpointError::Store`]; [`CheckpointError::Format`] where a manifest cannot be read, so that nobody knows what it names.
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
    pub(super) fn remove_passed_over(&self, base: u64, epoch: u64) -> Result<(), CheckpointError> {
        self.remove_manifests(|other| other > base && other != epoch)
    }

    /// Removes what the processes of an earlier start have written for one another.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub(super) fn clear_parts(&self) -> Result<(), CheckpointError> {
        self.delete(self.files(names::PARTS)?.into_iter().map(|(name, _)| name))
    }

    /// Compresses a content, and describes the file that it makes under this name.
    pub(super) fn pack(
        &self,
        name: String,
        kind: Kind,
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

    /// Whether any is of a version before, which cannot be read any more.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub(super) fn are_outdated(&self) -> Result<bool, CheckpointError> {
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

    /// Epochs that have a manifest, oldest first.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub fn epochs(&self) -> Result<Vec<u64>, CheckpointError> {
        let is_manifest =
            |name: &str| names::epoch_of(name).filter(|epoch| names::manifest(*epoch) == name);
        Ok(self.files(names::MANIFESTS)?.iter().filter_map(|(name, _)| is_manifest(name)).collect())
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

    /// A file of the checkpoint that is not there, or not as long as it should be, nor its twin.
    fn absence(
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
    fn foreign(&self, manifest: &Manifest) -> Option<CheckpointError> {
        let differences = manifest.fingerprint.differences(&self.fingerprint);
        let object = || self.store.object(&self.name(&names::manifest(manifest.epoch)));
        (!differences.is_empty())
            .then(|| CheckpointError::Foreign { object: object(), differences })
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

    fn delete(&self, names: impl Iterator<Item = String>) -> Result<(), CheckpointError> {
        self.store.delete(&names.map(|name| self.name(&name)).collect::<Vec<_>>())
    }
}

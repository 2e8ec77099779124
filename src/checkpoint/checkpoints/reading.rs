//! What is read of checkpoints, whole or shard by shard, and verified.

use super::{Checkpoints, READ_AT_ONCE, TEXT_LIMIT};
use crate::checkpoint::at_once::at_once;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::manifest::{File, Manifest, Unreadable};
use crate::checkpoint::{names, pack};
use dataflows::codec::Aligned;
use dataflows::snapshot::SnapshotError;

impl Checkpoints {
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

    /// What is wrong with no single file of a checkpoint.
    pub fn unfit(&self, manifest: &Manifest, error: &SnapshotError) -> CheckpointError {
        let object = format!("the checkpoint of epoch {} in {}", manifest.epoch, self.address());
        CheckpointError::Damaged { object, why: error.to_string() }
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
}

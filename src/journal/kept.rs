//! Kept records beside a journal: a file an epoch that has any, which lies on the disk before the
//! epoch's line does.
//!
//! ```text
//! <checkpoint.dir>/<job>/kept/00000000000000000007-0123456789abcdef
//! ```
//!
//! It has of each run of records a line of JSON, with its length and checksum, and then its bytes.

use super::error::JournalError;
use crate::durable;
use crate::sink::kept::{KeptAt, KeptReader};
use crate::sink::{Link, SinkError};
use crate::source::TopicNames;
use dataflows::source::{Kept, TopicId};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder in the job's.
const FOLDER: &str = "kept";

/// The line before some records.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    topic: String,
    partition: u32,
    first: u64,
    next: u64,
    bytes: usize,
    crc32: u32,
}

/// The files of a history of a job. A journal that takes the place of another one finds none of
/// that one's: they would be other records.
#[derive(Clone, Debug)]
pub struct KeptFiles {
    folder: PathBuf,
    topics: TopicNames,
    /// The first digits of the history's identity, which stand in the names; none in those of
    /// before they did.
    history: Option<String>,
}

impl KeptFiles {
    /// In the job's folder, of topics with these names; of the history with this identity, and of
    /// before names had one.
    pub fn new(folder: &Path, topics: TopicNames, identity: Option<Link>) -> Self {
        KeptFiles {
            folder: folder.join(FOLDER),
            topics,
            history: identity.map(|identity| identity.short()),
        }
    }

    /// Those of another history of the job.
    pub fn of(&self, identity: Link) -> Self {
        KeptFiles { history: Some(identity.short()), ..self.clone() }
    }

    fn path(&self, epoch: u64) -> PathBuf {
        match &self.history {
            Some(history) => self.folder.join(format!("{epoch:020}-{history}")),
            None => self.unnamed(epoch),
        }
    }

    fn unnamed(&self, epoch: u64) -> PathBuf {
        self.folder.join(format!("{epoch:020}"))
    }

    /// The epoch in a file's name; none where it was written by half, and nothing where it is
    /// another history's.
    fn epoch_of(&self, name: &str) -> Option<Option<u64>> {
        if name.ends_with(durable::TEMPORARY) {
            return Some(None);
        }
        let (digits, history) =
            name.split_once('-').map_or((name, None), |(digits, history)| (digits, Some(history)));
        let is_own = history.is_none_or(|history| self.history.as_deref() == Some(history));
        digits.parse().ok().filter(|_| is_own).map(Some)
    }

    /// Writes what an epoch keeps; when it returns that lies on the disk.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn write(&self, epoch: u64, kept: &[Kept]) -> Result<(), JournalError> {
        let mut content = Vec::new();
        for Kept { topic, partition, from, until, records } in kept {
            let topic = self.topics[*topic].to_string();
            let line = Line {
                topic,
                partition: *partition,
                first: *from,
                next: *until,
                bytes: records.len(),
                crc32: crc32fast::hash(records),
            };
            content.extend(serde_json::to_vec(&line).expect("texts and numbers always are JSON"));
            content.push(b'\n');
            content.extend_from_slice(records);
        }
        let path = self.path(epoch);
        durable::replace(&path, &content).map_err(failed(&path, "written"))
    }

    /// Removes the files of epochs that are `gone`, and what an instance that died while it wrote
    /// has left.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn remove(&self, gone: impl Fn(u64) -> bool) -> Result<(), JournalError> {
        for (epoch, path) in self.there()? {
            if epoch.is_none_or(&gone) {
                durable::remove(&path).map_err(failed(&path, "removed"))?;
            }
        }
        Ok(())
    }

    /// Where everything that is kept of the epochs after `after` lies.
    ///
    /// # Errors
    /// [`JournalError::Io`], [`JournalError::Kept`].
    pub fn all_after(&self, after: u64) -> Result<Vec<KeptAt>, JournalError> {
        let mut all = Vec::new();
        for epoch in self.epochs()?.into_iter().filter(|epoch| *epoch > after) {
            all.extend(self.read(epoch)?.into_iter().map(|(at, _)| at));
        }
        Ok(all)
    }

    /// Every file, with its epoch; of a temporary one without.
    fn there(&self) -> Result<Vec<(Option<u64>, PathBuf)>, JournalError> {
        let failed = || failed(&self.folder, "listed");
        let Some(entries) = durable::present(fs::read_dir(&self.folder)).map_err(failed())? else {
            return Ok(Vec::new());
        };
        let entries: Vec<_> = entries.collect::<io::Result<_>>().map_err(failed())?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| Some((self.epoch_of(entry.file_name().to_str()?)?, entry.path())))
            .collect())
    }

    fn epochs(&self) -> Result<Vec<u64>, JournalError> {
        let mut epochs: Vec<u64> =
            self.there()?.into_iter().filter_map(|(epoch, _)| epoch).collect();
        epochs.sort_unstable();
        epochs.dedup();
        Ok(epochs)
    }

    fn content(&self, epoch: u64) -> Result<Option<(PathBuf, Vec<u8>)>, JournalError> {
        for path in [self.path(epoch), self.unnamed(epoch)] {
            if let Some(content) =
                durable::present(fs::read(&path)).map_err(failed(&path, "read"))?
            {
                return Ok(Some((path, content)));
            }
        }
        Ok(None)
    }

    /// What an epoch has kept; nothing where its file is gone.
    fn read(&self, epoch: u64) -> Result<Vec<(KeptAt, Kept)>, JournalError> {
        let Some((path, content)) = self.content(epoch)? else { return Ok(Vec::new()) };
        let mut kept = Vec::new();
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            let at = content.len() - rest.len();
            let damaged =
                |why: &str| JournalError::Kept { path: path.clone(), at, why: why.to_string() };
            let end = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .ok_or_else(|| damaged("a line has no end"))?;
            let line: Line = serde_json::from_slice(&rest[..end])
                .map_err(|error| damaged(&format!("a line cannot be read: {error}")))?;
            let (records, after) = rest[end + 1..]
                .split_at_checked(line.bytes)
                .ok_or_else(|| damaged("records are missing"))?;
            if crc32fast::hash(records) != line.crc32 {
                return Err(damaged("records are not those that were written"));
            }
            rest = after;
            let Some(topic) = self.topics.named(&line.topic) else { continue };
            let Line { partition, first: from, next: until, .. } = line;
            let records = Kept { topic, partition, from, until, records: records.to_vec() };
            kept.push((KeptAt { epoch, topic, partition, from, until }, records));
        }
        kept.sort_unstable_by_key(|(at, _)| *at);
        Ok(kept)
    }
}

impl KeptReader for KeptFiles {
    fn next(
        &mut self,
        after: KeptAt,
        of: &[(TopicId, u32)],
    ) -> Result<Vec<(KeptAt, Kept)>, SinkError> {
        for epoch in self.epochs()?.into_iter().filter(|epoch| *epoch >= after.epoch) {
            let mut kept = self.read(epoch)?;
            kept.retain(|(at, _)| *at > after && of.contains(&(at.topic, at.partition)));
            if !kept.is_empty() {
                return Ok(kept);
            }
        }
        Ok(Vec::new())
    }
}

fn failed(path: &Path, done: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError::Io { path, done, source }
}

#[cfg(test)]
mod tests;

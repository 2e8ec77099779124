//! Kept records beside a journal: a file an epoch that has any, which lies on the disk before the
//! epoch's line does.
//!
//! ```text
//! <checkpoint.dir>/<job>/kept/00000000000000000007-0123456789abcdef     of each run of records a line of JSON, with its length and checksum, and then its bytes
//! ```

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
mod tests {
    use super::*;
    use dataflows::event::Topic;

    fn kept(partition: u32, from: u64, until: u64) -> Kept {
        Kept {
            topic: Topic::Customers.id(),
            partition,
            from,
            until,
            records: vec![b'\n'; (until - from) as usize],
        }
    }

    fn of(folder: &tempfile::TempDir, identity: Option<Link>) -> KeptFiles {
        KeptFiles::new(folder.path(), TopicNames::own(Topic::ids()), identity)
    }

    fn files() -> (tempfile::TempDir, KeptFiles) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = of(&folder, Some(Link::random()));
        files.write(3, &[kept(0, 5, 9), kept(1, 0, 0)]).expect("it can be written");
        files.write(5, &[kept(0, 9, 11)]).expect("it can be written");
        (folder, files)
    }

    /// Everything of partition 0, a few at a time.
    fn read(files: &KeptFiles, mut after: KeptAt) -> Vec<Kept> {
        let (mut files, mut all) = (files.clone(), Vec::new());
        loop {
            let some = files.next(after, &[(Topic::Customers.id(), 0)]).expect("they can be read");
            let Some((last, _)) = some.last() else { return all };
            after = *last;
            all.extend(some.into_iter().map(|(_, kept)| kept));
        }
    }

    const BEGIN: KeptAt =
        KeptAt { epoch: 0, topic: Topic::Transactions.id(), partition: 0, from: 0, until: 0 };

    #[test]
    fn kept_records_come_back_in_the_order_of_their_epochs() {
        let (_folder, files) = files();
        assert_eq!(read(&files, BEGIN), [kept(0, 5, 9), kept(0, 9, 11)]);
        assert_eq!(read(&files, KeptAt { epoch: 4, ..BEGIN }), [kept(0, 9, 11)]);
        let all: Vec<(u64, u32, u64, u64)> = files
            .all_after(2)
            .expect("they are there")
            .iter()
            .map(|at| (at.epoch, at.partition, at.from, at.until))
            .collect();
        assert_eq!(all, [(3, 0, 5, 9), (3, 1, 0, 0), (5, 0, 9, 11)]);
        assert_eq!(files.all_after(3).expect("they are there").len(), 1);
    }

    #[test]
    fn what_another_history_keeps_is_neither_read_nor_removed() {
        let (folder, files) = files();
        let (unnamed, other) = (of(&folder, None), of(&folder, Some(Link::random())));
        unnamed.write(2, &[kept(0, 2, 5)]).expect("it can be written");
        unnamed.write(3, &[kept(0, 0, 1)]).expect("it can be written");
        other.write(5, &[kept(0, 30, 40)]).expect("it can be written");
        assert_eq!(
            read(&files, BEGIN),
            [kept(0, 2, 5), kept(0, 5, 9), kept(0, 9, 11)],
            "of before there were names what it has none of"
        );
        assert_eq!(read(&other, BEGIN), [kept(0, 2, 5), kept(0, 0, 1), kept(0, 30, 40)]);
        other.remove(|_| true).expect("they can be removed");
        assert_eq!(
            (read(&files, BEGIN), read(&other, BEGIN)),
            (vec![kept(0, 5, 9), kept(0, 9, 11)], vec![])
        );
    }

    #[test]
    fn files_go_with_their_epochs_and_what_was_left_by_half() {
        let (_folder, files) = files();
        let half = files.path(9).with_extension("1-2.tmp");
        fs::write(&half, b"half").expect("it can be written");
        files.remove(|epoch| epoch > 3).expect("they can be removed");
        assert_eq!((files.epochs().expect("they are there"), half.exists()), (vec![3], false));
        files.remove(|epoch| epoch <= 3).expect("they can be removed");
        assert!(read(&files, BEGIN).is_empty());
    }

    #[test]
    fn a_damaged_file_is_named() {
        let (_folder, files) = files();
        let content = fs::read(files.path(3)).expect("it is there");
        for at in 0..content.len() {
            let mut damaged = content.clone();
            damaged[at] ^= 1;
            fs::write(files.path(3), &damaged).expect("it can be written");
            let told = files.read(3);
            let unharmed = told.as_ref().is_ok_and(|kept| {
                kept.iter().all(|(_, kept)| kept.records.iter().all(|byte| *byte == b'\n'))
            });
            assert!(
                unharmed
                    || matches!(&told, Err(JournalError::Kept { path, .. }) if *path == files.path(3)),
                "byte {at}"
            );
        }
    }
}

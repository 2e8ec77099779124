//! What every epoch changed, as a file of its own: a line for each row of a table that appeared,
//! changed or went.
//!
//! ```text
//! <files.dir>/<job>/00000000000000000007.jsonl
//!
//! {"table":"epochs","change":"insert","job":"campaign","epoch":7,"offsets":{"orders":{"0":17}},…}
//! {"table":"interactions","change":"delete","customer_id":5,"interaction_key":-71}
//! {"table":"customer_features","change":"update","customer_id":5,"recency":12.5,…}
//! ```
//!
//! The tables, columns and keys are those of PostgreSQL; what it fills in by its clock
//! (`committed_at` and the like) and ids that only count are left out. Instants and days are texts
//! in RFC 3339, `numeric` is an exact decimal as a text, `bytea` is base64. An `insert` or `update`
//! says how the row now stands, and either may be the first that a reader meets; a column that an
//! `update` does not name stays (the text of an interaction's id is written once). Read in the
//! order of the epochs, the files come to the rows that the database would have, but that nothing
//! is deleted for its age.
//!
//! The first line, of the epoch, also says of which history of the job the file is (`identity`, as
//! in `sluice checkpoint inspect`). Files of two histories come to no rows: a job writes into no
//! folder that has files of another one, nor beside another instance, and `sluice replay --epochs`
//! refuses them.
//!
//! A file is complete when it has its name, and its epoch is committed when the journal says so:
//! only the newest file may not be yet, and is written anew, maybe with other records, after a
//! crash at that moment. Whoever takes the files in as they come leaves the newest one until there
//! is a newer.
//!
//! When a customer is erased, every older file is read once, and those with rows of that customer
//! are rewritten without them: see [`erased`]. Whoever has taken them in must take that customer's
//! rows in again. Older files may be moved away or removed at any time; the program never needs
//! them for anything else.

mod erased;
mod erasing;
mod error;
mod lines;
mod mark;
#[cfg(test)]
mod tests;

use crate::durable::{self, TEMPORARY};
use crate::postgres::{PostgresError, PostgresSettings};
use crate::sink::Link;
use crate::sink::gathered::Gathered;
use error::failed;
use lines::LineWriter;
use serde::Deserialize;
use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

pub use error::ChangesError;
pub use mark::FileMark;

/// The files of one job.
pub struct ChangeFiles {
    folder: PathBuf,
    lines: LineWriter,
    /// The folder, locked; the system lets go of it when the process ends, however that happens.
    held: Option<File>,
}

/// Bytes that are read of a file's first line at most: more than the offsets of a hundred thousand
/// partitions take.
const LONGEST_HEAD: u64 = 4 << 20;

/// What a file's name ends with.
const ENDING: &str = ".jsonl";

/// Digits of an epoch: as many as the largest has, so that names sort as epochs do.
const DIGITS: usize = 20;

impl ChangeFiles {
    /// Those of a job in a folder that several jobs may share. The rows are the ones that
    /// PostgreSQL would get, so its settings say what is in them.
    pub fn new(folder: &Path, settings: PostgresSettings) -> ChangeFiles {
        ChangeFiles {
            folder: folder.join(&settings.job),
            lines: LineWriter::new(settings),
            held: None,
        }
    }

    /// Writes the file of an epoch of a history, in the place of any other; `pending` interactions
    /// wait after it.
    ///
    /// # Errors
    /// [`ChangesError::Io`], [`ChangesError::Rows`].
    pub fn write(
        &mut self,
        epoch: &dyn Gathered,
        pending: i64,
        history: Link,
    ) -> Result<FileMark, ChangesError> {
        let path = self.path(epoch.essentials().epoch);
        let content = self.lines.write(epoch, pending, history).map_err(PostgresError::from)?;
        durable::replace(&path, content).map_err(failed(&path, "written"))?;
        Ok(FileMark::of(content))
    }

    /// Makes sure that the file of an epoch is the one that it was committed with. One that is gone
    /// has been moved away.
    ///
    /// # Errors
    /// [`ChangesError::Damaged`], [`ChangesError::Io`].
    pub fn check(&self, epoch: u64, mark: FileMark) -> Result<(), ChangesError> {
        let path = self.path(epoch);
        let Some(content) = self.read(epoch)? else {
            tracing::warn!(path = %path.display(), "The newest file of changes is not there any \
                more.");
            return Ok(());
        };
        match FileMark::of(&content) {
            found if found == mark => Ok(()),
            found => {
                let shown =
                    |mark: FileMark| format!("{} bytes with CRC-32 {:08x}", mark.bytes, mark.crc32);
                Err(ChangesError::Damaged {
                    path,
                    why: format!("it has {}, and was committed with {}", shown(found), shown(mark)),
                })
            }
        }
    }

    /// Keeps every other instance out for as long as this is there.
    ///
    /// # Errors
    /// [`ChangesError::Held`], [`ChangesError::Io`].
    pub fn hold(&mut self) -> Result<(), ChangesError> {
        durable::make_folder(&self.folder).map_err(failed(&self.folder, "made"))?;
        let folder = File::open(&self.folder).map_err(failed(&self.folder, "opened"))?;
        match folder.try_lock() {
            Ok(()) => self.held = Some(folder),
            Err(TryLockError::WouldBlock) => return Err(ChangesError::Held(self.folder.clone())),
            Err(TryLockError::Error(source)) => return Err(failed(&self.folder, "locked")(source)),
        }
        Ok(())
    }

    /// Makes sure that the newest file is of one of these histories, or of before files said of
    /// which; no file may be there for a job that has none yet.
    ///
    /// # Errors
    /// [`ChangesError::OtherHistory`], [`ChangesError::Io`].
    pub fn check_history(&self, own: Option<&[Link]>) -> Result<(), ChangesError> {
        let Some(newest) = self.names()?.iter().filter_map(|name| epoch_of(name)).max() else {
            return Ok(());
        };
        let found = self.history_of(newest)?;
        match own.is_some_and(|own| found.is_none_or(|found| own.contains(&found))) {
            true => Ok(()),
            false => Err(ChangesError::OtherHistory {
                path: self.path(newest),
                found: found.map(|found| found.short()),
            }),
        }
    }

    /// Removes the files of epochs after this one, and what was written by half; but for what is of
    /// other histories than these.
    ///
    /// # Errors
    /// [`ChangesError::Io`].
    pub fn remove_after(&self, epoch: u64, own: &[Link]) -> Result<(), ChangesError> {
        for name in self.names()? {
            let goes = match epoch_of(&name) {
                Some(other) => {
                    other > epoch
                        && self.history_of(other)?.is_none_or(|history| own.contains(&history))
                }
                None => name.ends_with(TEMPORARY),
            };
            if goes {
                let path = self.folder.join(name);
                durable::remove(&path).map_err(failed(&path, "removed"))?;
            }
        }
        Ok(())
    }

    /// The history of an epoch's file, by its first line; none where that does not say it.
    fn history_of(&self, epoch: u64) -> Result<Option<Link>, ChangesError> {
        /// What is asked of the line.
        #[derive(Deserialize)]
        struct Head {
            identity: Option<Link>,
        }
        let path = self.path(epoch);
        let Some(file) = durable::present(File::open(&path)).map_err(failed(&path, "read"))? else {
            return Ok(None);
        };
        let mut line = Vec::new();
        BufReader::new(file)
            .take(LONGEST_HEAD)
            .read_until(b'\n', &mut line)
            .map_err(failed(&path, "read"))?;
        Ok(serde_json::from_slice::<Head>(&line).ok().and_then(|head| head.identity))
    }

    fn path(&self, epoch: u64) -> PathBuf {
        self.folder.join(format!("{epoch:020}{ENDING}"))
    }

    fn read(&self, epoch: u64) -> Result<Option<Vec<u8>>, ChangesError> {
        let path = self.path(epoch);
        durable::present(std::fs::read(&path)).map_err(failed(&path, "read"))
    }

    /// Names of everything in the folder.
    fn names(&self) -> Result<Vec<String>, ChangesError> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for found in durable::present(std::fs::read_dir(&self.folder))?.into_iter().flatten() {
                // What has another kind of name is nobody's here.
                names.extend(found?.file_name().into_string());
            }
            Ok(names)
        };
        list().map_err(failed(&self.folder, "listed"))
    }
}

/// The epoch of a file of this name.
fn epoch_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING).filter(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    digits?.parse().ok()
}

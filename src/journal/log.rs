//! The file of a journal: locked by one process, appended to, and replaced as a whole.

use super::error::JournalError;
use crate::durable::{self, disk::DiskFile};
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Name of the journal in the job's folder.
const NAME: &str = "journal.log";

/// Name of the file that is locked. It is never removed, for a lock on a file that is gone keeps
/// nobody out.
const LOCK: &str = "journal.lock";

/// Bytes of which the disk has all or none, wherever the power fails.
const SECTOR: u64 = 512;

/// The journal's file in a folder.
pub fn path_in(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// The only handle on a journal that may write.
///
/// # Contract
/// Nothing is appended and nothing replaced unless the file is the one that this handle has left,
/// in identity and length: the lock keeps others out, and should it ever not (a file system without
/// locks between machines), whoever comes second sees that the file is another's.
#[derive(Debug)]
pub struct Log {
    file: DiskFile,
    /// Where this handle's last line ends.
    length: u64,
    /// Up to where it is known to lie on the disk.
    safe: u64,
    /// Held for as long as this is there; the system lets go of it when the process ends, however
    /// that happens.
    _lock: File,
}

impl Log {
    /// Locks the journal in a folder, for a job, and opens it; makes an empty one where there is
    /// none. Also gives what it holds.
    ///
    /// # Errors
    /// [`JournalError::Held`], [`JournalError::Io`].
    pub fn open(folder: &Path, job: &str) -> Result<(Log, Vec<u8>), JournalError> {
        durable::make_folder(folder).map_err(failed(folder, "made"))?;
        let lock = lock(&folder.join(LOCK), job)?;
        let path = path_in(folder);
        remove_temporary(folder).map_err(failed(folder, "cleared"))?;
        if !path.try_exists().map_err(failed(&path, "looked for"))? {
            durable::replace(&path, b"").map_err(failed(&path, "made"))?;
        }
        let file = open(&path)?;
        let mut content = Vec::new();
        file.file().read_to_end(&mut content).map_err(failed(&path, "read"))?;
        let length = content.len() as u64;
        // What an instance that was killed has written last may not be on the disk yet.
        Ok((Log { file, length, safe: 0, _lock: lock }, content))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// How long it is.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Cuts off what comes after `length`.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn cut(&mut self, length: u64) -> Result<(), JournalError> {
        self.file
            .cut(length)
            .and_then(|()| self.file.sync())
            .map_err(failed(self.path(), "cut"))?;
        (self.length, self.safe) = (length, length);
        Ok(())
    }

    /// Whether the file is still the one that this handle has left.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn is_own(&self) -> Result<bool, JournalError> {
        let there = durable::present(std::fs::metadata(self.path()))
            .map_err(failed(self.path(), "looked at"))?;
        let own = self.file.file().metadata().map_err(failed(self.path(), "looked at"))?;
        let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        Ok(there
            .is_some_and(|there| identity(&there) == identity(&own) && there.len() == self.length))
    }

    /// Appends lines, and where they are to be `durable` waits until they lie on the disk. False:
    /// somebody else has written meanwhile, so the lines either were not appended or come after
    /// those of another.
    ///
    /// Lines that are not on the disk yet are waited for before others follow them in another
    /// sector: should the power fail, these might be there without those, and the journal would
    /// look damaged.
    ///
    /// # Errors
    /// [`JournalError::Io`]. What was written by half is cut off again; where that fails too, the
    /// file is not this handle's any more.
    pub fn append(&mut self, lines: &[u8], durable: bool) -> Result<bool, JournalError> {
        if !self.is_own()? {
            return Ok(false);
        }
        let may_part = self.safe < self.length && self.safe / SECTOR < self.length / SECTOR;
        let mut write = || -> io::Result<u64> {
            if may_part {
                self.file.sync_data()?;
            }
            self.file.append(lines)?;
            if durable {
                self.file.sync_data()?;
            }
            self.file.file().stream_position()
        };
        let end = write().map_err(|error| {
            self.cut_half(lines.len() as u64);
            failed(self.path(), "written")(error)
        })?;
        let began = self.length;
        self.length += lines.len() as u64;
        match (durable, may_part) {
            (true, _) => self.safe = self.length,
            (false, true) => self.safe = began,
            (false, false) => {}
        }
        Ok(end == self.length)
    }

    /// Cuts off what was written by half of a line of so many bytes, unless there is more than
    /// that.
    fn cut_half(&self, longest: u64) {
        let there = self.file.file().metadata().map_or(u64::MAX, |metadata| metadata.len());
        if there <= self.length + longest
            && let Err(error) = self.file.cut(self.length).and_then(|()| self.file.sync())
        {
            let path = self.path().display();
            tracing::warn!(%path, "What was written by half is not cut off: {error}.");
        }
    }

    /// Puts a new file in the place of the old one; false where somebody else has done so.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the old file or the new one is there.
    pub fn replace(&mut self, content: &[u8]) -> Result<bool, JournalError> {
        if !self.is_own()? {
            return Ok(false);
        }
        durable::replace(self.path(), content).map_err(failed(self.path(), "replaced"))?;
        self.file = open(self.path())?;
        self.length = content.len() as u64;
        self.safe = self.length;
        Ok(true)
    }
}

/// What the journal in a folder holds now, whoever has it; `None` where there is none.
///
/// # Errors
/// [`JournalError::Io`].
pub fn content(folder: &Path) -> Result<Option<Vec<u8>>, JournalError> {
    let path = path_in(folder);
    durable::present(std::fs::read(&path)).map_err(failed(&path, "read"))
}

/// Removes what an instance that died while it wrote the journal anew has left.
fn remove_temporary(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with(NAME) && name.ends_with(durable::TEMPORARY))
        {
            durable::remove(&folder.join(name))?;
        }
    }
    Ok(())
}

/// Opens the journal, and closes it to others.
fn open(path: &Path) -> Result<DiskFile, JournalError> {
    let file = DiskFile::open(path).map_err(failed(path, "opened"))?;
    if let Err(error) = durable::close_to_others(file.file()) {
        tracing::warn!(
            "The journal {} can be read by other users, and cannot be closed to them: {error}.",
            path.display()
        );
    }
    Ok(file)
}

/// Locks a file, and writes into it who has it.
fn lock(path: &Path, job: &str) -> Result<File, JournalError> {
    let open = || durable::private().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = open().map_err(failed(path, "opened"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(source)) => return Err(failed(path, "locked")(source)),
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(path)
                .ok()
                .map(|text| text.trim().to_string())
                .filter(|text| !text.is_empty());
            return Err(JournalError::Held {
                job: job.to_string(),
                path: path.to_path_buf(),
                holder,
            });
        }
    }
    let mut name_holder = || -> io::Result<()> {
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    };
    name_holder().map_err(failed(path, "written"))?;
    Ok(file)
}

fn failed(path: &Path, done: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError::Io { path, done, source }
}

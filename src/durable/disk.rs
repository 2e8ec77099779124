//! The steps by which something comes to lie on the disk. Each is taken here and nowhere else, so
//! that tests see them one by one, may have one fail, and know what a crash after it can leave.

#[cfg(test)]
pub mod watch;

use super::private;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
#[cfg(test)]
use watch::{DiskStep, take};

/// A file that is written from front to back.
#[derive(Debug)]
pub struct DiskFile {
    path: PathBuf,
    file: File,
}

impl DiskFile {
    /// Makes an empty one, in the place of one that may be there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn make(path: &Path) -> io::Result<DiskFile> {
        #[cfg(test)]
        take(|| DiskStep::Made(path.to_path_buf()))?;
        let file = private().write(true).create(true).truncate(true).open(path)?;
        Ok(DiskFile { path: path.to_path_buf(), file })
    }

    /// Opens one that is there. Every write goes to the end, wherever that is by then.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<DiskFile> {
        let file = private().read(true).append(true).open(path)?;
        Ok(DiskFile { path: path.to_path_buf(), file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, to look at it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes bytes behind those that are there.
    ///
    /// # Errors
    /// Those of the file system; some of the bytes may be there then.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        take(|| DiskStep::Written(self.path.clone(), bytes.to_vec()))?;
        self.file.write_all(bytes)
    }

    /// Cuts off what comes after a length.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn cut(&self, length: u64) -> io::Result<()> {
        #[cfg(test)]
        take(|| DiskStep::Cut(self.path.clone(), length as usize))?;
        self.file.set_len(length)
    }

    /// Waits until it lies on the disk.
    ///
    /// # Errors
    /// Those of the file system; nobody knows what lies there then.
    pub fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        if take(|| DiskStep::Synced(self.path.clone()))? {
            return Ok(());
        }
        self.file.sync_all()
    }

    /// Waits until what was appended lies on the disk, but not the file's times.
    ///
    /// # Errors
    /// Likewise.
    pub fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        if take(|| DiskStep::Synced(self.path.clone()))? {
            return Ok(());
        }
        self.file.sync_data()
    }
}

/// Gives a file another name, in the place of one that may be there.
///
/// # Errors
/// Those of the file system, as with all that follow.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(test)]
    take(|| DiskStep::Renamed(from.to_path_buf(), to.to_path_buf()))?;
    fs::rename(from, to)
}

/// Gives a file one more name, which none may have.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(test)]
    take(|| DiskStep::Linked(from.to_path_buf(), to.to_path_buf()))?;
    fs::hard_link(from, to)
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    take(|| DiskStep::Removed(path.to_path_buf()))?;
    fs::remove_file(path)
}

/// Makes a folder, with those above it, that nobody else may look into.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    #[cfg(test)]
    take(|| DiskStep::FolderMade(folder.to_path_buf()))?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Waits until the names that a folder holds lie on the disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(test)]
    if take(|| DiskStep::FolderSynced(folder.to_path_buf()))? {
        return Ok(());
    }
    // The parent of a relative path of one part is the empty path.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

//! Files and folders that are there after a crash, and files that are never there by half.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the name of a temporary file ends with.
pub const TEMPORARY: &str = ".tmp";

/// Temporary files that this process has made, which tells them apart.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Writes a file in the place of one that may be there: until this returns, a reader finds the old one or the new one, also after a crash;
/// afterwards the new one is there to stay. Its folder is made if it is not there.
///
/// # Errors
/// Those of the file system; the old file may be there then or the new one.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let temporary = temporary(path);
    let written = write_through(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Best effort: whoever cleans up knows it by its name.
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_folder(folder))
}

/// Removes a file; one that is not there is no fault.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match (present(fs::remove_file(path))?, path.parent()) {
        (Some(()), Some(folder)) => present(sync_folder(folder)).map(|_| ()),
        _ => Ok(()),
    }
}

/// Makes a folder with those above it, and waits until each lies in the one above.
///
/// # Errors
/// Those of the file system.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir()).collect();
    fs::create_dir_all(folder)?;
    missing.iter().filter_map(|path| path.parent()).try_for_each(sync_folder)
}

/// Nothing rather than an error where there is no such file.
///
/// # Errors
/// Every other error.
pub fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A name beside the file's own that no other writer uses.
fn temporary(path: &Path) -> PathBuf {
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{number}{TEMPORARY}", std::process::id()));
    PathBuf::from(name)
}

/// Writes a file and waits until it lies on the disk.
fn write_through(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Waits until what a folder holds lies on the disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // The parent of a relative path of one part is the empty path.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

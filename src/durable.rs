//! Files and folders that are there after a crash, and files that are never there by half.
//!
//! What is made here holds customers' data: nobody but the user that the job runs as may look at it
//! (0600, folders 0700). A folder that is there keeps its mode, which an operator may have given
//! it.

pub mod disk;

use disk::DiskFile;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the name of a temporary file ends with.
pub const TEMPORARY: &str = ".tmp";

/// Temporary files that this process has made, which tells them apart.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Writes a file in the place of one that may be there: until this returns, a reader finds the old
/// one or the new one, also after a crash; afterwards the new one is there to stay. Its folder is
/// made if it is not there.
///
/// # Errors
/// Those of the file system; the old file may be there then or the new one.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let temporary = temporary(path);
    let written = write_through(&temporary, content).and_then(|()| disk::rename(&temporary, path));
    if written.is_err() {
        // Best effort: whoever cleans up knows it by its name.
        let _ = disk::remove(&temporary);
    }
    written.and_then(|()| disk::sync_folder(folder))
}

/// Writes a file where there is none, and says whether it has: one that is there stays as it is. A
/// reader never finds half of it.
///
/// # Errors
/// Those of the file system.
pub fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    if path.exists() {
        return Ok(false);
    }
    make_folder(folder)?;
    let temporary = temporary(path);
    let linked = write_through(&temporary, content).and_then(|()| disk::link(&temporary, path));
    // Best effort: whoever cleans up knows it by its name.
    let _ = disk::remove(&temporary);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        other => other.and_then(|()| disk::sync_folder(folder)).map(|()| true),
    }
}

/// Removes a file; one that is not there is no fault.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match (present(disk::remove(path))?, path.parent()) {
        (Some(()), Some(folder)) => present(disk::sync_folder(folder)).map(|_| ()),
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
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.is_dir())
        .collect();
    disk::make_folder(folder)?;
    missing.iter().filter_map(|path| path.parent()).try_for_each(disk::sync_folder)
}

/// Makes sure that a folder keeps files, or can be made, by writing one, reading it back and
/// removing it; says which.
///
/// # Errors
/// A sentence about what cannot be done.
pub fn try_out(folder: &Path) -> Result<&'static str, String> {
    const TRIAL: &[u8] = b"sluice check";
    let absolute = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let existing =
        absolute.ancestors().find(|path| path.exists()).ok_or("no part of the path exists")?;
    let file = existing.join(trial());
    fs::write(&file, TRIAL)
        .map_err(|error| format!("cannot write in {}: {error}", existing.display()))?;
    let read = fs::read(&file);
    fs::remove_file(&file)
        .map_err(|error| format!("cannot remove files in {}: {error}", existing.display()))?;
    match read {
        Ok(read) if read == TRIAL => {
            Ok(if existing == absolute { "can be written and read" } else { "can be made" })
        }
        Ok(_) => {
            Err(format!("what is written in {} is read as something else", existing.display()))
        }
        Err(error) => Err(format!("cannot read in {}: {error}", existing.display())),
    }
}

/// The name of a file that is written only to see whether it can be.
pub fn trial() -> String {
    format!(".sluice-check-{}", std::process::id())
}

/// How a file is opened so that, where it is made, nobody else may look at it.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Closes a file to others that was made when files were still open to them.
///
/// # Errors
/// Those of the file system.
pub fn close_to_others(file: &File) -> io::Result<()> {
    match file.metadata()?.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => file.set_permissions(Permissions::from_mode(0o600)),
    }
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
    let mut file = DiskFile::make(path)?;
    file.append(content)?;
    file.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_may_look_at_what_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let given = folder.path().join("given");
        fs::create_dir(&given).expect("a folder");
        fs::set_permissions(&given, Permissions::from_mode(0o750)).expect("its mode");
        let path = given.join("a/b/file");
        replace(&path, b"secret").expect("it is written");
        assert_eq!(
            [&given, &given.join("a"), &given.join("a/b"), &path].map(|path| mode(path)),
            [0o750, 0o700, 0o700, 0o600]
        );
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its mode");
        close_to_others(&File::open(&path).expect("it is there")).expect("it is closed");
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its mode");
        replace(&path, b"another").expect("it is written");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_directory_that_can_be_made_is_fine_and_a_file_is_not() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(try_out(dir.path()), Ok("can be written and read"));
        assert_eq!(try_out(&dir.path().join("a/b")), Ok("can be made"));
        fs::write(dir.path().join("file"), b"").expect("writing");
        assert!(try_out(&dir.path().join("file")).is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("reading").count(), 1, "the trial is gone");
    }
}

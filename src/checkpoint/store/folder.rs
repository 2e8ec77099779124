//! A folder of the file system as a store.

use super::{CheckpointError, Store, StoredFile};
use crate::checkpoint::at_once::at_once;
use crate::durable::{self, present};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

/// A folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

/// Files that are written or removed at once.
const AT_ONCE: usize = 16;

impl Folder {
    /// The store in a folder, which is made with the first file.
    pub fn new(root: PathBuf) -> Self {
        Folder { root }
    }

    fn error(&self, name: &str, done: &'static str) -> impl Fn(io::Error) -> CheckpointError {
        let object = self.object(name);
        move |source| CheckpointError::Store { object: object.clone(), done, source: source.into() }
    }

    fn read(&self, name: &str, at_most: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.root.join(name))?;
        let mut content = Vec::with_capacity(file.metadata()?.len().min(at_most) as usize);
        file.take(at_most.saturating_add(1)).read_to_end(&mut content)?;
        Ok(content)
    }

    fn walk(&self, folder: &str) -> io::Result<Vec<StoredFile>> {
        let mut entries = Vec::new();
        let mut folders = vec![folder.to_string()];
        while let Some(folder) = folders.pop() {
            for found in present(fs::read_dir(self.root.join(&folder)))?.into_iter().flatten() {
                let found = found?;
                // No file of a checkpoint has such a name.
                let Ok(name) = found.file_name().into_string() else { continue };
                let name = format!("{folder}/{name}");
                match present(found.metadata())? {
                    Some(metadata) if metadata.is_dir() => folders.push(name),
                    Some(metadata) => entries.push(StoredFile { name, bytes: metadata.len() }),
                    None => {}
                }
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

impl Store for Folder {
    fn address(&self) -> String {
        self.root.display().to_string()
    }

    fn put(&self, files: &[(String, Bytes)]) -> Result<(), CheckpointError> {
        each(files, |(name, content)| {
            durable::replace(&self.root.join(name), content).map_err(self.error(name, "written"))
        })
    }

    fn get(&self, name: &str, at_most: u64) -> Result<Bytes, CheckpointError> {
        match self.read(name, at_most) {
            Ok(content) if content.len() as u64 > at_most => {
                Err(super::too_long(self, name, at_most))
            }
            Ok(content) => Ok(content.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(CheckpointError::Missing { object: self.object(name) })
            }
            Err(error) => Err(self.error(name, "read")(error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<StoredFile>, CheckpointError> {
        self.walk(folder).map_err(self.error(folder, "listed"))
    }

    fn delete(&self, names: &[String]) -> Result<(), CheckpointError> {
        each(names, |name| {
            durable::remove(&self.root.join(name)).map_err(self.error(name, "deleted"))
        })
    }
}

/// Does something with each file, some at once: a file system writes its journal once for all that
/// wait for it.
fn each<T: Sync>(
    files: &[T],
    act: impl Fn(&T) -> Result<(), CheckpointError> + Sync,
) -> Result<(), CheckpointError> {
    files.chunks(AT_ONCE).try_for_each(|some| at_once(some, &act).into_iter().collect())
}

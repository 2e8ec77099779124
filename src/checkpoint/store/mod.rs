//! Where checkpoints lie: a folder or an object store, by the four things that a checkpoint needs
//! of either.

mod folder;
pub mod objects;
#[cfg(test)]
mod s3_tests;
#[cfg(test)]
pub mod tests;

use super::error::CheckpointError;
use crate::config::location::Location;
use crate::durable;
use bytes::Bytes;
use std::sync::Arc;

pub use folder::Folder;
pub use objects::Objects;

/// Keeps files by name. A name is of parts with `/` between them.
pub trait Store: Send + Sync {
    /// Where it is.
    fn address(&self) -> String;

    /// Writes files, each in place of one that is there, in any order. Until this returns, whoever
    /// reads one finds what was there before or all of the new file, also after a crash; afterwards
    /// the new ones are there to stay.
    ///
    /// # Errors
    /// [`CheckpointError::Store`]; some of them may be written then.
    fn put(&self, files: &[(String, Bytes)]) -> Result<(), CheckpointError>;

    /// Reads a file of at most so many bytes.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`], [`CheckpointError::Damaged`] where it is longer, or
    /// [`CheckpointError::Store`].
    fn get(&self, name: &str, at_most: u64) -> Result<Bytes, CheckpointError>;

    /// Every file below a folder with its length, sorted by name. None where there is no such
    /// folder.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    fn list(&self, folder: &str) -> Result<Vec<StoredFile>, CheckpointError>;

    /// Removes files, in any order; one that is not there is no fault.
    ///
    /// # Errors
    /// [`CheckpointError::Store`]; some of them may be removed then.
    fn delete(&self, names: &[String]) -> Result<(), CheckpointError>;

    /// A file as messages name it.
    fn object(&self, name: &str) -> String {
        format!("{}/{name}", self.address())
    }
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

impl Location {
    /// Opens the store that is there. Nothing is made or asked for yet.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn open(&self) -> Result<Arc<dyn Store>, CheckpointError> {
        Ok(match self {
            Location::Folder(path) => Arc::new(Folder::new(path.clone())),
            Location::Url(url) => Arc::new(Objects::open(url)?),
        })
    }

    /// Makes sure that it takes files, gives them back and removes them, or can be made; says
    /// which.
    ///
    /// # Errors
    /// A sentence about what it does not.
    pub fn try_out(&self) -> Result<&'static str, String> {
        const TRIAL: &[u8] = b"sluice check";
        if let Location::Folder(path) = self {
            return durable::try_out(path);
        }
        let tried = || -> Result<bool, CheckpointError> {
            let (store, name) = (self.open()?, durable::trial());
            store.put(&[(name.clone(), Bytes::from_static(TRIAL))])?;
            let read = store.get(&name, TRIAL.len() as u64);
            store.delete(&[name])?;
            Ok(read? == TRIAL)
        };
        match tried() {
            Ok(true) => Ok("can be written, read and removed from"),
            Ok(false) => Err("what is written there is read as something else".to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A file that is longer than it can be.
fn too_long(store: &dyn Store, name: &str, at_most: u64) -> CheckpointError {
    CheckpointError::Damaged {
        object: store.object(name),
        why: format!("it is longer than the {at_most} bytes that it may have"),
    }
}

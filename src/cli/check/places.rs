//! Where files go: folders and object stores are tried by writing, reading back and removing.

use super::{Finding, Probe};
use crate::checkpoint::{CheckpointError, Location};
use bytes::Bytes;
use std::path::PathBuf;

/// What is written.
const TRIAL: &[u8] = b"sluice check";

/// A name of nothing else.
fn trial() -> String {
    format!(".sluice-check-{}", std::process::id())
}

/// Makes sure that a directory is there, or can be made, and keeps files.
pub(super) struct DirectoryProbe {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

impl Probe for DirectoryProbe {
    fn name(&self) -> &'static str {
        self.name
    }

    fn target(&self) -> String {
        self.path.display().to_string()
    }

    fn probe(&self) -> Vec<Finding> {
        vec![self.try_out().map_or_else(Finding::fault, Finding::ok)]
    }
}

impl DirectoryProbe {
    fn try_out(&self) -> Result<&'static str, String> {
        let absolute = std::path::absolute(&self.path).map_err(|error| error.to_string())?;
        let existing = absolute.ancestors().find(|path| path.exists()).ok_or("no part of the path exists")?;
        let file = existing.join(trial());
        std::fs::write(&file, TRIAL).map_err(|error| format!("cannot write in {}: {error}", existing.display()))?;
        let read = std::fs::read(&file);
        std::fs::remove_file(&file).map_err(|error| format!("cannot remove files in {}: {error}", existing.display()))?;
        match read {
            Ok(read) if read == TRIAL => Ok(if existing == absolute { "can be written and read" } else { "can be made" }),
            Ok(_) => Err(format!("what is written in {} is read as something else", existing.display())),
            Err(error) => Err(format!("cannot read in {}: {error}", existing.display())),
        }
    }
}

/// Makes sure that an object store takes files, gives them back and removes them.
pub(super) struct ObjectStoreProbe {
    pub(super) location: Location,
}

impl Probe for ObjectStoreProbe {
    fn name(&self) -> &'static str {
        "checkpoints"
    }

    fn target(&self) -> String {
        self.location.to_string()
    }

    fn probe(&self) -> Vec<Finding> {
        vec![match self.try_out() {
            Ok(true) => Finding::ok("can be written, read and removed from"),
            Ok(false) => Finding::fault("what is written there is read as something else"),
            Err(error) => Finding::fault(error.to_string()),
        }]
    }
}

impl ObjectStoreProbe {
    fn try_out(&self) -> Result<bool, CheckpointError> {
        let (store, name) = (self.location.open()?, trial());
        store.put(&[(name.clone(), Bytes::from_static(TRIAL))])?;
        let read = store.get(&name, TRIAL.len() as u64);
        store.delete(&[name])?;
        Ok(read? == TRIAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_can_be_made_is_fine_and_a_file_is_not() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let try_out = |path: PathBuf| DirectoryProbe { name: "files", path }.try_out();
        assert_eq!(try_out(dir.path().to_path_buf()), Ok("can be written and read"));
        assert_eq!(try_out(dir.path().join("a/b")), Ok("can be made"));
        std::fs::write(dir.path().join("file"), b"").expect("writing");
        assert!(try_out(dir.path().join("file")).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).expect("reading").count(), 1, "the trial is gone");
    }
}

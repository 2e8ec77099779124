//! What a test sees of the steps that its own thread takes, and how it has one fail.

use crate::durable::private;
use std::cell::RefCell;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

/// A step, as it is about to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskStep {
    /// A file is made, empty.
    Made(PathBuf),
    /// Bytes come behind those of a file.
    Written(PathBuf, Vec<u8>),
    /// What a file has behind a length goes.
    Cut(PathBuf, usize),
    /// It is waited for a file's content.
    Synced(PathBuf),
    /// A file gets another name.
    Renamed(PathBuf, PathBuf),
    /// A file gets one more name.
    Linked(PathBuf, PathBuf),
    /// A file goes.
    Removed(PathBuf),
    /// A folder is made, with those above it.
    FolderMade(PathBuf),
    /// It is waited for the names in a folder.
    FolderSynced(PathBuf),
}

/// The steps so far, and which one fails.
struct Watched {
    steps: Vec<DiskStep>,
    fails: Option<(usize, ErrorKind)>,
}

thread_local! {
    static WATCHED: RefCell<Option<Watched>> = const { RefCell::new(None) };
}

/// Sees every step of this thread for as long as it is there. Nothing is waited for meanwhile: what
/// a crash would leave, the test makes itself.
pub struct DiskWatch(());

impl DiskWatch {
    /// Begins to watch.
    pub fn begin() -> DiskWatch {
        WATCHED.set(Some(Watched { steps: Vec::new(), fails: None }));
        DiskWatch(())
    }

    /// Forgets the steps so far, and lets the step with this number fail with an error of this
    /// kind. Of bytes that are written then, half is.
    pub fn fail(&self, fails: Option<(usize, ErrorKind)>) {
        WATCHED.set(Some(Watched { steps: Vec::new(), fails }));
    }

    /// The steps so far.
    pub fn steps(&self) -> Vec<DiskStep> {
        WATCHED.with_borrow(|watched| {
            watched.as_ref().map(|watched| watched.steps.clone()).unwrap_or_default()
        })
    }
}

impl Drop for DiskWatch {
    fn drop(&mut self) {
        WATCHED.set(None);
    }
}

/// Notes a step, if somebody watches; says whether.
///
/// # Errors
/// The one with which it is to fail.
pub fn take(step: impl FnOnce() -> DiskStep) -> io::Result<bool> {
    WATCHED.with_borrow_mut(|watched| {
        let Some(Watched { steps, fails }) = watched else { return Ok(false) };
        steps.push(step());
        let Some((_, kind)) = fails.filter(|(number, _)| *number + 1 == steps.len()) else {
            return Ok(true);
        };
        if let Some(DiskStep::Written(path, bytes)) = steps.last() {
            let half = &bytes[..bytes.len() / 2];
            private().append(true).open(path)?.write_all(half)?;
        }
        Err(io::Error::new(kind, "the test has it fail"))
    })
}

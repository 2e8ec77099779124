//! What can be wrong with a journal and the files beside it.

use super::record::FORMAT;
use crate::blame::Blame;
use crate::checkpoint::CheckpointError;
use crate::files::changes::ChangesError;
use crate::source::Remade;
use std::io;
use std::path::PathBuf;

/// Why the journal cannot go on. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has the journal.
    #[error(
        "job `{job}` runs already: {} has {path}. End that one first; one that hangs must be \
         killed, and its hold on the journal ends with it",
        holder.as_ref().map_or("another process".to_string(), |holder| format!("process {holder}"))
    )]
    Held {
        /// The job.
        job: String,
        /// The file that is locked.
        path: PathBuf,
        /// What the other one has written there: its number.
        holder: Option<String>,
    },
    /// The file system fails.
    #[error("{path} cannot be {done}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was to be done with it.
        done: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A line is not what was written.
    #[error(
        "{path} is damaged from byte {at} on: {why}. Restore it from a copy together with the \
         checkpoints and files; or move it and the files of files.dir \
         away and start again, which makes everything anew from the topics"
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Where the line begins.
        at: usize,
        /// How it shows.
        why: String,
    },
    /// What is kept of an epoch is not what was written: without it the epoch comes out otherwise.
    #[error(
        "{path}, records that are kept of an epoch, is damaged from byte {at} on: {why}. Restore \
         it from a copy, or make everything anew from the topics \
         with --rebuild"
    )]
    Kept {
        /// The file.
        path: PathBuf,
        /// Where it begins.
        at: usize,
        /// How it shows.
        why: String,
    },
    /// The journal is of another version of the program.
    #[error(
        "{path} has format {found}, and this program reads format {FORMAT}: run the version that \
         wrote it"
    )]
    Format {
        /// The journal.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A topic is not the one that the job has read.
    #[error(transparent)]
    Remade(#[from] Remade),
    /// Another sink than before.
    #[error(
        "{path} was begun {} files.dir, and now it is {}: the files would lack epochs. Configure \
         the job as before, or make everything anew from the \
         topics with --rebuild",
        if *before { "with" } else { "without" },
        if *before { "not set" } else { "set" }
    )]
    OtherSink {
        /// The journal.
        path: PathBuf,
        /// Whether there were files before.
        before: bool,
    },
    /// Another instance of the job has taken over.
    #[error(
        "job `{job}` was taken over by another instance (its incarnation is {current}, ours was \
         {own}); nothing more is written here"
    )]
    Fenced {
        /// The job.
        job: String,
        /// The incarnation that this instance got.
        own: i64,
        /// The incarnation that is recorded.
        current: i64,
    },
    /// The journal was changed by nobody who may.
    #[error(
        "{path} was changed or removed while the job ran; start the job again, from a copy of it \
         where it is gone"
    )]
    Changed {
        /// The journal.
        path: PathBuf,
    },
    /// The epoch does not follow the recorded one.
    #[error(
        "epoch {epoch} of job `{job}` cannot be committed after epoch {recorded}: those between \
         are missing"
    )]
    Gap {
        /// The job.
        job: String,
        /// The epoch that was to be committed.
        epoch: u64,
        /// The last that is committed.
        recorded: u64,
    },
    /// A published value would change.
    #[error(
        "the {what} of day {day} (days since 1970) is published as {published}, and would now be \
         {now}; it is never reopened"
    )]
    Published {
        /// What it is.
        what: &'static str,
        /// The day.
        day: i32,
        /// As published.
        published: u64,
        /// The value that was to be written.
        now: u64,
    },
    /// An epoch is longer than a line can be.
    #[error(
        "epoch {epoch} would take {bytes} bytes in {path}, and a line has at most 4 GiB; lower \
         epoch.max_events"
    )]
    TooLong {
        /// The epoch.
        epoch: u64,
        /// The journal.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// A recorded epoch cannot be used.
    #[error(
        "epoch {epoch} in {path} cannot be used: {why}. Configure the job as before, or make \
         everything anew from the topics with --rebuild"
    )]
    Recorded {
        /// The epoch; 0: where the job began.
        epoch: u64,
        /// The journal.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The files of changes.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// The checkpoints cannot be listed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl JournalError {
    /// Whether there was no room, or nothing may be written for now: the same may succeed once
    /// somebody has seen to it.
    pub fn is_full(&self) -> bool {
        let (JournalError::Io { source, .. }
        | JournalError::Changes(ChangesError::Io { source, .. })) = self
        else {
            return false;
        };
        matches!(
            source.kind(),
            io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem
        )
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            // The next start reads anew what is recorded, and a topic may come back.
            JournalError::Io { .. }
            | JournalError::Remade(_)
            | JournalError::Changed { .. }
            | JournalError::Gap { .. } => Blame::World,
            JournalError::Held { .. } | JournalError::Fenced { .. } => Blame::Another,
            JournalError::Damaged { .. }
            | JournalError::Kept { .. }
            | JournalError::Format { .. }
            | JournalError::OtherSink { .. }
            | JournalError::Published { .. }
            | JournalError::TooLong { .. }
            | JournalError::Recorded { .. } => Blame::Lasting,
            JournalError::Changes(error) => error.blame(),
            JournalError::Checkpoint(error) => error.blame(),
        }
    }
}

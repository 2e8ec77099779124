//! The thread that commits epochs, one after the other, as they come.

use super::error::PostgresError;
use super::writer::{Commit, Writer};
use crate::results::EpochResults;
use crossbeam_channel::Receiver;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// Starts the sink's thread.
///
/// It commits what comes through `results`, in order, raises `committed` after each commit and then hands the epoch to `then`, which runs on the
/// sink's thread (publish its predictions, wake whoever waits for it). The channel's bound is how many epochs may wait. When the channel is closed
/// and empty the thread ends and gives the writer back; on an error it ends at once and drops its side of the channel, so that senders notice.
///
/// # Errors
/// [`PostgresError::Thread`].
pub fn spawn(
    mut writer: Writer,
    results: Receiver<Box<EpochResults>>,
    committed: Arc<AtomicU64>,
    mut then: impl FnMut(&mut Writer, Box<EpochResults>, Commit) + Send + 'static,
) -> Result<JoinHandle<Result<Writer, PostgresError>>, PostgresError> {
    let commit_all = move || {
        for epoch in results {
            let commit = writer.commit(&epoch)?;
            committed.fetch_max(commit.epoch, Ordering::Release);
            then(&mut writer, epoch, commit);
        }
        Ok(writer)
    };
    thread::Builder::new().name("postgres-sink".to_string()).spawn(commit_all).map_err(PostgresError::Thread)
}

//! The thread that commits epochs, one after the other, as they come.

use super::{Commit, Sink, SinkError};
use crate::first::{Tell, caught};
use crate::sink::gathered::Gathered;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long no epoch comes before what can be done meanwhile is done.
const REST: Duration = Duration::from_secs(1);

/// The thread, which gives the sink back unless it failed.
pub type SinkThread = JoinHandle<Option<Box<dyn Sink>>>;

/// Starts the sink's thread.
///
/// It commits what comes through `epochs`, in order, raises `committed` after each commit and then
/// hands the epoch to `then`, which runs on the sink's thread (publish its predictions, wake
/// whoever waits for it); `at_rest` runs there now and then while none comes. The channel's bound
/// is how many epochs may wait. When the channel is closed and empty the thread ends and gives the
/// sink back; on an error, or a panic, it says so to `failure`, and only then drops its side of the
/// channel: that senders notice is what follows, and not the cause.
///
/// # Errors
/// [`SinkError::Thread`].
pub fn spawn<E: Gathered>(
    mut sink: Box<dyn Sink>,
    epochs: Receiver<Box<E>>,
    committed: Arc<AtomicU64>,
    mut then: impl FnMut(&mut dyn Sink, Box<E>, Commit) + Send + 'static,
    mut at_rest: impl FnMut(&mut dyn Sink) + Send + 'static,
    failure: Tell<SinkError>,
) -> Result<SinkThread, SinkError> {
    let commit_all = move || {
        let outcome = caught("sink", || {
            loop {
                match epochs.recv_timeout(REST) {
                    Ok(epoch) => {
                        let commit = sink.commit(epoch.as_ref())?;
                        committed.fetch_max(commit.epoch, Ordering::Release);
                        then(sink.as_mut(), epoch, commit);
                    }
                    Err(RecvTimeoutError::Timeout) => at_rest(sink.as_mut()),
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            }
        });
        match outcome {
            Ok(Ok(())) => Some(sink),
            Ok(Err(error)) => told(&failure, error, epochs),
            Err(panicked) => told(&failure, panicked.into(), epochs),
        }
    };
    thread::Builder::new().name("sink".to_string()).spawn(commit_all).map_err(SinkError::Thread)
}

/// Says what failed, and ends the channel after that.
fn told<E>(
    failure: &Tell<SinkError>,
    error: SinkError,
    epochs: Receiver<Box<E>>,
) -> Option<Box<dyn Sink>> {
    failure.tell(error);
    drop(epochs);
    None
}

//! What the pacer, the sources and the rest of the process tell each other.

use super::Replayed;
use crate::engine::peers::Peers;
use dataflows::source::Save;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the pacer and the rest of the process share.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// The newest epoch that is committed.
    pub committed: Arc<AtomicU64>,
    /// The newest epoch that is on its way to the sink, or past it.
    pub gathered: Arc<AtomicU64>,
    /// The newest epoch that is cut.
    pub cut: Arc<AtomicU64>,
    /// The last epoch that was committed before this start.
    pub repeated: Arc<AtomicU64>,
    /// Stop reading, finish the epoch, end.
    pub drain: Arc<AtomicBool>,
    /// Signs of life that the pacer has given, as heard in this process.
    pub beat: Arc<AtomicU64>,
    /// There is a pacer that gives them.
    pub is_listening: Arc<AtomicBool>,
    /// Epochs are repeated that were committed before; every process knows it.
    pub repeats: Arc<AtomicBool>,
    /// The first epoch is a change of settings, in which everything is computed anew: no worker
    /// gives a sign of life before it is done.
    pub changes: Arc<AtomicBool>,
    /// The number of that epoch; 0: there is none.
    pub changing: Arc<AtomicU64>,
    /// Something failed in this process: the others must not take its end for a drain.
    pub failed: Arc<AtomicBool>,
    /// Which workers answer the pacer's signs of life; known where the pacer is.
    pub peers: Peers,
    /// Another process ends the job because something failed in it.
    pub failed_elsewhere: Arc<AtomicBool>,
    /// A checkpoint is wanted at once.
    pub wants_checkpoint: Arc<AtomicBool>,
}

impl Control {
    /// Notes signs of life among what the pacer told, and takes them out; and what this process
    /// should know of the others. Says whether there were any.
    pub(super) fn hear(&self, told: &mut Vec<SourceCommand>) -> bool {
        for command in told.iter() {
            if let SourceCommand::Cut { failed, .. } = command {
                self.repeats.store(false, Ordering::Release);
                self.changes.store(false, Ordering::Release);
                self.failed_elsewhere.fetch_or(*failed, Ordering::AcqRel);
            }
        }
        let before = told.len();
        told.retain(|command| !matches!(command, SourceCommand::Beat));
        self.beat.fetch_add((before - told.len()) as u64, Ordering::AcqRel);
        self.is_listening.store(true, Ordering::Release);
        told.len() < before
    }
}

/// What the pacer tells every source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum SourceCommand {
    /// The epoch ends here; with the last one the job does, because something `failed` in one of
    /// its processes or else because it was asked to.
    Cut { last: bool, open: bool, save: Option<Save>, failed: bool },
    /// The epoch ends where it ended before; if `more`, so does the next.
    CutAt { replayed: Replayed, more: bool },
    /// A sign of life.
    Beat,
}

/// What a source tells the pacer.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct SourceReport {
    /// The epoch that the records are in.
    pub(super) epoch: u64,
    pub(super) records: u64,
    /// A partition has fallen idle or woken up.
    pub(super) restless: bool,
    pub(super) prepared: bool,
    pub(super) ended: bool,
    /// The process was asked to drain.
    pub(super) drain: bool,
    /// Something failed in the process.
    pub(super) failed: bool,
    /// The worker.
    pub(super) worker: usize,
    /// It answers a sign of life.
    pub(super) alive: bool,
}

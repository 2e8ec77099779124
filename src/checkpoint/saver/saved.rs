//! How far the saving is, as all threads may ask.

use crate::checkpoint::assembly::Abandoned;
use crate::first::Panicked;
use dataflows::event::Millis;
use jiff::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What has become of the checkpoints so far, for whoever says when the next one is due. On other
/// processes than the first it tells of their own parts only.
#[derive(Debug, Default)]
pub struct Saved {
    newest: AtomicU64,
    oldest: AtomicU64,
    abandoned: AtomicU64,
    failed_erasures: AtomicU64,
    /// When the newest complete checkpoint was made, in milliseconds since 1970; 0 before the
    /// first.
    pub(super) created: AtomicI64,
    /// Checkpoints that were abandoned since the start.
    failures: AtomicU64,
    /// Why the newest one was abandoned.
    why: Mutex<Option<Abandoned>>,
    pub(super) panicked: OnceLock<Panicked>,
}

impl Saved {
    /// The newest complete checkpoint's epoch; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// The epoch of the oldest checkpoint that a restart may have to take; 0 before that is known.
    pub fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Acquire)
    }

    /// The newest abandoned checkpoint's epoch; 0 as long as none was.
    pub fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Whether this checkpoint is complete or abandoned, so that the next one may begin.
    pub fn is_settled(&self, epoch: u64) -> bool {
        epoch <= self.newest().max(self.abandoned())
    }

    /// Whether this checkpoint was abandoned.
    pub fn is_abandoned(&self, epoch: u64) -> bool {
        epoch <= self.abandoned() && epoch > self.newest()
    }

    /// Whether the next checkpoint must be full: there is none yet, or the last one was abandoned,
    /// and with it what had changed, or is of other settings.
    pub fn needs_full(&self) -> bool {
        self.newest() <= self.abandoned()
    }

    /// How often older checkpoints were to go because a customer was erased, and did not. They go
    /// with a later one.
    pub fn failed_erasures(&self) -> u64 {
        self.failed_erasures.load(Ordering::Acquire)
    }

    pub(in crate::checkpoint) fn erasure_failed(&self) {
        self.failed_erasures.fetch_add(1, Ordering::AcqRel);
    }

    /// When the newest complete checkpoint was made, in milliseconds since 1970; `None` before the
    /// first.
    pub fn created(&self) -> Option<Millis> {
        Some(self.created.load(Ordering::Acquire)).filter(|created| *created > 0)
    }

    /// How many checkpoints were abandoned since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    pub(in crate::checkpoint) fn complete(&self, epoch: u64, created: Timestamp) {
        self.newest.fetch_max(epoch, Ordering::AcqRel);
        self.created.fetch_max(created.as_millisecond(), Ordering::AcqRel);
    }

    /// Nothing of the checkpoint that the job goes on from can be part of the next one.
    pub fn starts_over(&self) {
        self.abandoned.fetch_max(self.newest(), Ordering::AcqRel);
    }

    pub(in crate::checkpoint) fn begins_with(&self, oldest: u64) {
        self.oldest.fetch_max(oldest, Ordering::AcqRel);
    }

    pub(in crate::checkpoint) fn abandon(&self, epoch: u64, why: Abandoned) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.abandoned.fetch_max(epoch, Ordering::AcqRel);
        self.failures.fetch_add(1, Ordering::AcqRel);
    }

    /// The last checkpoint, if it was abandoned.
    pub(super) fn unsaved(&self) -> Option<Unsaved> {
        let epoch = Some(self.abandoned()).filter(|&abandoned| abandoned > self.newest())?;
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Unsaved { epoch, why })
    }

    /// Why the last checkpoint was abandoned; `None` once one is complete.
    pub fn trouble(&self) -> Option<String> {
        let epoch = Some(self.abandoned()).filter(|&abandoned| abandoned > self.newest())?;
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.as_ref().map(|why| {
            format!(
                "that of epoch {epoch} was abandoned, for {why}; see that \
            the store can be written and has room"
            )
        })
    }

    /// Set once the saver's thread has panicked: nothing will be saved any more.
    pub fn panicked(&self) -> Option<Panicked> {
        self.panicked.get().cloned()
    }
}

/// The last checkpoint could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "everything is committed, but the last checkpoint, of epoch {epoch}, could not be written: \
     {why}. The next start begins at the one before, and repeats \
     what was committed since"
)]
pub struct Unsaved {
    /// Its epoch.
    pub epoch: u64,
    /// Why it was abandoned.
    pub why: Abandoned,
}

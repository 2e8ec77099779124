//! What a verification leaves for the next one: the state after the last epoch that it has found in
//! order, and every row that the tables then had. The next one goes on from there.
//!
//! It lies beside the checkpoints of the job and has their form, but is no checkpoint of the job:
//! no restart sees it. It counts once its manifest is there, which is written when nothing differs.
//! As checkpoints do, those of each history have a folder of their own.

use super::basis::{Basis, Left};
use super::error::VerifyError;
use crate::checkpoint::store::objects::Objects;
use crate::checkpoint::{CheckpointError, Checkpoints, Piece, Saved, Saver, SaverSettings};
use crate::config::types::Config;
use crate::engine::gather::{Checkpointing, Gather};
use crate::engine::saving::Resumption;
use crate::engine::schedule::Schedule;
use crate::fingerprint::Fingerprint;
use crate::postgres::comparison::{EpochBlocks, Expected, Recorded, stored};
use crate::sink::Link;
use crate::sink::following::Follow;
use dataflows::source::Save;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// The folder below `checkpoint.dir` that has a folder for each job; no job's own can have this
/// name.
pub const FOLDER: &str = "kind=verified";

/// Verifications to keep: should the newest one be damaged, the one before it is gone on from.
const KEEP: usize = 2;

/// How long the end waits for a store that is slow.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// How soon it is asked again whether there is room for another piece.
const AGAIN: Duration = Duration::from_millis(1);

/// What verifications of a job have left.
pub struct Verified {
    checkpoints: Checkpoints,
}

impl Verified {
    /// Those of a history of the job of this configuration.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn open(
        config: &Config,
        fingerprint: Fingerprint,
        identity: Link,
    ) -> Result<Verified, CheckpointError> {
        let checkpoints =
            Checkpoints::open(&config.checkpoint.dir.below(FOLDER), &config.job, fingerprint)?;
        Ok(Verified { checkpoints: checkpoints.of(identity) })
    }

    /// Those of a stretch of the job's epochs that is followed by others, in memory.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn in_memory(job: &str, fingerprint: Fingerprint) -> Result<Verified, CheckpointError> {
        let store =
            Objects::over(Box::new(InMemory::new()), "memory".to_string(), Path::default())?;
        Ok(Verified { checkpoints: Checkpoints::over(Arc::new(store), job, fingerprint) })
    }

    /// Where they lie.
    pub fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// That of an epoch, which has just been kept.
    ///
    /// # Errors
    /// [`VerifyError::Unusable`].
    pub fn at<S>(&self, epoch: u64) -> Result<Basis<S>, VerifyError> {
        let manifest = self.checkpoints.manifest(epoch).map_err(VerifyError::of_files)?;
        Basis::read(self.checkpoints.clone(), manifest, Left::Verification)
    }

    /// Removes those of before histories had folders; they are of this one.
    pub fn forget_unnamed(&self) {
        if let Err(error) = self.checkpoints.unnamed().erase_before(u64::MAX) {
            tracing::warn!("What verifications of before have left is not removed: {error}.");
        }
    }

    /// What the workers go on from, and whoever saves what they come to, if anything is to be left.
    /// Where nothing can be saved they go on without.
    pub fn resumption<S: Clone>(
        &self,
        basis: Option<&Basis<S>>,
        workers: usize,
        leaves: bool,
    ) -> (Resumption<S>, Option<Leaving>) {
        let manifest = basis.map(|basis| basis.manifest.clone());
        let former = basis.and_then(|basis| basis.former.clone());
        // After a change everything is another.
        let added_to = manifest
            .clone()
            .filter(|_| former.is_none() && basis.is_some_and(|basis| self.has(basis)));
        let save = if added_to.is_some() { Save::Changes } else { Save::Everything };
        let settings = SaverSettings { keep: KEEP, ..SaverSettings::new(workers + 1) };
        let committed = Arc::new(AtomicU64::new(0));
        let start =
            || Saver::start(self.checkpoints.clone(), settings, Arc::clone(&committed), added_to);
        let saver = match leaves.then(start).transpose() {
            Ok(saver) => saver.map(|saver| Leaving { saver, committed, seat: workers, save }),
            Err(error) => {
                not_kept(&error);
                None
            }
        };
        let intake = saver.as_ref().map(|leaving| leaving.saver.intake());
        let checkpoints = basis.map_or(&self.checkpoints, |basis| &basis.checkpoints).clone();
        (Resumption { checkpoints, manifest, former, saver: intake }, saver)
    }

    /// Whether a basis lies here, so that what comes after it can be added to it.
    fn has<S>(&self, basis: &Basis<S>) -> bool {
        basis.left == Left::Verification
            && basis.checkpoints.address() == self.checkpoints.address()
    }
}

fn not_kept(why: &dyn std::fmt::Display) {
    tracing::warn!(
        "What is verified cannot be kept for the next `sluice verify --since last`: {why}."
    );
}

/// Whoever saves what is verified now: the workers hand over their customers, the tables are one
/// worker more.
pub struct Leaving {
    saver: Saver,
    committed: Arc<AtomicU64>,
    /// The number of the worker that the tables are.
    seat: usize,
    /// How much of the customers.
    pub save: Save,
}

impl Leaving {
    /// Has what belongs to no customer handed over too, with the link that the last epoch was
    /// committed with.
    pub fn gathering<F: Follow>(&self, gather: Gather<F>, last: &Recorded) -> Gather<F> {
        let schedule = Schedule::new(Duration::MAX, Arc::clone(self.saver.saved()), Arc::default());
        let link = last.chain.as_deref().and_then(Link::from_hex);
        gather
            .knowing(last.epoch, last.topic_ids, link)
            .saving(Checkpointing::new(self.saver.intake(), Arc::new(schedule)))
    }

    /// Hands over what the tables must hold after the epoch; it does not count before it is
    /// [`keep`](Leaving::keep) that says so.
    pub fn hand(&self, epoch: u64, expected: &Expected, blocks: &EpochBlocks) {
        let (intake, saved) = (self.saver.intake(), self.saver.saved());
        let mut number = 0;
        stored::store(expected, blocks, |bytes| {
            while !intake.has_room() && goes_on(saved, epoch) {
                thread::park_timeout(AGAIN);
            }
            intake.hand(Piece::Tables { epoch, number, bytes });
            number += 1;
        });
        intake.hand(Piece::WorkerDone { epoch, worker: self.seat, longest: Default::default() });
    }

    /// Hands over no tables: others follow that are told anew.
    pub fn hand_none(&self, epoch: u64) {
        self.saver.intake().hand(Piece::WorkerDone {
            epoch,
            worker: self.seat,
            longest: Default::default(),
        });
    }

    /// Nothing differs up to the epoch: what was handed over is to be gone on from. Says whether it
    /// can be.
    pub fn keep(self, epoch: u64) -> bool {
        self.committed.store(epoch, Ordering::Release);
        let finished = self.saver.finish(PATIENCE);
        finished.inspect_err(|unsaved| not_kept(&unsaved.why)).is_ok()
    }
}

/// Whether the saver still takes pieces of the epoch rather than nothing at all.
fn goes_on(saved: &Saved, epoch: u64) -> bool {
    saved.panicked().is_none() && !saved.is_settled(epoch)
}

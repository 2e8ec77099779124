//! Puts a checkpoint together from what the workers hand over: the saver's logic, without its
//! thread.
//!
//! At every moment either the former checkpoint or the new one is whole: files have names of their
//! own, the manifest comes last, and only then is anything removed. A checkpoint that cannot be
//! finished is abandoned: it leaves files that no manifest names, and the next one must be full,
//! because what changed up to the abandoned one is in no other.

mod attempt;
mod finishing;

pub use attempt::Abandoned;

use super::checkpoints::Checkpoints;
use super::error::CheckpointError;
use super::manifest::{FileKind, Manifest, Part};
use super::names;
use super::saver::{CommonPiece, Piece, Saved, SaverSettings};
use attempt::Attempt;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

/// Files that are written together: an object store takes as long for many as for one.
const TOGETHER: usize = 16;

/// Bytes that are written together, to bound what is held back.
const TOGETHER_BYTES: usize = 16 << 20;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The checkpoint that is being written, and what the next one goes on from.
pub struct Assembly {
    checkpoints: Checkpoints,
    settings: SaverSettings,
    committed: Arc<AtomicU64>,
    saved: Arc<Saved>,
    former: Option<Manifest>,
    /// Whether checkpoints without an identity are of this history, and go with the next one.
    follows_unnamed: bool,
    attempt: Option<Attempt>,
}

impl Assembly {
    /// Begins with what the job was restored from. No file is added to those of a checkpoint that
    /// lies elsewhere: the first one is full then.
    ///
    /// # Errors
    /// [`CheckpointError::Store`].
    pub fn new(
        checkpoints: Checkpoints,
        settings: SaverSettings,
        committed: Arc<AtomicU64>,
        saved: Arc<Saved>,
        restored: Option<Manifest>,
    ) -> Result<Self, CheckpointError> {
        let follows_unnamed = match &restored {
            Some(restored) => {
                restored.follows_unnamed || restored.identity != checkpoints.identity()
            }
            // In its stead the job has repeated what it covered.
            None => settings.process == 0 && checkpoints.unnamed().are_outdated()?,
        };
        let former = restored.filter(|restored| restored.identity == checkpoints.identity());
        Ok(Assembly {
            checkpoints,
            settings,
            committed,
            saved,
            former,
            follows_unnamed,
            attempt: None,
        })
    }

    /// Whether something is being written or waited for.
    pub fn is_busy(&self) -> bool {
        self.attempt.is_some()
    }

    /// The epoch that is being written.
    pub fn epoch(&self) -> Option<u64> {
        self.attempt.as_ref().map(|attempt| attempt.epoch)
    }

    /// Takes a piece. One of a checkpoint that is complete or abandoned is dropped; one of a later
    /// checkpoint than the one being written abandons that.
    pub fn take(&mut self, piece: Piece) {
        let epoch = piece.epoch();
        if let Piece::Shared(shared) = &piece
            && self.saved.is_abandoned(epoch)
        {
            self.leave_erased(shared);
        }
        if self.saved.is_settled(epoch)
            || self.attempt.as_ref().is_some_and(|attempt| attempt.epoch > epoch)
        {
            return;
        }
        if self.attempt.as_ref().is_some_and(|attempt| attempt.epoch < epoch) {
            self.abandon(Abandoned::Overtaken(epoch));
        }
        let mut attempt = self.attempt.take().unwrap_or_else(|| Attempt::new(epoch));
        let told = self.add(&mut attempt, piece).and_then(|()| self.tell_part(&mut attempt));
        self.go_on(attempt, told);
    }

    /// Writes what has been held back. On process 0: finishes the checkpoint if everything is there
    /// and its epoch is committed.
    pub fn poll(&mut self) {
        let Some(mut attempt) = self.attempt.take() else { return };
        let finished = self.flush(&mut attempt).and_then(|()| self.finish(&mut attempt));
        self.go_on(attempt, finished);
    }

    /// Goes on with a checkpoint unless it is done, or cannot be.
    fn go_on(&mut self, attempt: Attempt, done: Result<bool, Abandoned>) {
        self.attempt = (!matches!(done, Ok(true))).then_some(attempt);
        if let Err(why) = done {
            self.abandon(why);
        }
    }

    /// Takes in a piece. Files are held back until a few can be written together.
    fn add(&self, attempt: &mut Attempt, piece: Piece) -> Result<(), Abandoned> {
        let epoch = attempt.epoch;
        match piece {
            Piece::Shard { kind: FileKind::Delta, .. } if self.saved.needs_full() => {
                return Err(Abandoned::Baseless);
            }
            Piece::Shard { shard, kind, customers, bytes, .. } => {
                let (file, packed) = self.checkpoints.pack(
                    names::shard(shard, epoch, kind),
                    kind,
                    epoch,
                    customers,
                    &bytes,
                )?;
                // Later checkpoints name it too: without a twin one damaged file would be the end
                // of all of them.
                attempt.unwritten.push((names::twin(&file.name), packed.clone()));
                attempt.unwritten.push((file.name.clone(), packed));
                attempt.files.push((shard, file));
            }
            Piece::Shared(shared) => {
                let (file, packed) = self.checkpoints.pack(
                    names::shared(epoch),
                    FileKind::Base,
                    epoch,
                    shared.customers,
                    &shared.bytes,
                )?;
                attempt.unwritten.push((file.name.clone(), packed));
                attempt.shared = Some((CommonPiece { bytes: Vec::new(), ..*shared }, file));
            }
            Piece::Tables { number, bytes, .. } => {
                let (file, packed) = self.checkpoints.pack(
                    names::tables(epoch, number),
                    FileKind::Base,
                    epoch,
                    0,
                    &bytes,
                )?;
                attempt.unwritten.push((file.name.clone(), packed));
                attempt.tables.push(file);
            }
            Piece::WorkerDone { worker, longest, .. } => {
                attempt.done.insert(worker);
                attempt.longest.extend(longest);
            }
        }
        let bytes: usize = attempt.unwritten.iter().map(|(_, packed)| packed.len()).sum();
        if attempt.unwritten.len() >= TOGETHER || bytes >= TOGETHER_BYTES {
            self.flush(attempt)
        } else {
            Ok(())
        }
    }

    /// Writes the files that were held back.
    fn flush(&self, attempt: &mut Attempt) -> Result<(), Abandoned> {
        if !attempt.unwritten.is_empty() {
            self.patiently(|| self.checkpoints.put(&attempt.unwritten))?;
            attempt.unwritten.clear();
        }
        Ok(())
    }

    fn is_first(&self) -> bool {
        self.settings.process == 0
    }

    /// On the other processes: tells process 0 what was written, once all workers are done. With
    /// that their share is done, which is returned.
    fn tell_part(&self, attempt: &mut Attempt) -> Result<bool, Abandoned> {
        if self.is_first() || attempt.done.len() < self.settings.workers {
            return Ok(false);
        }
        self.flush(attempt)?;
        let part = Part {
            process: self.settings.process,
            epoch: attempt.epoch,
            files: Ok(std::mem::take(&mut attempt.files)),
        };
        self.patiently(|| self.checkpoints.write_part(&part))?;
        self.saved.complete(part.epoch, Timestamp::now());
        Ok(true)
    }

    fn abandon(&mut self, why: Abandoned) {
        let Some(attempt) = self.attempt.take() else { return };
        attempt.shared.iter().for_each(|(shared, _)| self.leave_erased(shared));
        tracing::warn!(
            epoch = attempt.epoch,
            "A checkpoint is abandoned: {why}. The job goes on, a restart would begin at the one \
             before, and the next one will be full; see that \
             {} can be written and has room.",
            self.checkpoints.address()
        );
        let said = why.to_string();
        self.saved.abandon(attempt.epoch, why);
        if !self.is_first() {
            let part =
                Part { process: self.settings.process, epoch: attempt.epoch, files: Err(said) };
            if let Err(error) = self.checkpoints.write_part(&part) {
                tracing::warn!(
                    epoch = attempt.epoch,
                    "Process 0 cannot be told of it, and will wait until the next checkpoint \
                     begins: {error}."
                );
            }
        }
    }

    /// Notes that an abandoned checkpoint does not take the place of older ones, where these hold
    /// customers that were erased.
    fn leave_erased(&self, shared: &CommonPiece) {
        if shared.erases {
            self.saved.erasure_failed();
            tracing::error!(
                epoch = shared.epoch,
                "Older checkpoints still hold customers that were erased, until the next \
                 checkpoint is complete."
            );
        }
    }

    /// Does something with the store, several times if need be.
    fn patiently<T>(
        &self,
        act: impl Fn() -> Result<T, CheckpointError>,
    ) -> Result<T, CheckpointError> {
        let mut pause = self.settings.first_pause;
        for _ in 1..self.settings.tries {
            match act() {
                Err(error) if !error.is_damage() => {
                    tracing::debug!("{error}; trying again.");
                    thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                done => return done,
            }
        }
        act()
    }
}

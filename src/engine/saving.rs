//! The way of a worker's customers into checkpoints and back.

use crate::blame::Blame;
use crate::checkpoint::saver::SaverHandle;
use crate::checkpoint::{CheckpointError, Checkpoints, FileKind, Manifest, Pause, Piece};
use dataflows::snapshot::{Images, ShardImage, SnapshotError};
use dataflows::{Begins, Dataflow, Restoring};
use nix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a checkpoint was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// Its files.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What is in them.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl ResumeError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            ResumeError::Checkpoint(error) => error.blame(),
            ResumeError::Snapshot(
                SnapshotError::Block(_)
                | SnapshotError::Rows { .. }
                | SnapshotError::Common(_)
                | SnapshotError::Older(_),
            ) => Blame::Lasting,
        }
    }
}

/// What a worker begins with, and what belongs to no key of the checkpoint that it is of.
pub type BeginningOf<D> = (<D as Dataflow>::Beginning, Option<Arc<<D as Dataflow>::Common>>);

/// The beginning of worker `worker` of `peers`: its virtual shards of the checkpoint, or nothing
/// where there is none; where it was taken under `former` settings, with the change of them.
/// Also what belongs to no key of the checkpoint.
///
/// # Errors
/// The checkpoint cannot be read.
pub fn load<D: Dataflow>(
    checkpoints: &Checkpoints,
    manifest: Option<&Manifest>,
    former: Option<&D::Settings>,
    described: &D,
    worker: usize,
    peers: usize,
) -> Result<BeginningOf<D>, ResumeError> {
    let Some(manifest) = manifest else { return Ok((described.anew(worker, peers), None)) };
    let (started, checkpoints) = (Instant::now(), checkpoints.holding(manifest));
    let common = Arc::new(D::common(&checkpoints.read(&manifest.shared)?)?);
    let mut restoring = described.restoring(worker, peers, &common, former)?;
    let mut customers = 0;
    for (&shard, chain) in
        manifest.shards.iter().filter(|(shard, _)| usize::from(**shard) % peers == worker)
    {
        for file in chain {
            let (whole, bytes) = (file.kind == FileKind::Base, checkpoints.read(file)?);
            customers += restoring.load(shard, whole, bytes)?;
        }
    }
    let (beginning, epoch) = (restoring.finish(), manifest.epoch);
    let took = started.elapsed();
    tracing::info!(worker, epoch, customers, ?took, "The checkpoint is loaded.");
    Ok((beginning, Some(common)))
}

/// A checkpoint that the workers go on from, if there is one, and whoever saves the next one, if
/// anybody does.
#[derive(Clone)]
pub struct Resumption<S> {
    /// Where it lies.
    pub checkpoints: Checkpoints,
    /// Which.
    pub manifest: Option<Manifest>,
    /// The settings that it was taken under, where the epoch after it is a change to those of the
    /// dataflow.
    pub former: Option<S>,
    /// The saver.
    pub saver: Option<SaverHandle>,
}

impl<S> Resumption<S> {
    /// The epoch that is gone on after; 0 for the beginning.
    pub fn after(&self) -> u64 {
        self.manifest.as_ref().map_or(0, |manifest| manifest.epoch)
    }

    /// The beginning of worker `worker` of `peers`.
    ///
    /// # Errors
    /// The checkpoint cannot be read.
    pub fn begin<D: Dataflow<Settings = S>>(
        &self,
        described: &D,
        worker: usize,
        peers: usize,
    ) -> Result<D::Beginning, ResumeError> {
        let (manifest, former) = (self.manifest.as_ref(), self.former.as_ref());
        let (beginning, _) = load(&self.checkpoints, manifest, former, described, worker, peers)?;
        Ok(beginning
            .saving(self.saver.clone().map(|saver| Box::new(ToSaver::new(saver, worker)) as _)))
    }
}

/// Hands a worker's images to the saver of its process.
pub struct ToSaver {
    saver: SaverHandle,
    worker: usize,
    /// When the worker last asked for room, and the time that it had worked by then: the stream
    /// stands still until its turn is done.
    asked: Cell<(Instant, Duration)>,
    /// The longest turn since the last checkpoint.
    longest: Pause,
}

impl ToSaver {
    /// The images of this worker.
    pub fn new(saver: SaverHandle, worker: usize) -> Self {
        ToSaver {
            saver,
            worker,
            asked: Cell::new((Instant::now(), worked())),
            longest: Pause::default(),
        }
    }
}

impl Images for ToSaver {
    fn has_room(&self) -> bool {
        self.asked.set((Instant::now(), worked()));
        self.saver.has_room()
    }

    fn rest(&mut self) {
        let (asked, before) = self.asked.get();
        self.longest
            .extend(Pause { took: asked.elapsed(), worked: worked().saturating_sub(before) });
    }

    fn take(&mut self, image: ShardImage) {
        let ShardImage { epoch, shard, whole, customers, bytes } = image;
        let kind = if whole { FileKind::Base } else { FileKind::Delta };
        self.saver.hand(Piece::Shard { epoch, shard, kind, customers, bytes });
    }

    fn complete(&mut self, epoch: u64) {
        let longest = std::mem::take(&mut self.longest);
        self.saver.hand(Piece::WorkerDone { epoch, worker: self.worker, longest });
    }
}

/// Processor time of this thread so far.
fn worked() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

//! What a verification leaves for the next one: the state after the last epoch that it has found in
//! order, and every row that the tables then had. The next one goes on from there.
//!
//! It lies beside the checkpoints of the job and has their form, but is no checkpoint of the job:
//! no restart sees it. It counts once its manifest is there, which is written when nothing differs.

use super::VerifyError;
use crate::checkpoint::store::objects::Objects;
use crate::checkpoint::{CheckpointError, Checkpoints, Fingerprint, Manifest, Piece, Saved, Saver, SaverSettings};
use crate::config::types::Config;
use crate::jobs::gather::{Checkpointing, Gather};
use crate::jobs::saving::{LoadError, Resumption};
use crate::jobs::schedule::Schedule;
use crate::postgres::comparison::{Blocks, Expected, Recorded, Standing, stored};
use crate::results::{Changed, hexadecimal};
use crate::sink::Link;
use dataflows::campaign::feed::Save;
use dataflows::campaign::snapshot::Common;
use dataflows::settings::Settings;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::str::FromStr;
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

/// From which verification on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The newest one.
    Last,
    /// That of this epoch.
    Epoch(u64),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Since, Self::Err> {
        match text {
            "last" => Ok(Since::Last),
            number => number.parse().map(Since::Epoch).map_err(|_| "`last`, or the epoch up to which it was verified before"),
        }
    }
}

/// What verifications of a job have left.
pub struct Verified {
    checkpoints: Checkpoints,
}

impl Verified {
    /// Those of the job of this configuration.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn open(config: &Config, settings: &Settings) -> Result<Verified, CheckpointError> {
        let checkpoints = Checkpoints::open(&config.checkpoint.dir.below(FOLDER), &config.job, Fingerprint::of(settings))?;
        Ok(Verified { checkpoints })
    }

    /// Those of a stretch of the job's epochs that is followed by others, in memory.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn in_memory(job: &str, settings: &Settings) -> Result<Verified, CheckpointError> {
        let store = Objects::over(Box::new(InMemory::new()), "memory".to_string(), Path::default())?;
        Ok(Verified { checkpoints: Checkpoints::over(Arc::new(store), job, Fingerprint::of(settings)) })
    }

    /// The one to go on from.
    ///
    /// # Errors
    /// [`VerifyError::Unverified`] where there is none, [`VerifyError::Unusable`], or that of the store.
    pub fn find(&self, since: Since) -> Result<Basis, VerifyError> {
        let manifest = match since {
            Since::Last => self.checkpoints.newest().map_err(unusable)?,
            Since::Epoch(epoch) => match self.checkpoints.list()?.into_iter().find(|listed| listed.epoch == epoch) {
                Some(listed) => listed.problem.map_or(Ok(listed.manifest), Err).map_err(unusable)?,
                None => None,
            },
        };
        let Some(manifest) = manifest else { return Err(VerifyError::Unverified { address: self.checkpoints.address(), since }) };
        self.basis(manifest)
    }

    /// That of an epoch, which has just been kept.
    ///
    /// # Errors
    /// [`VerifyError::Unusable`].
    pub fn at(&self, epoch: u64) -> Result<Basis, VerifyError> {
        self.basis(self.checkpoints.manifest(epoch).map_err(unusable)?)
    }

    fn basis(&self, manifest: Manifest) -> Result<Basis, VerifyError> {
        let common = self.checkpoints.read(&manifest.shared).map_err(unusable)?;
        let common = Common::from_bytes(&common).map_err(|error| self.not_usable(&manifest, error.to_string()))?;
        Ok(Basis { checkpoints: self.checkpoints.clone(), manifest, common, former: None, changed: None })
    }

    /// What the tables held, taken up into `expected`, and the epochs that were recorded.
    ///
    /// # Errors
    /// [`VerifyError::Unusable`], or that of the store.
    pub fn rows(&self, basis: &Basis, expected: &mut Expected) -> Result<Blocks, VerifyError> {
        let pieces = basis.manifest.tables.iter().map(|file| self.checkpoints.read(file));
        stored::restore(expected, pieces).map_err(unusable)?.map_err(|why| self.not_usable(&basis.manifest, why))
    }

    /// What the workers go on from, and whoever saves what they come to. Where nothing can be saved
    /// they go on without.
    pub fn resumption(&self, basis: Option<&Basis>, workers: usize) -> (Resumption, Option<Leaving>) {
        let manifest = basis.map(|basis| basis.manifest.clone());
        let former = basis.and_then(|basis| basis.former.clone());
        // After a change everything is another, and lies elsewhere.
        let added_to = manifest.clone().filter(|_| former.is_none());
        let save = if added_to.is_some() { Save::Changes } else { Save::Everything };
        let settings = SaverSettings { keep: KEEP, ..SaverSettings::new(workers + 1) };
        let committed = Arc::new(AtomicU64::new(0));
        let saver = match Saver::start(self.checkpoints.clone(), settings, Arc::clone(&committed), added_to) {
            Ok(saver) => Some(Leaving { saver, committed, seat: workers, save }),
            Err(error) => {
                not_kept(&error);
                None
            }
        };
        let intake = saver.as_ref().map(|leaving| leaving.saver.intake());
        let checkpoints = basis.map_or(&self.checkpoints, |basis| &basis.checkpoints).clone();
        (Resumption { checkpoints, manifest, former, saver: intake }, saver)
    }

    fn not_usable(&self, manifest: &Manifest, why: String) -> VerifyError {
        VerifyError::Unusable { object: format!("{} up to epoch {}", self.checkpoints.address(), manifest.epoch), why }
    }
}

fn not_kept(why: &dyn std::fmt::Display) {
    tracing::warn!("What is verified cannot be kept for the next `sluice verify --since last`: {why}.");
}

/// What keeps a verification from going on from one that was left before.
fn unusable(error: CheckpointError) -> VerifyError {
    match error {
        CheckpointError::Missing { object } => VerifyError::Unusable { object, why: "it is missing".to_string() },
        CheckpointError::Damaged { object, why } => VerifyError::Unusable { object, why: format!("it is damaged: {why}") },
        CheckpointError::Format { object, found } => VerifyError::Unusable { object, why: format!("another version wrote it, in format {found}") },
        CheckpointError::Foreign { object, differences } => {
            VerifyError::Unusable { object, why: format!("it was left under another configuration: {}", differences.join("; ")) }
        }
        other => VerifyError::Checkpoint(other),
    }
}

impl From<LoadError> for VerifyError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Checkpoint(error) => unusable(error),
            LoadError::Snapshot(error) => VerifyError::Unusable { object: "what was verified before".to_string(), why: error.to_string() },
        }
    }
}

/// A verification that is gone on from.
pub struct Basis {
    /// Where it lies.
    checkpoints: Checkpoints,
    /// Its manifest.
    pub manifest: Manifest,
    /// What belonged to no customer.
    pub common: Common,
    /// The settings that it was taken under, where the next epoch is a change of them.
    pub former: Option<Settings>,
    /// What does not stand any more then.
    pub changed: Option<Changed>,
}

impl Basis {
    /// The epoch up to which everything was verified.
    pub fn epoch(&self) -> u64 {
        self.manifest.epoch
    }

    /// Makes sure that what is recorded now is the history that was verified.
    ///
    /// # Errors
    /// [`VerifyError::OtherHistory`].
    pub fn check(&self, standing: &Standing) -> Result<(), VerifyError> {
        let other = |why: String| Err(VerifyError::OtherHistory { epoch: self.epoch(), why });
        let Some(Recorded { digest, chain, .. }) = &standing.seen.last else {
            let last = standing.epochs.last().map_or(standing.progress.epoch, |epoch| epoch.epoch);
            return other(format!("that epoch is not recorded, and the job stands at epoch {last}"));
        };
        let own = self.manifest.chain.map(|link| link.to_string());
        if own != *chain {
            let shown = |chain: &Option<String>| chain.clone().unwrap_or_else(|| "none".to_string());
            return other(format!("it had the chain {} there, and {} is recorded", shown(&own), shown(chain)));
        }
        if hexadecimal(&self.manifest.digest) != *digest {
            return other(format!("it had the model digest {} there, and {digest} is recorded", hexadecimal(&self.manifest.digest)));
        }
        Ok(())
    }
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
    pub fn gathering(&self, gather: Gather, last: &Recorded) -> Gather {
        let schedule = Schedule::new(Duration::MAX, Arc::clone(self.saver.saved()), Arc::default());
        let link = last.chain.as_deref().and_then(Link::from_hex);
        gather.knowing(last.epoch, last.topic_ids, link).saving(Checkpointing::new(self.saver.intake(), Arc::new(schedule)))
    }

    /// Hands over what the tables must hold after the epoch; it does not count before it is
    /// [`keep`](Leaving::keep) that says so.
    pub fn hand(&self, epoch: u64, expected: &Expected, blocks: &Blocks) {
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
        self.saver.intake().hand(Piece::WorkerDone { epoch, worker: self.seat, longest: Default::default() });
    }

    /// Nothing differs up to the epoch: what was handed over is to be gone on from.
    pub fn keep(self, epoch: u64) {
        self.committed.store(epoch, Ordering::Release);
        if let Err(unsaved) = self.saver.finish(PATIENCE) {
            not_kept(&unsaved.why);
        }
    }
}

/// Whether the saver still takes pieces of the epoch rather than nothing at all.
fn goes_on(saved: &Saved, epoch: u64) -> bool {
    saved.panicked().is_none() && !saved.is_settled(epoch)
}

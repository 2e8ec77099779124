//! Where a job begins: what the database has recorded, the checkpoint that agrees with it, and the offsets to read from.

use super::live::Replayed;
use super::plan::Plan;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::kafka::{KafkaError, KafkaSettings, Position, admin};
use crate::postgres::{PostgresError, RecordedEpoch, Writer};
use crate::results::hexadecimal;
use dataflows::event::Topic;
use std::collections::BTreeMap;

/// Why a job cannot begin where it was.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint does not belong to what is in the database.
    #[error(
        "the checkpoint of epoch {epoch} has the model digest {checkpoint}, but the database has {database} for it: they are of different histories. \
         Give each job a name and a place for checkpoints of its own, or remove the checkpoints to repeat every recorded epoch"
    )]
    Strange {
        /// The epoch of both.
        epoch: u64,
        /// In the checkpoint.
        checkpoint: String,
        /// In the database.
        database: String,
    },
    /// The database knows nothing of what the checkpoints hold.
    #[error(
        "there are checkpoints of job `{job}` up to epoch {epoch}, but the database has no progress of it: is it another database? \
         With --rebuild the checkpoints are removed and everything is made anew from the topics"
    )]
    Forgotten {
        /// The job.
        job: String,
        /// Of the newest checkpoint.
        epoch: u64,
    },
    /// A start in the middle cannot be repeated.
    #[error(
        "job `{0}` has progress, but neither a checkpoint nor a record of the offsets that it began with: its first records cannot be found again. \
         Restore its checkpoints, or start a job of another name"
    )]
    Unrepeatable(String),
}

/// What is known before the workers begin; on the first process.
pub struct Restart {
    /// For all workers.
    pub plan: Plan,
    /// Epochs to be repeated.
    pub replayed: Vec<Replayed>,
    /// What their digests must be.
    pub digests: BTreeMap<u64, [u8; 32]>,
}

/// The sources that a job can begin with.
pub struct Sources<'a> {
    /// Where checkpoints lie.
    pub checkpoints: &'a Checkpoints,
    /// The broker.
    pub kafka: &'a KafkaSettings,
    /// The partitions that are there.
    pub partitions: &'a BTreeMap<Topic, Vec<u32>>,
}

impl Restart {
    /// Finds out where the job that `writer` has taken over begins: after the newest sound checkpoint of a committed epoch, else with its first
    /// records.
    ///
    /// # Errors
    /// What keeps it from going on exactly where it was.
    pub fn find(writer: &mut Writer, sources: &Sources<'_>) -> Result<Restart, RestartError> {
        let progress = writer.progress().epoch;
        if let (0, Some(newest)) = (progress, sources.checkpoints.list()?.first()) {
            return Err(RestartError::Forgotten { job: writer.job().to_string(), epoch: newest.epoch });
        }
        let manifest = sources.checkpoints.newest_sound(progress)?;
        let after = manifest.as_ref().map_or(0, |manifest| manifest.epoch);
        let recorded = writer.recorded_epochs(after.saturating_sub(1))?;
        if let Some(manifest) = &manifest {
            compare(manifest, &recorded)?;
        }
        let starts = match &manifest {
            Some(manifest) => manifest.offsets.clone(),
            None => starts(writer, sources)?,
        };
        let repeated: Vec<RecordedEpoch> = recorded.into_iter().filter(|epoch| epoch.epoch > after).collect();
        match progress {
            0 => tracing::info!(partitions = starts.len(), "The job begins."),
            _ => tracing::info!(checkpoint = after, repeated = repeated.len(), committed = progress, "The job goes on where it was."),
        }
        let digests = repeated.iter().map(|epoch| (epoch.epoch, epoch.digest)).collect();
        let repeats = !repeated.is_empty();
        let replayed = repeated.into_iter().map(|epoch| Replayed { bounds: epoch.offsets, watermark: epoch.watermark }).collect();
        Ok(Restart { plan: Plan::new(manifest.as_ref(), starts, repeats), replayed, digests })
    }
}

/// The checkpoint's statistics must be those that its epoch was committed with.
fn compare(manifest: &Manifest, recorded: &[RecordedEpoch]) -> Result<(), RestartError> {
    let Some(committed) = recorded.iter().find(|epoch| epoch.epoch == manifest.epoch) else { return Ok(()) };
    if committed.digest == manifest.digest {
        return Ok(());
    }
    let (checkpoint, database) = (hexadecimal(&manifest.digest), hexadecimal(&committed.digest));
    Err(RestartError::Strange { epoch: manifest.epoch, checkpoint, database })
}

/// The offsets that the job began with, recorded on its first start.
fn starts(writer: &mut Writer, sources: &Sources<'_>) -> Result<Vec<(Topic, u32, u64)>, RestartError> {
    if let Some(starts) = writer.starts()? {
        return Ok(starts);
    }
    let from = Position::from(sources.kafka.start);
    if writer.progress().epoch > 0 && from != Position::Earliest {
        return Err(RestartError::Unrepeatable(writer.job().to_string()));
    }
    let found = admin::positions(sources.kafka, sources.partitions, from)?;
    let starts: Vec<_> = found.into_iter().map(|((topic, partition), range)| (topic, partition, range.start)).collect();
    writer.set_starts(&starts)?;
    Ok(starts)
}

//! Where a job begins: what its sink has recorded, the checkpoint that agrees with it, and the offsets to read from.

use super::live::Replayed;
use super::plan::Plan;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::kafka::{KafkaError, KafkaSettings, Position, TopicIds, admin};
use crate::results::hexadecimal;
use crate::sink::{Positions, RecordedEpoch, Sink, SinkError};
use dataflows::event::Topic;
use std::collections::BTreeMap;
use std::ops::Range;

/// Why a job cannot begin where it was.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// What is recorded of it.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint does not belong to what is recorded.
    #[error(
        "the checkpoint of epoch {epoch} has the model digest {checkpoint}, but its epoch was committed with {committed}: they are of different histories. \
         Give each job a name and a place for checkpoints of its own, or remove the checkpoints to repeat every recorded epoch"
    )]
    Strange {
        /// The epoch of both.
        epoch: u64,
        /// In the checkpoint.
        checkpoint: String,
        /// As recorded.
        committed: String,
    },
    /// Nothing is recorded of what the checkpoints hold.
    #[error(
        "there are checkpoints of job `{job}` up to epoch {epoch}, but no progress of it is recorded: is it another database, or another sink? \
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
    /// The first epochs to be repeated are no longer recorded.
    #[error(
        "job `{job}` would have to repeat its epochs from {needed} on, for no newer checkpoint can be used, but they are recorded only from {first} \
         on: restore its checkpoints, or make everything anew from the topics with --rebuild"
    )]
    Unrecorded {
        /// The job.
        job: String,
        /// The first that is needed.
        needed: u64,
        /// The first that is recorded.
        first: u64,
    },
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
    /// Finds out where the job that `sink` has taken over begins: after the newest sound checkpoint of a committed epoch, else with its first
    /// records.
    ///
    /// # Errors
    /// What keeps it from going on exactly where it was.
    pub fn find(sink: &mut dyn Sink, sources: &Sources<'_>) -> Result<Restart, RestartError> {
        let progress = sink.progress().epoch;
        if let (0, Some(newest)) = (progress, sources.checkpoints.list()?.first()) {
            return Err(RestartError::Forgotten { job: sink.job().to_string(), epoch: newest.epoch });
        }
        let manifest = sources.checkpoints.newest_sound(progress)?;
        let after = manifest.as_ref().map_or(0, |manifest| manifest.epoch);
        let recorded = sink.recorded_epochs(after.saturating_sub(1))?;
        if let Some(manifest) = &manifest {
            compare(manifest, &recorded)?;
        }
        let starts = match &manifest {
            Some(manifest) => manifest.offsets.clone(),
            None => starts(sink, sources)?,
        };
        let repeated: Vec<RecordedEpoch> = recorded.into_iter().filter(|epoch| epoch.epoch > after).collect();
        let first = repeated.first().map_or(progress + 1, |epoch| epoch.epoch);
        if first > after + 1 {
            return Err(RestartError::Unrecorded { job: sink.job().to_string(), needed: after + 1, first });
        }
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
    let (checkpoint, committed) = (hexadecimal(&manifest.digest), hexadecimal(&committed.digest));
    Err(RestartError::Strange { epoch: manifest.epoch, checkpoint, committed })
}

/// The offsets that the job began with, recorded on its first start.
fn starts(sink: &mut dyn Sink, sources: &Sources<'_>) -> Result<Vec<(Topic, u32, u64)>, RestartError> {
    if let Some(starts) = sink.starts()? {
        return Ok(starts);
    }
    let from = Position::from(sources.kafka.start);
    if sink.progress().epoch > 0 && from != Position::Earliest {
        return Err(RestartError::Unrepeatable(sink.job().to_string()));
    }
    let found = admin::positions(sources.kafka, sources.partitions, from)?;
    let starts: Vec<_> = found.into_iter().map(|((topic, partition), range)| (topic, partition, range.start)).collect();
    sink.set_starts(&starts)?;
    Ok(starts)
}

/// The offsets that a job begins anew with: those that it began with, where the topic is still the same and has them; else the first that are there.
///
/// # Errors
/// The broker does not say what is there.
pub fn starts_anew(sink: &mut dyn Sink, sources: &Sources<'_>, now: &TopicIds) -> Result<Positions, RestartError> {
    let Sources { kafka, partitions, .. } = sources;
    // What cannot be read is of other topics, or damaged, and is about to be forgotten.
    let (before, recorded) = (sink.topic_ids().unwrap_or_default(), sink.starts().unwrap_or_default());
    let Some(recorded) = recorded else {
        let found = admin::positions(kafka, partitions, Position::from(kafka.start))?;
        return Ok(found.into_iter().map(|((topic, partition), range)| (topic, partition, range.start)).collect());
    };
    let recorded: BTreeMap<(Topic, u32), u64> = recorded.into_iter().map(|(topic, partition, next)| ((topic, partition), next)).collect();
    let is_remade = |topic| before.get(topic).zip(now.get(topic)).is_some_and(|(before, now)| before != now);
    let start = |((topic, partition), there): ((Topic, u32), Range<u64>)| {
        let began = recorded.get(&(topic, partition)).copied().filter(|_| !is_remade(topic));
        if let Some(began) = began.filter(|began| !(there.start..=there.end).contains(began)) {
            tracing::warn!(
                topic = kafka.topic_name(topic),
                partition,
                began,
                first = there.start,
                "The job began with records that are gone: it begins anew with the first that is there."
            );
        }
        let from = began.filter(|began| (there.start..=there.end).contains(began)).unwrap_or(there.start);
        (topic, partition, from)
    };
    Ok(admin::positions(kafka, partitions, Position::Earliest)?.into_iter().map(start).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Fingerprint, Location};
    use crate::results::EpochResults;
    use crate::sink::{Commit, Progress};
    use dataflows::settings::Settings;

    /// A sink that has committed epochs, of which it has these.
    struct Recorded(u64, std::ops::Range<u64>);

    impl Sink for Recorded {
        fn job(&self) -> &str {
            "campaign"
        }
        fn progress(&self) -> Progress {
            Progress { epoch: self.0, ..Progress::default() }
        }
        fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
            let recorded = |epoch| RecordedEpoch { epoch, watermark: None, offsets: Vec::new(), digest: [0; 32] };
            Ok(self.1.clone().filter(|epoch| *epoch > after).map(recorded).collect())
        }
        fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
            Ok(Some(Vec::new()))
        }
        fn set_starts(&mut self, _: &[(Topic, u32, u64)]) -> Result<(), SinkError> {
            Ok(())
        }
        fn topic_ids(&mut self) -> Result<TopicIds, SinkError> {
            Ok(TopicIds::UNKNOWN)
        }
        fn set_topic_ids(&mut self, _: &TopicIds) -> Result<(), SinkError> {
            Ok(())
        }
        fn forget(&mut self, _: &[(Topic, u32, u64)], _: &TopicIds) -> Result<(), SinkError> {
            Ok(())
        }
        fn commit(&mut self, results: &EpochResults) -> Result<Commit, SinkError> {
            Ok(Commit { epoch: results.epoch, took: std::time::Duration::ZERO, retries: 0 })
        }
        fn checkpointed(&mut self, _: u64) {}
    }

    #[test]
    fn without_a_checkpoint_every_epoch_must_be_recorded() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::Folder(folder.path().to_path_buf());
        let checkpoints = Checkpoints::open(&location, "campaign", Fingerprint::of(&Settings::default())).expect("a store");
        let (kafka, partitions) = (KafkaSettings::new("127.0.0.1:1"), BTreeMap::new());
        let sources = Sources { checkpoints: &checkpoints, kafka: &kafka, partitions: &partitions };
        let find = |mut sink: Recorded| Restart::find(&mut sink, &sources).map(|restart| restart.replayed.len());
        assert_eq!(find(Recorded(0, 1..1)).ok(), Some(0));
        assert_eq!(find(Recorded(6, 1..7)).ok(), Some(6));
        assert!(matches!(find(Recorded(6, 4..7)), Err(RestartError::Unrecorded { needed: 1, first: 4, .. })));
        assert!(matches!(find(Recorded(6, 7..7)), Err(RestartError::Unrecorded { needed: 1, first: 7, .. })));
    }
}

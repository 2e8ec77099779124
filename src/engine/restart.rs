//! Where a job begins: what its sink has recorded, the checkpoint that agrees with it, and the
//! offsets to read from.

mod error;
mod found;
mod search;
#[cfg(test)]
pub(super) mod tests;

pub use error::RestartError;

use super::live::Replayed;
use super::plan::Plan;
use super::reconfiguring::{self, WantedSettings};
use crate::checkpoint::{Checkpoints, Manifest, PassedOver, Selection};
use crate::hosting::Hosted;
use crate::kafka::{KafkaSettings, Position, admin};
use crate::sink::kept::covered;
use crate::sink::{Genesis, Link, RecordedEpoch, Records, SinkError};
use crate::source::{Bounds, Positions, bounds_of};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use found::of_others;
use search::CheckpointSearch;
use std::collections::BTreeMap;

/// What is known before the workers begin; on the first process.
pub struct Restart {
    /// For all workers.
    pub plan: Plan,
    /// The checkpoint that it goes on from.
    pub manifest: Option<Manifest>,
    /// Newer ones, which are not gone on from.
    pub passed_over: Vec<PassedOver>,
    /// The offsets that the job begins with, where they are still to be recorded.
    pub begins: Option<Positions>,
    /// Epochs to be repeated.
    pub replayed: Vec<Replayed>,
    /// Customers that are erased from the first record on, each up to an instant, where everything
    /// is made anew.
    pub erased: Vec<(CustomerId, Millis)>,
    /// What they were committed with.
    pub committed: BTreeMap<u64, RecordedEpoch>,
    /// Where the chain of the job's epochs begins, and the link of the epoch that it goes on after.
    pub history: Genesis,
    /// That link; `None` before the first.
    pub link: Option<Link>,
    /// The next epoch is a change of settings that was never committed.
    pub changes: bool,
}

/// The sources that a job can begin with.
pub struct Sources<'a> {
    /// Where checkpoints lie.
    pub checkpoints: &'a Checkpoints,
    /// The broker.
    pub kafka: &'a KafkaSettings,
    /// The partitions that are there.
    pub partitions: &'a BTreeMap<TopicId, Vec<u32>>,
}

impl Restart {
    /// Finds out where the job of these records begins: after the newest sound checkpoint of a
    /// committed epoch, else with its first records. Nothing is changed. What was found `before`
    /// need not be looked at again.
    ///
    /// # Errors
    /// What keeps it from going on exactly where it was.
    pub fn find<D: Hosted>(
        records: &mut dyn Records,
        sources: &Sources<'_>,
        wanted: &WantedSettings<'_, D::Settings>,
        before: Option<&Restart>,
    ) -> Result<Restart, RestartError> {
        let progress = records.progress().epoch;
        let applied = records.applied()?.read::<D::Settings>().map_err(SinkError::from)?;
        let given_up = reconfiguring::given_up::<D>(records.job(), &applied, progress, wanted)?;
        let history = records.history()?;
        let places = [sources.checkpoints.of(history.identity), sources.checkpoints.unnamed()];
        let oldest = oldest(&places, records.job(), progress)?;
        let mut recorded = records.recorded_epochs(oldest.unwrap_or(1).saturating_sub(1))?;
        let given_up = given_up.as_ref();
        let search = CheckpointSearch::<D> {
            sources,
            wanted,
            applied: &applied,
            given_up,
            progress,
            before,
        };
        let Selection { manifest, former, passed_over } = search.find(&places, &recorded)?;
        let passed_over = [passed_over, of_others(sources.checkpoints, &history)?].concat();
        warn_of(&passed_over, before);
        search.check_given_up(records.job(), manifest.as_ref())?;
        let after = manifest.as_ref().map_or(0, |manifest| manifest.epoch);
        if manifest.is_none() && oldest.is_some_and(|oldest| oldest > 1) {
            recorded = records.recorded_epochs(0)?;
        }
        recorded.retain(|epoch| epoch.epoch >= after);
        if let Some(broken) = history.broken(&recorded) {
            return Err(RestartError::Broken(broken));
        }
        let (starts, is_recorded) = match &manifest {
            Some(manifest) => (manifest.offsets.clone(), true),
            None => starts(records, sources)?,
        };
        let before =
            recorded.first().filter(|epoch| epoch.epoch == after).and_then(|epoch| epoch.chain);
        let link = before.or(manifest.as_ref().and_then(|manifest| manifest.chain));
        let repeated = repeated(recorded, records.job(), after, progress)?;
        let changes = given_up.is_some();
        let changed = manifest.as_ref().filter(|_| changes);
        let (replayed, covered) = replayed(records, &repeated, after, &starts, changed)?;
        let begins = (!is_recorded).then(|| starts.clone());
        let mut served = applied.through(progress);
        served.retain(|(last, _)| *last > after);
        let repeats = !repeated.is_empty() || changes;
        let plan = Plan::new(&history, manifest.as_ref(), starts, repeats)
            .recalling(covered)
            .serving(&served)
            .changing(former.as_ref())
            .losing(&records.losses()?);
        Ok(Restart {
            plan,
            manifest,
            passed_over,
            begins,
            replayed,
            erased: if progress == 0 { records.erased()? } else { Vec::new() },
            committed: repeated.into_iter().map(|epoch| (epoch.epoch, epoch)).collect(),
            history,
            link,
            changes,
        })
    }

    /// The first epoch that is not committed yet.
    pub fn next(&self) -> u64 {
        self.committed.last_key_value().map_or(self.after(), |(epoch, _)| *epoch) + 1
    }

    /// The epoch that it goes on after; 0 for the beginning.
    pub fn after(&self) -> u64 {
        self.manifest.as_ref().map_or(0, |manifest| manifest.epoch)
    }
}

/// The oldest epoch up to the last committed one of which a checkpoint lies in one of these places,
/// of which the second is that of before histories had names.
fn oldest(
    places: &[Checkpoints; 2],
    job: &str,
    progress: u64,
) -> Result<Option<u64>, RestartError> {
    let [own, of_before] = [places[0].list()?, places[1].list()?];
    if let (0, Some(newest)) = (progress, of_before.first()) {
        return Err(RestartError::Forgotten { job: job.to_string(), epoch: newest.epoch });
    }
    let listed = own.into_iter().chain(of_before);
    Ok(listed.map(|listed| listed.epoch).filter(|epoch| *epoch <= progress).min())
}

/// Tells of checkpoints that are passed over, but of those that were told of before.
fn warn_of(passed_over: &[PassedOver], before: Option<&Restart>) {
    let told = before.map_or(&[][..], |before| &before.passed_over);
    passed_over.iter().filter(|passed_over| !told.contains(passed_over)).for_each(PassedOver::warn);
}

/// The epochs behind the one that the job goes on after, without a gap.
fn repeated(
    recorded: Vec<RecordedEpoch>,
    job: &str,
    after: u64,
    progress: u64,
) -> Result<Vec<RecordedEpoch>, RestartError> {
    let repeated: Vec<RecordedEpoch> =
        recorded.into_iter().filter(|epoch| epoch.epoch > after).collect();
    let first = repeated.first().map_or(progress + 1, |epoch| epoch.epoch);
    if first > after + 1 {
        let job = job.to_string();
        return Err(RestartError::Unrecorded { job, needed: after + 1, first });
    }
    Ok(repeated)
}

/// How epochs are repeated, and up to where partitions are read from what was kept of them. A
/// change of settings that begins with a checkpoint is an epoch of its own.
fn replayed(
    records: &mut dyn Records,
    repeated: &[RecordedEpoch],
    after: u64,
    starts: &[(TopicId, u32, u64)],
    changed: Option<&Manifest>,
) -> Result<(Vec<Replayed>, Bounds), RestartError> {
    let repeats = !repeated.is_empty();
    let kept = if repeats { records.kept(after)? } else { Vec::new() };
    let covered = covered(&kept, &bounds_of(starts));
    let erasures = if repeats { records.erasures(after)? } else { Vec::new() };
    let mut replayed = Replayed::each(
        repeated.iter().map(|epoch| (epoch.epoch, epoch.offsets.as_slice(), epoch.watermark)),
        erasures,
    );
    // Without records: it ends where the one before has ended.
    replayed.extend(changed.map(|manifest| Replayed {
        bounds: manifest.offsets.clone(),
        watermark: manifest.watermark,
        erased: Vec::new(),
        save: None,
    }));
    Ok((replayed, covered))
}

/// The offsets that the job begins with, and whether they are recorded.
fn starts(
    records: &mut dyn Records,
    sources: &Sources<'_>,
) -> Result<(Positions, bool), RestartError> {
    if let Some(starts) = records.starts()? {
        return Ok((starts, true));
    }
    let from = Position::from(sources.kafka.start);
    if records.progress().epoch > 0 && from != Position::Earliest {
        return Err(RestartError::Unrepeatable(records.job().to_string()));
    }
    Ok((first_offsets(sources, from)?, false))
}

/// The offset of every partition that there is from this position on.
pub(super) fn first_offsets(
    sources: &Sources<'_>,
    from: Position,
) -> Result<Positions, RestartError> {
    let found = admin::positions(sources.kafka, sources.partitions, from)?;
    Ok(found
        .into_iter()
        .map(|((topic, partition), range)| (topic, partition, range.start))
        .collect())
}

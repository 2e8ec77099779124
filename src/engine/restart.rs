//! Where a job begins: what its sink has recorded, the checkpoint that agrees with it, and the
//! offsets to read from.

mod error;
mod found;
#[cfg(test)]
pub(super) mod tests;

pub use error::RestartError;

use super::live::Replayed;
use super::plan::Plan;
use super::reconfiguring::{self, WantedSettings};
use super::soundness;
use crate::checkpoint::{Checkpoints, Found, Manifest, PassedOver};
use crate::hosting::Hosted;
use crate::kafka::{KafkaSettings, Position, admin};
use crate::sink::kept::covered;
use crate::sink::{Genesis, Link, RecordedEpoch, Records, SinkError};
use crate::source::{Positions, bounds_of};
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use found::{find, of_others, strange};
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
        let (own, unnamed) =
            (sources.checkpoints.of(history.identity), sources.checkpoints.unnamed());
        let of_before = unnamed.list()?;
        if let (0, Some(newest)) = (progress, of_before.first()) {
            return Err(RestartError::Forgotten {
                job: records.job().to_string(),
                epoch: newest.epoch,
            });
        }
        let listed = own.list()?.into_iter().chain(of_before);
        let oldest = listed.map(|listed| listed.epoch).filter(|epoch| *epoch <= progress).min();
        let mut recorded = records.recorded_epochs(oldest.unwrap_or(1).saturating_sub(1))?;
        let known = before.and_then(|before| before.manifest.as_ref());
        let former_of = |manifest: &Manifest| match &given_up {
            Some(given_up) => {
                (D::fingerprint(given_up) == manifest.fingerprint).then(|| given_up.clone())
            }
            None => reconfiguring::turned::<D>(&applied, progress, manifest, wanted.settings),
        };
        let unsound = |manifest: &Manifest, former: Option<&D::Settings>| {
            let settings = former.unwrap_or(wanted.settings);
            let look = || soundness::unsound::<D>(sources.checkpoints, manifest, settings);
            if known == Some(manifest) { None } else { look() }
        };
        let found = find(
            &[own, unnamed],
            progress,
            |manifest| strange(manifest, &recorded),
            former_of,
            unsound,
        )?;
        let Found { manifest, former, passed_over } = found;
        let passed_over = [passed_over, of_others(sources.checkpoints, &history)?].concat();
        let told = before.map_or(&[][..], |before| &before.passed_over);
        passed_over
            .iter()
            .filter(|passed_over| !told.contains(passed_over))
            .for_each(PassedOver::warn);
        let after = manifest.as_ref().map_or(0, |manifest| manifest.epoch);
        let changes = given_up.is_some();
        match (&manifest, &given_up) {
            (Some(manifest), Some(given_up)) if manifest.epoch == progress => {
                if known != Some(manifest) {
                    reconfiguring::inspect::<D>(
                        sources.checkpoints,
                        manifest,
                        given_up,
                        wanted.settings,
                    )?;
                }
            }
            (newest, Some(_)) => {
                let newest = newest.as_ref().map(|manifest| manifest.epoch);
                return Err(RestartError::Uncheckpointed {
                    job: records.job().to_string(),
                    epoch: progress,
                    newest,
                });
            }
            (_, None) => {}
        }
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
        let repeated: Vec<RecordedEpoch> =
            recorded.into_iter().filter(|epoch| epoch.epoch > after).collect();
        let first = repeated.first().map_or(progress + 1, |epoch| epoch.epoch);
        if first > after + 1 {
            return Err(RestartError::Unrecorded {
                job: records.job().to_string(),
                needed: after + 1,
                first,
            });
        }
        let repeats = !repeated.is_empty();
        let kept = if repeats { records.kept(after)? } else { Vec::new() };
        let covered = covered(&kept, &bounds_of(&starts));
        let erasures = if repeats { records.erasures(after)? } else { Vec::new() };
        let mut replayed = Replayed::each(
            repeated.iter().map(|epoch| (epoch.epoch, epoch.offsets.as_slice(), epoch.watermark)),
            erasures,
        );
        if let (true, Some(manifest)) = (changes, &manifest) {
            // An epoch of its own, without records: it ends where the one before has ended.
            replayed.push(Replayed {
                bounds: manifest.offsets.clone(),
                watermark: manifest.watermark,
                erased: Vec::new(),
                save: None,
            });
        }
        let erased = if progress == 0 { records.erased()? } else { Vec::new() };
        let committed = repeated.into_iter().map(|epoch| (epoch.epoch, epoch)).collect();
        let link = before.or(manifest.as_ref().and_then(|manifest| manifest.chain));
        let begins = (!is_recorded).then(|| starts.clone());
        let mut served = applied.through(progress);
        served.retain(|(last, _)| *last > after);
        let losses = records.losses()?;
        let plan = Plan::new(&history, manifest.as_ref(), starts, repeats || changes)
            .recalling(covered)
            .serving(&served)
            .changing(former.as_ref())
            .losing(&losses);
        Ok(Restart {
            plan,
            manifest,
            passed_over,
            begins,
            replayed,
            erased,
            committed,
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

//! Where a job begins: what its sink has recorded, the checkpoint that agrees with it, and the
//! offsets to read from.

use super::live::Replayed;
use super::plan::Plan;
use super::reach::Gone;
use super::reconfiguring::{self, Wanted};
use super::soundness;
use crate::blame::Blame;
use crate::checkpoint::{CheckpointError, Checkpoints, Fingerprint, Found, Manifest, PassedOver};
use crate::hexadecimal::hexadecimal;
use crate::kafka::{KafkaError, KafkaSettings, Position, admin};
use crate::sink::kept::covered;
use crate::sink::{History, Link, RecordedEpoch, Records, SinkError};
use crate::source::{Positions, bounds_of};
use dataflows::event::{CustomerId, Millis};
use dataflows::settings::Settings;
use dataflows::source::TopicId;
use std::collections::BTreeMap;

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
    /// What is recorded of an epoch is not what was committed.
    #[error(
        "what is recorded of epoch {0} is not what was committed: its chain does not follow from \
         it. Somebody has changed it, or restored it without the \
         others; restore all of the job's progress from one copy, or make everything anew from the \
         topics with --rebuild"
    )]
    Broken(u64),
    /// The topics no longer have what the job has to read next.
    #[error(
        "retention has removed records that the job has not read yet: {}. Restore them, or go on \
         without them with --accept-loss, which records what was not \
         read; or make everything anew from what is left with --rebuild --accept-loss",
        listed(.0)
    )]
    Passed(Vec<Gone>),
    /// The topics no longer have what the job has to repeat.
    #[error(
        "the job has to repeat its epochs from {needed} on, for no newer checkpoint can be used, \
         and retention has removed records of theirs: {}. Restore a newer \
         checkpoint, or the records, or make everything anew from what is left with --rebuild \
         --accept-loss; --accept-loss alone cannot help, for what is \
         committed has to be repeated as it was",
        listed(gone)
    )]
    Unreadable {
        /// The first epoch that is needed.
        needed: u64,
        /// What is gone.
        gone: Vec<Gone>,
    },
    /// Not everything can be made anew.
    #[error(
        "--rebuild would make everything anew without records that the job has read and that are \
         gone: {}. Nothing was changed; with --rebuild --accept-loss it \
         is made anew from what is left",
        listed(.0)
    )]
    Unrebuildable(Vec<Gone>),
    /// Something cannot be kept where it is to be.
    #[error("{key} = {place:?} cannot be used: {why}")]
    Unwritable {
        /// The key of the configuration.
        key: &'static str,
        /// Where.
        place: String,
        /// Why not.
        why: String,
    },
    /// The job's epochs were computed with other settings.
    #[error("job `{job}` was run with another configuration: {}; configure it as before, or \
        {}", differences.join("; "), advised(refusals))]
    Configured {
        /// The job.
        job: String,
        /// What differs, key by key.
        differences: Vec<String>,
        /// What of that cannot be taken over from what is kept.
        refusals: Vec<String>,
    },
    /// What is kept of the job does not tell what it would be with other settings.
    #[error(
        "--reconfigure cannot take over for job `{job}` what is configured: {}. Nothing was \
         changed; configure that as before, or make everything anew from \
         the topics with --rebuild",
        refusals.join("; ")
    )]
    Unreconfigurable {
        /// The job.
        job: String,
        /// What cannot be taken over, and why.
        refusals: Vec<String>,
    },
    /// There is no checkpoint of how things stand.
    #[error(
        "--reconfigure goes on from a checkpoint of the last epoch that is committed, which is \
         {epoch}, and {}. Nothing was changed; start job `{job}` once \
         with the configuration that it had and stop it in order, which leaves such a checkpoint",
        match newest { Some(newest) => format!("the newest that can be used is of epoch \
            {newest}"), None => "there is none that can be used".to_string() }
    )]
    Uncheckpointed {
        /// The job.
        job: String,
        /// The last committed epoch.
        epoch: u64,
        /// That of the newest checkpoint.
        newest: Option<u64>,
    },
    /// Nothing is recorded of what the checkpoints hold, and they do not say whose they are.
    #[error(
        "there are checkpoints of job `{job}` up to epoch {epoch}, of a version that did not write \
         whose they are, but no progress of it is recorded: is it \
         another database, or another sink? With --rebuild the checkpoints are removed and \
         everything is made anew from the topics"
    )]
    Forgotten {
        /// The job.
        job: String,
        /// Of the newest checkpoint.
        epoch: u64,
    },
    /// A start in the middle cannot be repeated.
    #[error(
        "job `{0}` has progress, but neither a checkpoint nor a record of the offsets that it \
         began with: its first records cannot be found again. \
         Restore its checkpoints, or make everything anew from where kafka.start says with \
         --rebuild --accept-loss"
    )]
    Unrepeatable(String),
    /// The first epochs to be repeated are no longer recorded.
    #[error(
        "job `{job}` would have to repeat its epochs from {needed} on, for no newer checkpoint can \
         be used, but they are recorded only from {first} \
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

impl RestartError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            RestartError::Kafka(error) => error.blame(),
            RestartError::Sink(error) => error.blame(),
            RestartError::Checkpoint(error) => error.blame(),
            // What is gone may be restored where it was, and then another start is all it takes.
            RestartError::Passed(_)
            | RestartError::Unreadable { .. }
            | RestartError::Unrebuildable(_)
            | RestartError::Unrepeatable(_)
            | RestartError::Unrecorded { .. }
            | RestartError::Unwritable { .. } => Blame::World,
            RestartError::Broken(_)
            | RestartError::Configured { .. }
            | RestartError::Unreconfigurable { .. }
            | RestartError::Uncheckpointed { .. }
            | RestartError::Forgotten { .. } => Blame::Lasting,
        }
    }
}

/// What to do about another configuration, of which these cannot be taken over.
fn advised(refusals: &[String]) -> String {
    match refusals {
        [] => "take the new one over with --reconfigure, which computes all results anew from the \
            histories that are kept"
            .to_string(),
        refusals => format!(
            "make everything anew from the topics with --rebuild; --reconfigure \
            cannot take it over ({})",
            refusals.join("; ")
        ),
    }
}

fn listed(gone: &[Gone]) -> String {
    gone.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

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
    pub history: History,
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
    pub fn find(
        records: &mut dyn Records,
        sources: &Sources<'_>,
        wanted: &Wanted<'_>,
        before: Option<&Restart>,
    ) -> Result<Restart, RestartError> {
        let progress = records.progress().epoch;
        let applied = records.applied()?;
        let given_up = reconfiguring::given_up(records.job(), &applied, progress, wanted)?;
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
                (Fingerprint::of(given_up) == manifest.fingerprint).then(|| given_up.clone())
            }
            None => reconfiguring::turned(&applied, progress, manifest, wanted.settings),
        };
        let unsound = |manifest: &Manifest, former: Option<&Settings>| match known == Some(manifest)
        {
            true => None,
            false => {
                soundness::unsound(sources.checkpoints, manifest, former.unwrap_or(wanted.settings))
            }
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
                    reconfiguring::inspect(
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
        let mut served = applied.served(progress);
        served.retain(|(last, _)| *last > after);
        let losses = records.losses()?;
        let plan = Plan::new(&history, manifest.as_ref(), starts, repeats || changes)
            .recalling(covered)
            .serving(served)
            .changing(former)
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

/// The checkpoint to go on from: of the first of these places that has one.
fn find(
    places: &[Checkpoints],
    progress: u64,
    strange: impl Fn(&Manifest) -> Option<String>,
    former: impl Fn(&Manifest) -> Option<Settings>,
    unsound: impl Fn(&Manifest, Option<&Settings>) -> Option<CheckpointError>,
) -> Result<Found, CheckpointError> {
    let mut all = Found::default();
    for place in places {
        if all.manifest.is_none() {
            let found = place.find(progress, &strange, &former, &unsound)?;
            all.passed_over.extend(found.passed_over);
            (all.manifest, all.former) = (found.manifest, found.former);
        }
    }
    Ok(all)
}

/// What lies beside the checkpoints of a history and is of others: each is named, and left alone.
fn of_others(checkpoints: &Checkpoints, own: &History) -> Result<Vec<PassedOver>, CheckpointError> {
    let mut passed_over = Vec::new();
    for other in checkpoints.histories()? {
        let Some(history) = other.history().filter(|history| **history != own.identity.short())
        else {
            continue;
        };
        let Some(newest) = other.epochs()?.last().copied() else { continue };
        let said = format!(
            "Checkpoints up to this epoch are passed over: they are of another history, {history}, \
             as of another deployment of the job, or of before its \
             progress was lost. They stay: remove {} once nobody goes on from them.",
            other.address()
        );
        passed_over.push(PassedOver::new(newest, said));
    }
    Ok(passed_over)
}

/// Why a checkpoint is of another history than what is recorded: its link is not that of its epoch,
/// or does not lead to the next one's. One of before there were links is judged by the digest of
/// its statistics.
fn strange(manifest: &Manifest, recorded: &[RecordedEpoch]) -> Option<String> {
    let of = |epoch| recorded.iter().find(|recorded| recorded.epoch == epoch);
    let other = |what: &str, own: String, committed: String| {
        (own != committed).then(|| {
            format!(
                "it is of another history: it has the {what} {own}, and \
            its epoch was committed with {committed}"
            )
        })
    };
    match (manifest.chain, of(manifest.epoch)) {
        (Some(own), Some(committed)) => other(
            "chain",
            own.to_string(),
            committed.chain.map_or("none".to_string(), |link| link.to_string()),
        ),
        (None, Some(committed)) => {
            other("model digest", hexadecimal(&manifest.digest), hexadecimal(&committed.digest))
        }
        (Some(own), None) => {
            let next = of(manifest.epoch + 1)?;
            (Some(own.then(&next.made())) != next.chain).then(|| {
                "it is of another history: its chain does not lead to the epoch after it"
                    .to_string()
            })
        }
        (None, None) => None,
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::location::Location;
    use crate::sink::Progress;
    use crate::sink::applied::{Applied, AppliedSettings};
    use crate::sink::kept::KeptAt;
    use crate::source::TopicNames;
    use crate::source::{Loss, TopicUuids};
    use dataflows::event::Topic;

    /// A sink that has committed epochs, of which it has these.
    struct Recorded(u64, std::ops::Range<u64>);

    impl Records for Recorded {
        fn job(&self) -> &str {
            "campaign"
        }
        fn progress(&self) -> Progress {
            Progress { epoch: self.0, ..Progress::default() }
        }
        fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, SinkError> {
            let recorded = |epoch| RecordedEpoch {
                epoch,
                watermark: None,
                offsets: Vec::new(),
                digest: [0; 32],
                records: 0,
                topic_ids: TopicUuids::UNKNOWN,
                chain: None,
            };
            Ok(self.1.clone().filter(|epoch| *epoch > after).map(recorded).collect())
        }
        fn starts(&mut self) -> Result<Option<Positions>, SinkError> {
            Ok(Some(Vec::new()))
        }
        fn history(&mut self) -> Result<History, SinkError> {
            Ok(History::begin(self.0))
        }
        fn topic_ids(&mut self) -> Result<TopicUuids, SinkError> {
            Ok(TopicUuids::UNKNOWN)
        }
        fn applied(&mut self) -> Result<AppliedSettings, SinkError> {
            Ok(AppliedSettings(vec![Applied::of(1, &Settings::default())]))
        }
        fn losses(&mut self) -> Result<Vec<Loss>, SinkError> {
            Ok(Vec::new())
        }
        fn erasures(&mut self, _: u64) -> Result<Vec<(u64, CustomerId, Millis)>, SinkError> {
            Ok(Vec::new())
        }
        fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, SinkError> {
            Ok(Vec::new())
        }
        fn kept(&mut self, _: u64) -> Result<Vec<KeptAt>, SinkError> {
            Ok(Vec::new())
        }
    }

    /// A manifest of epoch 3.
    pub(in crate::jobs) fn manifest(chain: Option<Link>, digest: [u8; 32]) -> Manifest {
        let shared = serde_json::json!({ "name": "shared/00000000000000000003.zst", "bytes": 1, "raw_bytes": 1, "crc32": 0, "kind": "base", "epoch": 3,
            "customers": 0 });
        Manifest {
            format: crate::checkpoint::manifest::FORMAT,
            job: "campaign".to_string(),
            identity: None,
            follows_unnamed: false,
            fingerprint: Fingerprint::of(&Settings::default()),
            epoch: 3,
            digest,
            chain,
            topic_ids: TopicUuids::UNKNOWN,
            watermark: None,
            offsets: Vec::new(),
            created: jiff::Timestamp::UNIX_EPOCH,
            customers: 0,
            erases: false,
            shared: serde_json::from_value(shared).expect("a file"),
            shards: BTreeMap::new(),
            tables: Vec::new(),
        }
    }

    #[test]
    fn a_checkpoint_is_of_the_history_whose_link_it_has() {
        let history = History::begin(0);
        let mut link = None;
        let mut epochs = Recorded(4, 1..5).recorded_epochs(0).expect("epochs");
        for epoch in &mut epochs {
            link = history.link(link, &epoch.made());
            epoch.chain = link;
        }
        let own = epochs[2].chain;
        let other = Some(Link::random());
        let before: Vec<RecordedEpoch> =
            epochs.iter().map(|epoch| RecordedEpoch { chain: None, ..epoch.clone() }).collect();
        let unchained = [0; 32];
        assert_eq!(strange(&manifest(own, unchained), &epochs), None);
        assert_eq!(
            strange(&manifest(own, unchained), &epochs[3..]),
            None,
            "its link leads to the next one"
        );
        assert_eq!(
            strange(&manifest(None, unchained), &epochs),
            None,
            "of the format before, with the digest"
        );
        assert_eq!(strange(&manifest(other, unchained), &[]), None, "nothing is known");
        for (manifest, recorded, word) in [
            (manifest(other, unchained), &epochs[..], "chain"),
            (manifest(other, unchained), &epochs[3..], "chain"),
            (manifest(other, unchained), &before[..], "committed with none"),
            (manifest(None, [1; 32]), &epochs[..], "model digest"),
        ] {
            assert!(
                strange(&manifest, recorded)
                    .is_some_and(|why| why.contains("of another history") && why.contains(word)),
                "{word}"
            );
        }
    }

    #[test]
    fn without_a_checkpoint_every_epoch_must_be_recorded() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::Folder(folder.path().to_path_buf());
        let checkpoints =
            Checkpoints::open(&location, "campaign", Fingerprint::of(&Settings::default()))
                .expect("a store");
        let (kafka, partitions) =
            (KafkaSettings::new("127.0.0.1:1", TopicNames::own(Topic::ids())), BTreeMap::new());
        let sources = Sources { checkpoints: &checkpoints, kafka: &kafka, partitions: &partitions };
        let settings = Settings::default();
        let wanted = Wanted { settings: &settings, reconfigure: false };
        let find = |mut sink: Recorded| {
            Restart::find(&mut sink, &sources, &wanted, None).map(|restart| restart.replayed.len())
        };
        assert_eq!(find(Recorded(0, 1..1)).ok(), Some(0));
        assert_eq!(find(Recorded(6, 1..7)).ok(), Some(6));
        assert!(matches!(
            find(Recorded(6, 4..7)),
            Err(RestartError::Unrecorded { needed: 1, first: 4, .. })
        ));
        assert!(matches!(
            find(Recorded(6, 7..7)),
            Err(RestartError::Unrecorded { needed: 1, first: 7, .. })
        ));
    }

    #[test]
    fn other_settings_are_taken_over_only_from_a_checkpoint_of_the_last_epoch() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::Folder(folder.path().to_path_buf());
        let mut other = Settings::default();
        other.customer.at_risk_days = 7.0;
        let checkpoints =
            Checkpoints::open(&location, "campaign", Fingerprint::of(&other)).expect("a store");
        let (kafka, partitions) =
            (KafkaSettings::new("127.0.0.1:1", TopicNames::own(Topic::ids())), BTreeMap::new());
        let sources = Sources { checkpoints: &checkpoints, kafka: &kafka, partitions: &partitions };
        let find = |mut sink: Recorded, reconfigure| {
            let found =
                Restart::find(&mut sink, &sources, &Wanted { settings: &other, reconfigure }, None);
            found.map(|restart| (restart.replayed.len(), restart.changes))
        };
        assert_eq!(find(Recorded(0, 1..1), true).ok(), Some((0, false)), "there is nothing yet");
        assert!(matches!(find(Recorded(6, 1..7), false), Err(RestartError::Configured { .. })));
        assert!(matches!(
            find(Recorded(6, 1..7), true),
            Err(RestartError::Uncheckpointed { epoch: 6, newest: None, .. })
        ));
    }
}

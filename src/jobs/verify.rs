//! Everything once more from the topics, beside the job that runs: with the epochs as they were recorded the same digests must come out, and the rows
//! that the tables have. With `--since` the epochs that an earlier verification has found in order are not computed again: it has left the state after
//! them and the rows that the tables then had, which are compared as all others.
//!
//! Where other settings were taken over, the epochs before are computed with those that they had.
//!
//! One transaction sees the recorded epochs and all tables as of the same commit, however far the job goes meanwhile. Thresholds are not taken from
//! their table but computed again, for recorded watermarks close them where they closed before.

mod lost;
mod recorded;
mod stretches;
mod verified;

pub use verified::FOLDER as VERIFIED;

use super::gather::Gather;
use super::history::{AHEAD, Decided, History, HistoryError, Stretch};
use super::live::{Control, Replayed, bounds_of};
use super::run::described;
use super::topics;
use crate::blame::Blame;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::Fingerprint;
use crate::cluster::{Cluster, ClusterError};
use crate::config::types::Config;
use crate::first::{First, Panicked, caught};
use crate::kafka::compacted::{Compacted, Topics};
use crate::kafka::intake::Sight;
use crate::kafka::{Assigned, KafkaError, KafkaSettings, Position, admin};
use crate::postgres::comparison::{Expected, Findings, Snapshot, Standing};
use crate::postgres::{PostgresError, PostgresSettings};
use crate::results::EpochResults;
use crate::sink::losses::behind;
use crate::telemetry::progress::{Progress, Unit};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use dataflows::campaign::graph::Campaign;
use dataflows::customer::Features;
use dataflows::event::Topic;
use lost::Lost;
pub use lost::Removed;
use recorded::{Checker, check_chain, check_progress};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stretches::parts;
pub use verified::Since;
use verified::{Basis, Leaving, Verified};

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The broker or its topics.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The workers.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The topics cannot be read to the end.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The records that the job began with are gone.
    #[error(
        "partition {partition} of `{topic}` starts at offset {low}, but the job began with offset {wanted}: retention has removed the records between, \
         so it cannot be computed from its beginning again. Restore the topic from a copy, or verify before retention takes records away \
         (retention.ms=-1 keeps all); what was verified before is gone on from with --since last"
    )]
    Removed {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where the job began.
        wanted: u64,
        /// The first offset that is there.
        low: u64,
    },
    /// The job has recorded more than there is.
    #[error(
        "epoch {epoch} is recorded to end at offset {wanted} of partition {partition} of `{topic}`, which ends at {high}: the topic was made anew, the \
         broker has lost records, or the recorded offsets were changed"
    )]
    PastEnd {
        /// The epoch.
        epoch: u64,
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset that is recorded.
        wanted: u64,
        /// The offset after the last that is there.
        high: u64,
    },
    /// The beginning is not known.
    #[error("job `{0}` has no record of the offsets that it began with, and did not begin with the earliest: it cannot be computed again")]
    Unrepeatable(String),
    /// What earlier verifications have left.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is no verification to go on from.
    #[error("{}", unverified(address, *since))]
    Unverified {
        /// Where it would be.
        address: String,
        /// Which was asked for.
        since: Since,
    },
    /// The verification cannot be gone on from.
    #[error("{object} cannot be gone on from: {why}. Verify everything, with `sluice verify` without --since")]
    Unusable {
        /// What.
        object: String,
        /// Why not.
        why: String,
    },
    /// What was verified is not what is recorded.
    #[error(
        "what was verified up to epoch {epoch} is of another history than the job's: {why}. The database was restored from another copy, or the job was made \
         anew, or somebody has changed the record of that epoch; verify everything, with `sluice verify` without --since"
    )]
    OtherHistory {
        /// The epoch.
        epoch: u64,
        /// How that shows.
        why: String,
    },
    /// The epochs are no longer recorded.
    #[error("{}", forgotten(*through, *since))]
    Forgotten {
        /// The last one that is not.
        through: u64,
        /// The epoch up to which it was verified before; 0 where that was not asked for.
        since: u64,
    },
    /// The records after what was verified are gone.
    #[error(
        "partition {partition} of `{topic}` starts at offset {low}, but what was verified up to epoch {epoch} ends at offset {wanted}: retention has removed \
         the records between. Restore the topic from a copy, or verify more often than retention takes records away"
    )]
    RemovedSince {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The epoch.
        epoch: u64,
        /// Where it ends.
        wanted: u64,
        /// The first offset that is there.
        low: u64,
    },
    /// The job was run with other settings.
    #[error(
        "job `{job}` was run with another configuration than this one: {}. Nothing was compared; verify it with the configuration that it runs with",
        differences.join("; ")
    )]
    Configured {
        /// The job.
        job: String,
        /// What differs, key by key.
        differences: Vec<String>,
    },
    /// The thread that compares could not be started, or ended.
    #[error("the thread that compares epochs: {0}")]
    Thread(String),
}

fn forgotten(through: u64, since: u64) -> String {
    let gone = format!("epochs up to {through} are no longer recorded (postgres.keep_epochs)");
    match since {
        0 => format!("{gone}, so it cannot be computed from its beginning again: go on from the verification before with --since last"),
        _ => format!("{gone}, and what was verified before ends with epoch {since}: keep them longer, and verify more often than they go"),
    }
}

fn unverified(address: &str, since: Since) -> String {
    match since {
        Since::Last => format!(
            "there is no verification to go on from at {address}: run `sluice verify` without --since, which leaves one there when it finds nothing that differs"
        ),
        Since::Epoch(epoch) => {
            format!("there is no verification up to epoch {epoch} to go on from at {address}: go on from the newest one with --since last")
        }
    }
}

impl VerifyError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            VerifyError::Kafka(error) => error.blame(),
            VerifyError::Postgres(error) => error.blame(),
            VerifyError::Cluster(error) => error.blame(),
            VerifyError::History(error) => error.blame(),
            VerifyError::Checkpoint(error) => error.blame(),
            VerifyError::Configured { .. }
            | VerifyError::Removed { .. }
            | VerifyError::PastEnd { .. }
            | VerifyError::Unrepeatable(_)
            | VerifyError::Unverified { .. }
            | VerifyError::Unusable { .. }
            | VerifyError::OtherHistory { .. }
            | VerifyError::Forgotten { .. }
            | VerifyError::RemovedSince { .. }
            | VerifyError::Thread(_) => Blame::World,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The job.
    pub job: String,
    /// The epoch as of which everything was compared.
    pub epoch: u64,
    /// The epoch up to which it was verified before; 0 where it was computed from its beginning.
    pub since: u64,
    /// What was found, table by table.
    pub findings: Vec<Findings>,
    /// Records that the job has read and that compaction has removed since; `None`: there are none.
    pub removed: Option<Removed>,
    /// Why the tables of results were not compared; `None`: they were.
    pub incomplete: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Verdict {
    /// Differences in all tables.
    pub fn differences(&self) -> u64 {
        self.findings.iter().map(|findings| findings.total).sum()
    }

    /// Values and rows that are otherwise than computed again and may be right, because of what is removed.
    pub fn untold(&self) -> u64 {
        self.findings.iter().map(|findings| findings.untold).sum()
    }

    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.findings.iter().map(|findings| findings.rows).sum()
    }
}

/// How long a silent broker is waited for before it is said.
const SILENCE: Duration = Duration::from_secs(5);

/// Verifies the job of this configuration, in this process alone; `since` says from which earlier verification on.
///
/// # Errors
/// What keeps it from being computed again; that something differs is no error.
pub fn verify(config: &Config, features: Features, since: Option<Since>) -> Result<Verdict, VerifyError> {
    let started = Instant::now();
    let config = Config { processes: 1, process: 0, hostfile: None, ..config.clone() };
    let postgres = config.postgres_settings(&features);
    let mut described = described(&config, features, true);
    let verified = Verified::open(&config, &described.settings)?;
    let basis = since.map(|since| verified.find(since)).transpose()?;
    let since = basis.as_ref().map_or(0, Basis::epoch);
    let mut snapshot = Snapshot::open(postgres.clone())?;
    let mut standing = snapshot.standing(since)?;
    let gone = standing.gone();
    if gone.epochs > since {
        return Err(VerifyError::Forgotten { through: gone.epochs, since });
    }
    basis.iter().try_for_each(|basis| basis.check(&standing))?;
    serve(&mut described, &standing, &config.job)?;
    let (job, epoch) = (config.job.clone(), standing.last());
    let mut verdict = Verdict { job, epoch: 0, since, findings: Vec::new(), removed: None, incomplete: None, took: Duration::ZERO };
    let mut progress = Findings::new("progress");
    let mut epochs = Findings::new("epochs");
    check_chain(&standing, &mut epochs);
    verdict.incomplete = check_progress(&standing, &postgres.job, &mut progress, &mut epochs);
    let mut leaving = None;
    if verdict.incomplete.is_none() {
        verdict.epoch = epoch;
        let names = postgres.topics.clone();
        let mut parts = parts(&standing.applied, since, epoch);
        // The last one is what is configured.
        parts.pop();
        let first = parts.first().map_or(Ok(described.clone()), |part| part.campaign(&described))?;
        let mut expected = Expected::new(&stretches::tables(&postgres, &first), standing.kept.clone());
        if let Some(basis) = &basis {
            let blocks = verified.rows(basis, &mut expected)?;
            blocks.compare(&standing.seen.blocks, gone.epochs, &mut epochs);
        }
        let (mut basis, mut lost, mut campaign) = (basis, None, first);
        for (place, part) in parts.iter().enumerate() {
            let next = parts.get(place + 1).map_or(Ok(described.clone()), |part| part.campaign(&described))?;
            let memory = Verified::in_memory(&config.job, &part.settings)?;
            let computing =
                Computing { config: &config, postgres: stretches::tables(&postgres, &campaign), described: campaign, verified: &memory, basis };
            let recomputed = computing.run(stretches::take_through(&mut standing, part.through), expected, epochs, lost, false)?;
            let leaving = recomputed.leaving.ok_or_else(|| VerifyError::Thread("what it comes to cannot be held in memory".to_string()))?;
            let (found, still_lost) = recomputed.checker.into_findings();
            (epochs, lost, campaign) = (found, Some(still_lost), next);
            let (from, changed) = stretches::change(&memory, leaving, part, &campaign, &postgres, recomputed.expected)?;
            (basis, expected) = (Some(from), changed);
            tracing::info!(epoch = part.through + 1, "Other settings were taken over; it is computed on with these.");
        }
        let computing = Computing { config: &config, described: campaign, postgres, verified: &verified, basis };
        let recomputed = computing.run(standing, expected, epochs, lost, true)?;
        let (found, lost) = recomputed.checker.into_findings();
        epochs = found;
        leaving = recomputed.leaving;
        verdict.removed = lost.removed(&names);
        tracing::info!(epoch, since, "Everything is computed again; the tables are read.");
        verdict.findings = snapshot.compare(recomputed.expected, lost.doubt(&names).as_ref(), |table| tracing::debug!(table, "Compared."))?;
    }
    verdict.findings.extend([epochs, progress]);
    // What lacks records is not the state that the job has.
    let is_sound = verdict.differences() == 0 && verdict.removed.is_none();
    leaving.filter(|_| is_sound).into_iter().for_each(|leaving: Leaving| leaving.keep(epoch));
    verdict.took = started.elapsed();
    Ok(verdict)
}

/// What comes of all epochs: nothing where there is none.
struct Recomputed {
    expected: Expected,
    checker: Checker,
    /// What was handed over for the next verification, if anything was.
    leaving: Option<Leaving>,
}

/// What computing takes beside what is recorded.
struct Computing<'a> {
    config: &'a Config,
    described: Campaign,
    postgres: PostgresSettings,
    verified: &'a Verified,
    basis: Option<Basis>,
}

impl Computing<'_> {
    /// Computes a stretch, with what is lost of those before it; `keeps` the tables for the next verification.
    fn run(mut self, standing: Standing, expected: Expected, epochs: Findings, before: Option<Lost>, keeps: bool) -> Result<Recomputed, VerifyError> {
        let Some(last) = standing.epochs.last().cloned() else {
            let checker = Checker::new(Vec::new(), self.postgres, epochs, before.unwrap_or_default());
            return Ok(Recomputed { expected, checker, leaving: None });
        };
        let cluster = Cluster::alone(self.config);
        let kafka = KafkaSettings { topic_ids: standing.topic_ids, losses: standing.losses.clone(), ..self.config.kafka_settings() };
        kafka.topic_ids.compare(&topics::ids(&kafka), &kafka.topics).map_err(KafkaError::from)?;
        let compacted = Compacted::default();
        compacted.look(&kafka);
        let (stretch, lost) = self.stretch(&kafka, &standing, compacted.topics())?;
        let lost = before.unwrap_or(lost);
        let (resumption, leaving) = self.verified.resumption(self.basis.as_ref(), self.config.workers);
        let settings = Arc::make_mut(&mut self.described.settings);
        (settings.emit.profiled, settings.emit.snapshots) = (true, leaving.is_some());
        let (control, failure) = (Control::default(), First::<HistoryError>::default());
        control.committed.store(resumption.after(), Ordering::Release);
        let sight = Sight::new(&kafka.brokers, failure.teller());
        let (to_fold, results) = bounded(AHEAD as usize + 1);
        let mut gather = Gather::new(self.described.clone(), control.clone(), to_fold, failure.teller());
        if let Some(basis) = &self.basis {
            gather = gather.after(&basis.common).changing(basis.changed.clone());
        }
        let recorded = standing.epochs.iter().map(|epoch| (epoch.epoch, epoch.offsets.as_slice(), epoch.watermark));
        let mut replayed = Replayed::each(recorded, standing.erasures.iter().copied());
        if let (Some(leaving), Some(replayed)) = (&leaving, replayed.last_mut()) {
            gather = leaving.gathering(gather, &last);
            replayed.save = Some(leaving.save);
        }
        let mut blocks = standing.seen.blocks;
        standing.epochs.iter().for_each(|recorded| blocks.add(recorded));
        let watermark = self.basis.and_then(|basis| basis.common.watermark);
        let fold = Fold {
            last: last.epoch,
            expected,
            checker: Checker::new(standing.epochs, self.postgres, epochs, lost).after(watermark),
            control: control.clone(),
            sight: sight.clone(),
            failure: failure.clone(),
        };
        let folding = fold.start(results)?;
        let history = History {
            kafka,
            described: self.described,
            closes: false,
            control,
            sight,
            failure,
            read: Arc::new(|_| ()),
            resumption: Some(resumption),
        };
        let decided = Decided { stretch, epochs: replayed, receive: Box::new(move |delivery| gather.receive(delivery)) };
        // The thread that folds is not waited for after a failure: nothing says that its epochs have an end then.
        history.run(&cluster, Some(decided)).map_err(|error| match error {
            HistoryError::Load(error) => VerifyError::from(error),
            other => VerifyError::from(other),
        })?;
        let folded = folding.join().map_err(|_| VerifyError::Thread("it ended before its time".to_string()))?;
        let (expected, checker) = folded.map_err(HistoryError::from)??;
        leaving.iter().for_each(|leaving| match keeps {
            true => leaving.hand(last.epoch, &expected, &blocks),
            false => leaving.hand_none(last.epoch),
        });
        Ok(Recomputed { expected, checker, leaving })
    }

    /// What has to be read: from the offsets that the job began with, or that what was verified ends with, to those of its last recorded epoch. Of that,
    /// compaction may have removed some.
    fn stretch(&self, kafka: &KafkaSettings, standing: &Standing, compacted: Topics) -> Result<(Stretch, Lost), VerifyError> {
        let starts = match &self.basis {
            Some(basis) => Some(basis.manifest.offsets.as_slice()),
            None => standing.starts.as_deref(),
        };
        if starts.is_none() && Position::from(kafka.start) != Position::Earliest {
            return Err(VerifyError::Unrepeatable(self.config.job.clone()));
        }
        let starts = bounds_of(starts.unwrap_or_default());
        let mut ends: BTreeMap<(Topic, u32), (u64, u64)> = BTreeMap::new();
        for epoch in &standing.epochs {
            for &(topic, partition, next) in &epoch.offsets {
                let end = ends.entry((topic, partition)).or_insert((next, epoch.epoch));
                *end = (*end).max((next, epoch.epoch));
            }
        }
        let mut partitions: BTreeMap<Topic, Vec<u32>> = BTreeMap::new();
        ends.keys().for_each(|(topic, partition)| partitions.entry(*topic).or_default().push(*partition));
        let there = admin::positions(kafka, &partitions, Position::Earliest)?;
        let (mut stretch, mut goes_on) = (Vec::new(), false);
        for ((topic, partition), (until, epoch)) in ends {
            let range = there.get(&(topic, partition)).cloned().unwrap_or_default();
            // A partition that came later was read from its first record on.
            let wanted = starts.get(&(topic, partition)).copied().unwrap_or(0);
            let name = || kafka.topic_name(topic).to_string();
            let from = behind(&standing.losses, &Assigned { topic, partition, from: Position::Offset(wanted) });
            if from.first() < Some(range.start) {
                return Err(self.removed(name(), partition, wanted, range.start));
            }
            if until.max(wanted) > range.end {
                return Err(VerifyError::PastEnd { epoch, topic: name(), partition, wanted: until.max(wanted), high: range.end });
            }
            goes_on |= compacted.contains(topic) && until < range.end;
            stretch.push((topic, partition, wanted, until));
        }
        Ok((Stretch(stretch), Lost::new(compacted, goes_on)))
    }

    /// Records that have to be read are gone.
    fn removed(&self, topic: String, partition: u32, wanted: u64, low: u64) -> VerifyError {
        match &self.basis {
            Some(basis) => VerifyError::RemovedSince { topic, partition, epoch: basis.epoch(), wanted, low },
            None => VerifyError::Removed { topic, partition, wanted, low },
        }
    }
}

/// Gives the dataflow what served in each epoch, whatever is configured by now; anything else must be
/// as it was.
fn serve(described: &mut Campaign, standing: &Standing, job: &str) -> Result<(), VerifyError> {
    let last = standing.last();
    let Some(applied) = standing.applied.at(last) else { return Ok(()) };
    let differences = Fingerprint::of(&applied.settings).differences(&Fingerprint::of(&described.settings));
    if !differences.is_empty() {
        return Err(VerifyError::Configured { job: job.to_string(), differences });
    }
    let settings = Arc::make_mut(&mut described.settings);
    settings.bandit.serving = applied.settings.bandit.serving;
    settings.earlier = standing.applied.served(last);
    Ok(())
}

/// Takes in epoch after epoch, on a thread of its own.
struct Fold {
    expected: Expected,
    checker: Checker,
    /// The last epoch that is compared.
    last: u64,
    control: Control,
    sight: Sight,
    failure: First<HistoryError>,
}

type Folding = JoinHandle<Result<Result<(Expected, Checker), PostgresError>, Panicked>>;

impl Fold {
    fn start(self, results: Receiver<Box<EpochResults>>) -> Result<Folding, VerifyError> {
        let failure = self.failure.clone();
        // Told before the channel closes: that it does is what follows.
        let fold = move || {
            caught("fold", || self.run(&results)).inspect_err(|panicked| {
                failure.teller::<Panicked>().tell(panicked.clone());
            })
        };
        std::thread::Builder::new().name("fold".to_string()).spawn(fold).map_err(|error| VerifyError::Thread(error.to_string()))
    }

    fn run(mut self, results: &Receiver<Box<EpochResults>>) -> Result<(Expected, Checker), PostgresError> {
        let mut progress = Progress::start("verifying", Unit::Epochs, self.last);
        let mut failed = None;
        let mut warned = false;
        loop {
            match results.recv_timeout(SILENCE) {
                // The epoch after the last is the drained one: nothing was read for it.
                Ok(results) if results.epoch > self.last => {}
                Ok(results) => {
                    self.checker.gone().into_iter().for_each(|gone| self.expected.let_go(gone));
                    self.checker.check(&results);
                    // After a failure epochs are still taken, so that the workers can end.
                    if failed.is_none() {
                        failed = self.expected.fold(&results).err();
                    }
                    self.control.committed.store(results.epoch, Ordering::Release);
                    progress.set(results.epoch);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(trouble) = self.sight.trouble().filter(|_| !std::mem::replace(&mut warned, true)) {
                        tracing::warn!("The broker is away; it is waited for: {trouble}.");
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.control.committed.load(Ordering::Acquire) == self.last {
            progress.finish();
        }
        match failed {
            Some(error) => Err(error),
            None => {
                self.expected.retire();
                Ok((self.expected, self.checker))
            }
        }
    }
}

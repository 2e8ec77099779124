//! Everything once more from the topics, beside the job that runs: with the epochs as they were
//! recorded the same digests must come out, and the rows that the tables have. With `--since` the
//! epochs that an earlier verification has found in order are not computed again: it has left the
//! state after them and the rows that the tables then had, which are compared as all others. Or a
//! checkpoint of the job is begun at, of which everything before is taken on trust: a row that was
//! last written before is not compared, until it is written again.
//!
//! Where other settings were taken over, the epochs before are computed with those that they had.
//!
//! One transaction sees the recorded epochs and all tables as of the same commit, however far the
//! job goes meanwhile. Thresholds are not taken from their table but computed again, for recorded
//! watermarks close them where they closed before.

mod answers;
mod error;
mod lost;
mod reading;
mod recorded;
mod stretches;
mod verified;
mod ways;

pub use verified::FOLDER as VERIFIED;

use super::gather::Gather;
use super::history::{AHEAD, Decided, History, HistoryError};
use super::live::{Control, Replayed};
use super::run::described;
use super::topics;
use crate::campaign::following::CampaignFollower;
use crate::campaign::results::EpochResults;
use crate::checkpoint::Fingerprint;
use crate::cluster::Cluster;
use crate::config::types::Config;
use crate::first::{First, Panicked, caught};
use crate::kafka::compacted::Compacted;
use crate::kafka::intake::Sight;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::postgres::comparison::{Expected, Findings, Standing};
use crate::postgres::{PostgresError, PostgresSettings};
use crate::telemetry::progress::{Progress, Unit};
use answers::Answers;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use dataflows::campaign::graph::Campaign;
use dataflows::customer::Features;
#[cfg(test)]
pub use error::Open;
pub use error::VerifyError;
use lost::Lost;
pub use lost::Removed;
use recorded::{Checker, Found, check_chain, check_progress};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stretches::parts;
pub use verified::Since;
use verified::{Basis, Leaving, Left, Verified};
use ways::{Opened, Ways};

/// What came of it.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The job.
    pub job: String,
    /// The epoch as of which everything was compared.
    pub epoch: u64,
    /// The epoch after which it was computed; 0 where that was from its beginning.
    pub since: u64,
    /// The epoch of the checkpoint that it, or the first of the verifications that it goes on from,
    /// has begun at: what was before is taken on trust; `None`: nothing is.
    pub trusted: Option<u64>,
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

    /// Values and rows that are otherwise than computed again and may be right, because of what is
    /// removed.
    pub fn untold(&self) -> u64 {
        self.findings.iter().map(|findings| findings.untold).sum()
    }

    /// Rows that were last written before what was begun at, and are not compared.
    pub fn uncompared(&self) -> u64 {
        self.findings.iter().map(|findings| findings.trusted).sum()
    }

    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.findings.iter().map(|findings| findings.rows).sum()
    }
}

/// How long a silent broker is waited for before it is said.
const SILENCE: Duration = Duration::from_secs(5);

/// How often a checkpoint is looked for that is not pruned while it is loaded.
const ATTEMPTS: usize = 5;

/// Verifies the job of this configuration, in this process alone; `since` says where it begins,
/// other than with the first records.
///
/// # Errors
/// What keeps it from being computed again; that something differs is no error.
pub fn verify(
    config: &Config,
    features: Features,
    since: Option<Since>,
) -> Result<Verdict, VerifyError> {
    let started = Instant::now();
    let config = Config { processes: 1, process: 0, hostfile: None, ..config.clone() };
    let described = described(&config, features, true);
    let mut ways = Ways::find(&config, &described)?;
    let mut attempts = 0..ATTEMPTS;
    loop {
        attempts.next();
        match ways
            .open(since)
            .and_then(|opened| compute(&config, described.clone(), &mut ways, opened))
        {
            Ok(verdict) => return Ok(Verdict { took: started.elapsed(), ..verdict }),
            Err(VerifyError::Unusable { object, why })
                if since == Some(Since::Oldest) && !attempts.is_empty() =>
            {
                tracing::info!("{object} is gone meanwhile, and the next one is begun at: {why}.");
            }
            Err(why) => return Err(ways.advised(why, since)),
        }
    }
}

/// Computes from a beginning on, and compares.
fn compute(
    config: &Config,
    mut described: Campaign,
    ways: &mut Ways<'_>,
    opened: Opened,
) -> Result<Verdict, VerifyError> {
    let since = opened.epoch();
    let Opened { basis, mut standing } = opened;
    // Pieces of the same epoch would be written over those that are there, so this is decided
    // first.
    let proven = basis.as_ref().filter(|basis| basis.left == Left::Job).and_then(|_| ways.proven());
    if let Some(epoch) = proven {
        tracing::info!(
            epoch,
            "The next one goes on from the verification that is there: it has taken nothing on \
             trust."
        );
    }
    let unnamed_are_own = ways.unnamed_are_own(&standing);
    let (postgres, gone) = (config.postgres_settings(&described.features), standing.gone());
    serve(&mut described, &standing, &config.job)?;
    let (job, epoch) = (config.job.clone(), standing.last());
    let mut verdict = Verdict {
        job,
        epoch: 0,
        since,
        trusted: None,
        findings: Vec::new(),
        removed: None,
        incomplete: None,
        took: Duration::ZERO,
    };
    let mut progress = Findings::new("progress");
    let mut epochs = Findings::new("epochs");
    let mut decided = Findings::new("decided");
    check_chain(&standing, &mut epochs);
    verdict.incomplete = check_progress(&standing, &postgres.job, &mut progress, &mut epochs);
    let mut leaving = None;
    if verdict.incomplete.is_none() {
        verdict.epoch = epoch;
        let names = postgres.topics.clone();
        let mut parts = parts(&standing.applied, since, epoch);
        // The last one is what is configured.
        parts.pop();
        let first =
            parts.first().map_or(Ok(described.clone()), |part| part.campaign(&described))?;
        let mut expected =
            Expected::new(&stretches::tables(&postgres, &first), standing.kept.clone());
        if let Some(basis) = &basis {
            let pending = ways.snapshot.pending_after(since, &standing.epochs)?;
            let blocks = basis.rows(&mut expected, pending)?;
            blocks
                .into_iter()
                .for_each(|blocks| blocks.compare(&standing.seen.blocks, gone.epochs, &mut epochs));
        }
        verdict.trusted = expected.trusted_through();
        let (mut basis, mut lost, mut campaign) = (basis, None, first);
        for (place, part) in parts.iter().enumerate() {
            let next = parts
                .get(place + 1)
                .map_or(Ok(described.clone()), |part| part.campaign(&described))?;
            if let Some(from) = basis.take_if(|basis| basis.epoch() == part.through) {
                // It ends where the other settings were taken over.
                let (from, changed) = stretches::change(from, part, &next, &postgres, expected)?;
                (basis, expected, campaign) = (Some(from), changed, next);
                continue;
            }
            let memory = Verified::in_memory(&config.job, &part.settings)?;
            let computing = Computing {
                config,
                postgres: stretches::tables(&postgres, &campaign),
                described: campaign,
                verified: &memory,
                basis,
                leaves: true,
            };
            let recomputed = computing.run(
                stretches::take_through(&mut standing, part.through),
                expected,
                Found { epochs, decided },
                lost,
                false,
            )?;
            let leaving = recomputed.leaving.ok_or_else(|| {
                VerifyError::Thread("what it comes to cannot be held in memory".to_string())
            })?;
            let (found, still_lost) = recomputed.checker.into_findings();
            (epochs, decided) = (found.epochs, found.decided);
            (lost, campaign) = (Some(still_lost), next);
            leaving.keep(part.through);
            let (from, changed) = stretches::change(
                memory.at(part.through)?,
                part,
                &campaign,
                &postgres,
                recomputed.expected,
            )?;
            (basis, expected) = (Some(from), changed);
            tracing::info!(
                epoch = part.through + 1,
                "Other settings were taken over; it is computed on with these."
            );
        }
        let computing = Computing {
            config,
            described: campaign,
            postgres,
            verified: &ways.verified,
            basis,
            leaves: proven.is_none(),
        };
        let found = Found { epochs, decided };
        let recomputed = computing.run(standing, expected, found, lost, true)?;
        let (found, lost) = recomputed.checker.into_findings();
        (epochs, decided) = (found.epochs, found.decided);
        leaving = recomputed.leaving;
        verdict.removed = lost.removed(&names);
        tracing::info!(epoch, since, "Everything is computed again; the tables are read.");
        verdict.findings =
            ways.snapshot.compare(recomputed.expected, lost.doubt(&names).as_ref(), |table| {
                tracing::debug!(table, "Compared.")
            })?;
    }
    verdict.findings.extend([epochs, progress]);
    verdict.findings.extend(Some(decided).filter(|decided| decided.rows > 0));
    // What lacks records is not the state that the job has.
    let is_sound = verdict.differences() == 0 && verdict.removed.is_none();
    if let Some(leaving) = leaving.filter(|_| is_sound)
        && leaving.keep(epoch)
        && unnamed_are_own
    {
        ways.verified.forget_unnamed();
    }
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
    /// Whether anything is left for the next verification.
    leaves: bool,
}

impl Computing<'_> {
    /// Computes a stretch, with what is lost of those before it; `keeps` the tables for the next
    /// verification.
    fn run(
        mut self,
        standing: Standing,
        expected: Expected,
        found: Found,
        before: Option<Lost>,
        keeps: bool,
    ) -> Result<Recomputed, VerifyError> {
        let answers = Answers::new(
            Arc::clone(&self.described.settings),
            self.described.features.context().dimension(),
            u64::from(self.postgres.keep_model_versions),
            self.basis.as_ref().map(|basis| &basis.common),
            found.decided,
        );
        let epochs = found.epochs;
        let Some(last) = standing.epochs.last().cloned() else {
            let lost = before.unwrap_or_default();
            let checker = Checker::new(Vec::new(), self.postgres, epochs, lost, answers);
            return Ok(Recomputed { expected, checker, leaving: None });
        };
        let cluster = Cluster::alone(self.config);
        let kafka = KafkaSettings {
            topic_ids: standing.topic_ids,
            losses: standing.losses.clone(),
            ..self.config.kafka_settings()
        };
        kafka.topic_ids.compare(&topics::ids(&kafka), &kafka.topics).map_err(KafkaError::from)?;
        let compacted = Compacted::default();
        compacted.look(&kafka);
        let (stretch, lost) = reading::stretch(
            &self.config.job,
            &kafka,
            &standing,
            self.basis.as_ref(),
            compacted.topics(),
        )?;
        let lost = before.unwrap_or(lost);
        let (resumption, leaving) =
            self.verified.resumption(self.basis.as_ref(), self.config.workers, self.leaves);
        let settings = Arc::make_mut(&mut self.described.settings);
        (settings.emit.profiled, settings.emit.snapshots) = (true, leaving.is_some());
        let (control, failure) = (Control::default(), First::<HistoryError>::default());
        control.committed.store(resumption.after(), Ordering::Release);
        let sight = Sight::new(&kafka.brokers, failure.teller());
        let (to_fold, results) = bounded(AHEAD as usize + 1);
        let mut follower = CampaignFollower::new(self.described.clone());
        if let Some(basis) = &self.basis {
            follower = follower.after(&basis.common).changing(basis.changed.clone());
        }
        let after = self.basis.as_ref().map_or(0, |basis| basis.common.epoch);
        let mut gather = Gather::new(follower, after, control.clone(), to_fold, failure.teller());
        let recorded = standing
            .epochs
            .iter()
            .map(|epoch| (epoch.epoch, epoch.offsets.as_slice(), epoch.watermark));
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
            checker: Checker::new(standing.epochs, self.postgres, epochs, lost, answers)
                .after(watermark),
            control: control.clone(),
            sight: sight.clone(),
            failure: failure.clone(),
        };
        let folding = fold.start(results)?;
        let described = self.described.clone();
        let history = History {
            kafka,
            described: self.described,
            closes: false,
            control,
            sight,
            failure,
            read: Arc::new(|_| ()),
            after: resumption.after(),
            begin: Arc::new(move |worker, peers| resumption.begin(&described, worker, peers)),
        };
        let decided = Decided {
            stretch,
            epochs: replayed,
            receive: Box::new(move |delivery| gather.receive(delivery)),
        };
        // The thread that folds is not waited for after a failure: nothing says that its epochs
        // have an end then.
        history.run(&cluster, Some(decided)).map_err(|error| match error {
            HistoryError::Load(error) => VerifyError::from(error),
            other => VerifyError::from(other),
        })?;
        let folded = folding
            .join()
            .map_err(|_| VerifyError::Thread("it ended before its time".to_string()))?;
        let (expected, checker) = folded.map_err(HistoryError::from)??;
        leaving.iter().for_each(|leaving| match keeps {
            true => leaving.hand(last.epoch, &expected, &blocks),
            false => leaving.hand_none(last.epoch),
        });
        Ok(Recomputed { expected, checker, leaving })
    }
}

/// Gives the dataflow what served in each epoch, whatever is configured by now; anything else must
/// be as it was.
fn serve(described: &mut Campaign, standing: &Standing, job: &str) -> Result<(), VerifyError> {
    let last = standing.last();
    let Some(applied) = standing.applied.at(last) else { return Ok(()) };
    let differences =
        Fingerprint::of(&applied.settings).differences(&Fingerprint::of(&described.settings));
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
        std::thread::Builder::new()
            .name("fold".to_string())
            .spawn(fold)
            .map_err(|error| VerifyError::Thread(error.to_string()))
    }

    fn run(
        mut self,
        results: &Receiver<Box<EpochResults>>,
    ) -> Result<(Expected, Checker), PostgresError> {
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
                        failed = self.expected.fold(results.as_ref()).err();
                    }
                    self.control.committed.store(results.epoch, Ordering::Release);
                    progress.set(results.epoch);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(trouble) =
                        self.sight.trouble().filter(|_| !std::mem::replace(&mut warned, true))
                    {
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

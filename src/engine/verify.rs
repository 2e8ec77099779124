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
//! job goes meanwhile. What follows from the watermark is not taken from its table but computed
//! again, for recorded watermarks bring it where they brought it before.

mod basis;
mod computing;
mod course;
mod error;
mod folding;
mod lost;
mod reading;
mod recorded;
mod since;
mod stretches;
mod verified;
mod ways;

pub use verified::FOLDER as VERIFIED;

use crate::config::types::Config;
use crate::hosting::Hosted;
use crate::postgres::comparison::Findings;
use crate::sink::applied::{AppliedSettings, UnknownSettings};
use basis::Left;
use course::Course;
#[cfg(test)]
pub use error::Open;
pub use error::VerifyError;
pub use lost::Removed;
use recorded::{Found, check_chain, check_progress};
use serde::de::DeserializeOwned;
pub use since::Since;
use std::time::{Duration, Instant};
use ways::{Footing, Ways};

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
    /// Of a job, before anything is found.
    fn begin(job: &str, since: u64) -> Verdict {
        Verdict {
            job: job.to_string(),
            epoch: 0,
            since,
            trusted: None,
            findings: Vec::new(),
            removed: None,
            incomplete: None,
            took: Duration::ZERO,
        }
    }

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

/// How often a checkpoint is looked for that is not pruned while it is loaded.
const ATTEMPTS: usize = 5;

/// Verifies the job of this configuration, in this process alone; `since` says where it begins,
/// other than with the first records.
///
/// # Errors
/// What keeps it from being computed again; that something differs is no error.
pub fn verify<D: Hosted>(
    config: &Config,
    described: D,
    since: Option<Since>,
) -> Result<Verdict, VerifyError> {
    let started = Instant::now();
    let config = Config { processes: 1, process: 0, hostfile: None, ..config.clone() };
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
fn compute<D: Hosted>(
    config: &Config,
    described: D,
    ways: &mut Ways<'_, D>,
    opened: Footing<D::Settings>,
) -> Result<Verdict, VerifyError> {
    let since = opened.epoch();
    let Footing { basis, mut standing } = opened;
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
    let postgres = described.postgres_settings(config);
    let (epoch, applied) = (standing.last(), read(&standing.applied)?);
    let described = serve(described, &applied, epoch, &config.job)?;
    let mut verdict = Verdict::begin(&config.job, since);
    let mut progress = Findings::new("progress");
    let mut found = Found { epochs: Findings::new("epochs"), decided: Findings::new("decided") };
    check_chain(&standing, &mut found.epochs);
    verdict.incomplete = check_progress(&standing, &postgres.job, &mut progress, &mut found.epochs);
    let mut leaving = None;
    if verdict.incomplete.is_none() {
        verdict.epoch = epoch;
        let course =
            Course { config, described: &described, postgres: &postgres, applied: &applied };
        let begun = course.begin(ways, basis, &standing, found)?;
        verdict.trusted = begun.expected.trusted_through();
        let between = course.up_to_the_last(begun, &mut standing)?;
        let recomputed = course.last(between, standing, &ways.verified, proven.is_none())?;
        let (now_found, lost) = recomputed.checker.into_findings();
        found = now_found;
        leaving = recomputed.leaving;
        verdict.removed = lost.removed(&postgres.topics);
        tracing::info!(epoch, since, "Everything is computed again; the tables are read.");
        let doubt = lost.doubt(&postgres.topics);
        verdict.findings = ways.snapshot.compare(recomputed.expected, doubt.as_ref(), |table| {
            tracing::debug!(table, "Compared.")
        })?;
    }
    verdict.findings.extend([found.epochs, progress]);
    verdict.findings.extend(Some(found.decided).filter(|decided| decided.rows > 0));
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

/// What is recorded of the settings, as the dataflow reads it.
fn read<S: DeserializeOwned>(applied: &AppliedSettings) -> Result<AppliedSettings<S>, VerifyError> {
    applied.read().map_err(|UnknownSettings { epoch, why }| VerifyError::Unusable {
        object: format!("what is recorded of the settings of epoch {epoch}"),
        why,
    })
}

/// Gives the dataflow what served in each epoch, whatever is configured by now; anything else must
/// be as it was.
fn serve<D: Hosted>(
    described: D,
    applied: &AppliedSettings<D::Settings>,
    last: u64,
    job: &str,
) -> Result<D, VerifyError> {
    let Some(recorded) = applied.at(last) else { return Ok(described) };
    let (there, here) = (&recorded.settings, described.settings());
    let differences = D::fingerprint(there).differences(&D::fingerprint(&here));
    if !differences.is_empty() {
        return Err(VerifyError::Configured { job: job.to_string(), differences });
    }
    Ok(described.having_served(applied.through(last)))
}

//! The one writer of a job: a session, the incarnation that entitles it to write, and the patience
//! to survive outages.

mod opening;
mod recording;

use super::address;
use super::error::PostgresError;
use super::kept;
use super::patience::with_waiting_time;
use super::recorded;
use super::retention::{self, Gone, Retention};
use super::session::Session;
use super::settings::PostgresSettings;
use super::transaction::{self, CommitOutcome};
use crate::backoff::Backoff;
use crate::sink::gathered::{ErasedCustomer, Essentials, Gathered};
use crate::sink::rows::EpochRows;
use crate::sink::{Commit, Genesis, Progress, Trouble};
use crate::source::TopicUuids;
use crate::table::encode::CopyBuffer;
use crate::telemetry::stalls::Seen;
use dataflows::source::TopicId;
use std::thread;
use std::time::Instant;

/// Writes the epochs of one job.
pub struct Writer {
    settings: PostgresSettings,
    trouble: Trouble,
    session: Option<Session>,
    rows: EpochRows,
    /// Who is erased with it.
    erased: Vec<ErasedCustomer>,
    /// Records that are kept with an epoch, encoded.
    kept: CopyBuffer,
    progress: Progress,
    history: Genesis,
    /// Of the topics that are read.
    ids: TopicUuids,
    last_commit: Option<Instant>,
    /// Up to which epoch kept records were removed.
    forgotten: u64,
    /// What lets rows go, and what is gone.
    retention: Retention,
    gone: Gone,
}

impl Writer {
    /// Which rows are gone.
    #[cfg(test)]
    pub fn gone(&self) -> &Gone {
        &self.gone
    }

    /// The oldest checkpoint that a restart may have to take is of this epoch: what is older may
    /// go.
    pub fn begins_with(&mut self, oldest: u64) {
        self.retention.oldest = oldest;
    }

    /// Removes what is kept of the epochs up to this one, once.
    ///
    /// # Errors
    /// That of a statement.
    pub fn forget_kept(&mut self, through: u64) -> Result<(), PostgresError> {
        if through > self.forgotten {
            let (job, trouble, own) =
                (self.settings.job.clone(), self.trouble.clone(), self.progress.incarnation);
            let session = self.session()?;
            trouble.works("the removal of kept records".to_string(), Some(session.backend));
            let removed = kept::remove_through(&mut session.client, &job, own, through);
            trouble.rests();
            removed?;
            self.forgotten = through;
        }
        Ok(())
    }

    /// Removes every result of the job, and sets it back to before its first epoch, to begin with
    /// these offsets of these topics.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn forget(
        &mut self,
        starts: &[(TopicId, u32, u64)],
        ids: &TopicUuids,
    ) -> Result<(), PostgresError> {
        let (settings, own) = (self.settings.clone(), self.progress.incarnation);
        let history = Genesis::begin(0);
        recorded::forget(&mut self.session()?.client, &settings, own, &history, starts, ids)?;
        (self.progress.epoch, self.progress.published) = (0, 0);
        (self.history, self.ids) = (history, *ids);
        self.forgotten = 0;
        self.retention = Retention::default();
        self.gone = Gone::nothing_of(&settings.wording.tables());
        Ok(())
    }

    /// Commits an epoch; whatever passes by itself (a connection lost, a server going down, a
    /// conflict) is waited out and the same epoch tried again. An epoch that is there already is
    /// not written twice.
    ///
    /// # Errors
    /// What does not pass, and [`PostgresError::GaveUp`].
    pub fn commit(&mut self, epoch: &dyn Gathered) -> Result<Commit, PostgresError> {
        let (started, results) = (Instant::now(), epoch.essentials());
        // What adds up is added up there.
        self.rows.fill(epoch, results.running)?;
        self.erased = epoch.erasures();
        kept::encode(&mut self.kept, results, &self.settings);
        let mut backoff = Backoff::new(self.settings.retry_first, self.settings.retry_longest);
        while let Err(error) = self.attempt(results) {
            if !error.is_transient() {
                return Err(error);
            }
            let waited = backoff.waited();
            if self.settings.retry_timeout.is_some_and(|timeout| waited >= timeout) {
                return Err(PostgresError::GaveUp {
                    epoch: results.epoch,
                    waited,
                    last: Box::new(error),
                });
            }
            let error = with_waiting_time(error, waited);
            let address = address::shown(&self.settings.url);
            if backoff.tries() == 0 {
                tracing::debug!(
                    epoch = results.epoch,
                    address,
                    "The epoch waits for the database: {error}."
                );
            }
            let what = match &error {
                PostgresError::Unreachable { .. } => error.to_string(),
                // A connection that breaks does not say where it led.
                other => format!("{address}: {other}"),
            };
            self.trouble.note(Some(Seen::of(error.cause(), what)));
            thread::sleep(backoff.pause());
        }
        let retries = backoff.tries();
        if retries > 0 {
            self.trouble.note(None);
            tracing::debug!(epoch = results.epoch, retries, waited = ?backoff.waited(), "The epoch \
                is committed after all.");
        }
        self.progress.epoch = self.progress.epoch.max(results.epoch);
        self.last_commit = Some(Instant::now());
        Ok(Commit { epoch: results.epoch, took: started.elapsed(), retries })
    }

    /// One try, of which others can tell how far it is.
    fn attempt(&mut self, results: Essentials<'_>) -> Result<CommitOutcome, PostgresError> {
        self.trouble.works(
            format!("epoch {}", results.epoch),
            self.session.as_ref().map(|session| session.backend),
        );
        let outcome = self.try_commit(results);
        self.trouble.rests();
        outcome
    }

    /// One try; a session in which it fails is not used again.
    fn try_commit(&mut self, results: Essentials<'_>) -> Result<CommitOutcome, PostgresError> {
        let elapsed = self.last_commit.map(|at| at.elapsed().as_secs_f64());
        let events_per_second = elapsed
            .filter(|seconds| *seconds > 0.0)
            .map(|seconds| results.records as f64 / seconds);
        let mut session = match self.session.take() {
            Some(session) => session,
            None => {
                let session = Session::open(&self.settings)?;
                self.trouble.works(format!("epoch {}", results.epoch), Some(session.backend));
                session
            }
        };
        let Writer { settings, rows, erased, kept, progress, retention, gone, .. } = self;
        let (statements, incarnation) = (&session.statements, progress.incarnation);
        let mut commit = transaction::EpochTransaction {
            settings,
            statements,
            results,
            rows,
            erased,
            kept,
            incarnation,
            events_per_second,
            gone: gone.clone(),
        };
        let outcome = commit.run(&mut session.client, retention)?;
        *gone = match outcome {
            CommitOutcome::Committed => commit.gone,
            // Its transaction has told nobody.
            CommitOutcome::AlreadyThere => retention::gone(&mut session.client, settings)?,
        };
        self.session = Some(session);
        Ok(outcome)
    }

    fn session(&mut self) -> Result<&mut Session, PostgresError> {
        let session = match self.session.take().filter(|session| !session.client.is_closed()) {
            Some(session) => session,
            None => Session::open(&self.settings)?,
        };
        Ok(self.session.insert(session))
    }
}

//! The one writer of a job: a session, the incarnation that entitles it to write, and the patience
//! to survive outages.

use super::address;
use super::applied;
use super::connection;
use super::error::PostgresError;
use super::kept;
use super::recorded;
use super::retention::{self, Gone, Retention};
use super::schema;
use super::settings::PostgresSettings;
use super::statements::Statements;
use super::transaction::{self, Outcome};
use crate::backoff::Backoff;
use crate::sink::applied::{Applied, AppliedSettings};
use crate::sink::gathered::{Essentials, Gathered};
use crate::sink::kept::KeptAt;
use crate::sink::rows::EpochRows;
use crate::sink::{Commit, History, Progress, RecordedEpoch, Records, Trouble};
use crate::source::{Loss, Positions, TopicUuids};
use crate::table::encode::CopyBuffer;
use crate::telemetry::stalls::Seen;
#[cfg(test)]
use dataflows::campaign::output::Day;
use dataflows::event::{CustomerId, Millis};
use dataflows::settings::Settings;
use dataflows::source::TopicId;
use postgres::Client;
use std::thread;
use std::time::{Duration, Instant};

/// Writes the epochs of one job.
pub struct Writer {
    settings: PostgresSettings,
    trouble: Trouble,
    session: Option<Session>,
    rows: EpochRows,
    /// Records that are kept with an epoch, encoded.
    kept: CopyBuffer,
    progress: Progress,
    history: History,
    /// Of the topics that are read.
    ids: TopicUuids,
    last_commit: Option<Instant>,
    /// Up to which epoch kept records were removed.
    forgotten: u64,
    /// What lets rows go, and what is gone.
    retention: Retention,
    gone: Gone,
}

/// What a writer begins with.
type Begun = (Session, Progress, History, TopicUuids, Gone);

/// A connection that is ready for epochs.
struct Session {
    client: Client,
    statements: Statements,
    /// The server's number for it.
    backend: i32,
}

impl Session {
    fn open(settings: &PostgresSettings) -> Result<Session, PostgresError> {
        let mut client = connection::connect(settings)?;
        let statements = Statements::prepare(&mut client, settings)?;
        Session::of(client, statements, settings)
    }

    /// A session that is ready but for its limits.
    fn of(
        mut client: Client,
        statements: Statements,
        settings: &PostgresSettings,
    ) -> Result<Session, PostgresError> {
        connection::limit(&mut client, settings)?;
        let backend = connection::backend(&mut client)?;
        Ok(Session { client, statements, backend })
    }
}

/// What is recorded, or else this where it cannot be read and is about to be forgotten.
fn readable<T>(
    read: Result<T, PostgresError>,
    settings: &PostgresSettings,
    or_else: impl FnOnce() -> T,
) -> Result<T, PostgresError> {
    match read {
        Err(PostgresError::Recorded { .. }) if settings.anew => Ok(or_else()),
        read => read,
    }
}

impl Writer {
    /// As [`open_settling`](Self::open_settling), whatever is recorded.
    ///
    /// # Errors
    /// Likewise.
    #[cfg(test)]
    pub fn open(settings: PostgresSettings) -> Result<Writer, PostgresError> {
        Writer::open_settling(settings, TopicUuids::UNKNOWN, Trouble::default(), |_| Ok(()))
            .map(|(writer, ())| writer)
    }

    /// Connects, makes sure that the topics, which `now` have these ids, are those that the job has
    /// read, brings the schema up to date and takes over the job: from here on no earlier instance
    /// of it can write. Waits up to `start_timeout` for a database that does not answer yet.
    /// Whenever the database is waited for, now or later, `trouble` tells why.
    ///
    /// What is recorded is settled while nobody else can change it: where `settle` refuses, nothing
    /// has changed, and nobody was disturbed.
    ///
    /// # Errors
    /// That of `settle`, or whatever keeps the job from starting: see [`PostgresError`].
    pub fn open_settling<S, E: From<PostgresError>>(
        settings: PostgresSettings,
        now: TopicUuids,
        trouble: Trouble,
        mut settle: impl FnMut(&mut dyn Records) -> Result<S, E>,
    ) -> Result<(Writer, S), E> {
        let (settled, (session, progress, history, ids, gone)) =
            awaited(&settings, &trouble, || {
                Writer::try_open(&settings, &now, &trouble, &mut settle)
            })??;
        let PostgresSettings { job, url, .. } = &settings;
        tracing::info!(
            job,
            address = address::shown(url),
            progress.epoch,
            progress.incarnation,
            "The database is ready."
        );
        let rows = EpochRows::new(settings.wording());
        let writer = Writer {
            settings,
            trouble,
            session: Some(session),
            rows,
            kept: CopyBuffer::default(),
            progress,
            history,
            ids,
            last_commit: None,
            forgotten: 0,
            retention: Retention::default(),
            gone,
        };
        Ok((writer, settled))
    }

    fn try_open<S, E>(
        settings: &PostgresSettings,
        now: &TopicUuids,
        trouble: &Trouble,
        settle: impl FnOnce(&mut dyn Records) -> Result<S, E>,
    ) -> Result<Result<(S, Begun), E>, PostgresError> {
        let begins = || "the start of the job".to_string();
        trouble.works(begins(), None);
        let mut client = connection::connect_alone(settings)?;
        trouble.works(begins(), Some(connection::backend(&mut client)?));
        let taken =
            schema::take_over(&mut client, settings, now, settle, |transaction, progress| {
                let statements = Statements::prepare(transaction, settings)?;
                // Checkpoints of a history that cannot be told any more stay, as those of others
                // do.
                let history =
                    readable(recorded::history(transaction, &settings.job), settings, || {
                        History::begin(progress.epoch)
                    })?;
                let ids = readable(
                    recorded::topic_ids(transaction, settings),
                    settings,
                    TopicUuids::default,
                )?;
                let gone =
                    readable(retention::gone(transaction, &settings.job), settings, Gone::default)?;
                Ok((statements, progress, history, ids, gone))
            })?;
        let (settled, (statements, progress, history, ids, gone)) = match taken {
            Ok(taken) => taken,
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(Ok((
            settled,
            (Session::of(client, statements, settings)?, progress, history, ids, gone),
        )))
    }

    /// The job that it writes for.
    pub fn job(&self) -> &str {
        &self.settings.job
    }

    /// Where the job stands, as far as this writer knows.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The job's committed epochs after `after`, in order.
    ///
    /// # Errors
    /// [`PostgresError::Recorded`], or that of a statement.
    pub fn recorded_epochs(&mut self, after: u64) -> Result<Vec<RecordedEpoch>, PostgresError> {
        let settings = self.settings.clone();
        recorded::epochs(&mut self.session()?.client, &settings, after)
    }

    /// Where the job began: the first offset of every partition; `None` where that was not
    /// recorded.
    ///
    /// # Errors
    /// [`PostgresError::Recorded`], or that of a statement.
    pub fn starts(&mut self) -> Result<Option<Positions>, PostgresError> {
        let settings = self.settings.clone();
        recorded::starts(&mut self.session()?.client, &settings)
    }

    /// Records where the job begins, before its first epoch.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn set_starts(&mut self, offsets: &[(TopicId, u32, u64)]) -> Result<(), PostgresError> {
        let (settings, own) = (self.settings.clone(), self.progress.incarnation);
        recorded::set_starts(&mut self.session()?.client, &settings, own, offsets)
    }

    /// Where the chain of the job's epochs begins.
    pub fn history(&self) -> History {
        self.history
    }

    /// The ids of the topics that the job has read, as far as they were recorded.
    pub fn topic_ids(&self) -> TopicUuids {
        self.ids
    }

    /// Records the ids of the topics that the job reads from now on.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn set_topic_ids(&mut self, ids: &TopicUuids) -> Result<(), PostgresError> {
        let (settings, own) = (self.settings.clone(), self.progress.incarnation);
        recorded::set_topic_ids(&mut self.session()?.client, &settings, own, ids)?;
        self.ids = *ids;
        Ok(())
    }

    /// The settings that the job's epochs were computed with, as far as they were recorded.
    ///
    /// # Errors
    /// [`PostgresError::Recorded`], or that of a statement.
    pub fn applied(&mut self) -> Result<AppliedSettings, PostgresError> {
        let job = self.settings.job.clone();
        applied::read(&mut self.session()?.client, &job)
    }

    /// Records the settings that hold from the epoch after the last committed one on; says whether
    /// they are other ones than before.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn apply(&mut self, settings: &Settings) -> Result<bool, PostgresError> {
        let (job, Progress { epoch, incarnation, .. }) = (self.settings.job.clone(), self.progress);
        let mut history = self.applied()?;
        let is_new = history.apply(Applied::of(epoch + 1, settings));
        if is_new {
            applied::write(&mut self.session()?.client, &job, incarnation, &history, epoch + 1)?;
        }
        Ok(is_new)
    }

    /// The offsets that the job has gone on behind without having read them.
    ///
    /// # Errors
    /// [`PostgresError::Recorded`], or that of a statement.
    pub fn losses(&mut self) -> Result<Vec<Loss>, PostgresError> {
        let settings = self.settings.clone();
        recorded::losses(&mut self.session()?.client, &settings)
    }

    /// Records offsets that the job goes on behind without having read them.
    ///
    /// # Errors
    /// [`PostgresError::Fenced`], or that of a statement.
    pub fn lose(&mut self, losses: &[Loss]) -> Result<(), PostgresError> {
        let (settings, own) = (self.settings.clone(), self.progress.incarnation);
        recorded::lose(&mut self.session()?.client, &settings, own, losses)
    }

    /// The customers that the epochs after `after` have erased, each with its epoch and up to an
    /// instant.
    ///
    /// # Errors
    /// That of a statement.
    pub fn erasures(
        &mut self,
        after: u64,
    ) -> Result<Vec<(u64, CustomerId, Millis)>, PostgresError> {
        recorded::erasures(&mut self.session()?.client, after)
    }

    /// Every customer that was ever erased, up to an instant.
    ///
    /// # Errors
    /// That of a statement.
    pub fn erased(&mut self) -> Result<Vec<(CustomerId, Millis)>, PostgresError> {
        let job = self.settings.job.clone();
        recorded::erased(&mut self.session()?.client, &job)
    }

    /// Where everything lies that is kept of the epochs after `after`.
    ///
    /// # Errors
    /// That of a statement.
    pub fn kept(&mut self, after: u64) -> Result<Vec<KeptAt>, PostgresError> {
        let settings = self.settings.clone();
        kept::all_after(&mut self.session()?.client, &settings, after)
    }

    /// Which rows are gone.
    #[cfg(test)]
    pub fn gone(&self) -> Gone {
        self.gone
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
        let history = History::begin(0);
        recorded::forget(&mut self.session()?.client, &settings, own, &history, starts, ids)?;
        (self.progress.epoch, self.progress.published) = (0, 0);
        (self.history, self.ids) = (history, *ids);
        self.forgotten = 0;
        (self.retention, self.gone) = (Retention::default(), Gone::default());
        Ok(())
    }

    /// The published thresholds, by day.
    ///
    /// # Errors
    /// That of a statement.
    #[cfg(test)]
    pub fn thresholds(&mut self) -> Result<Vec<(Day, u64)>, PostgresError> {
        recorded::thresholds(&mut self.session()?.client)
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
        self.rows.fill(epoch, results.counts.pending)?;
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
    fn attempt(&mut self, results: Essentials<'_>) -> Result<Outcome, PostgresError> {
        self.trouble.works(
            format!("epoch {}", results.epoch),
            self.session.as_ref().map(|session| session.backend),
        );
        let outcome = self.try_commit(results);
        self.trouble.rests();
        outcome
    }

    /// One try; a session in which it fails is not used again.
    fn try_commit(&mut self, results: Essentials<'_>) -> Result<Outcome, PostgresError> {
        let elapsed = self.last_commit.map(|at| at.elapsed().as_secs_f64());
        let events_per_second = elapsed
            .filter(|seconds| *seconds > 0.0)
            .map(|seconds| results.counts.records as f64 / seconds);
        let mut session = match self.session.take() {
            Some(session) => session,
            None => {
                let session = Session::open(&self.settings)?;
                self.trouble.works(format!("epoch {}", results.epoch), Some(session.backend));
                session
            }
        };
        let Writer { settings, rows, kept, progress, retention, gone, .. } = self;
        let (statements, incarnation) = (&session.statements, progress.incarnation);
        let mut commit = transaction::Commit {
            settings,
            statements,
            results,
            rows,
            kept,
            incarnation,
            events_per_second,
            gone: *gone,
        };
        let outcome = commit.run(&mut session.client, retention)?;
        *gone = match outcome {
            Outcome::Committed => commit.gone,
            // Its transaction has told nobody.
            Outcome::AlreadyThere => retention::gone(&mut session.client, &settings.job)?,
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

/// What a start wants of the database, tried for up to `start_timeout` as long as what fails passes
/// by itself; `trouble` tells why it is waited for.
pub(super) fn awaited<T>(
    settings: &PostgresSettings,
    trouble: &Trouble,
    mut attempt: impl FnMut() -> Result<T, PostgresError>,
) -> Result<T, PostgresError> {
    let mut backoff = Backoff::new(settings.retry_first, settings.retry_longest);
    loop {
        let attempted = attempt();
        trouble.rests();
        let error = match attempted {
            Ok(done) => {
                trouble.note(None);
                return Ok(done);
            }
            Err(error) => error,
        };
        let waited = backoff.waited();
        let error = with_waiting_time(error, waited);
        if !error.is_transient() || waited >= settings.start_timeout {
            return Err(error);
        }
        trouble.note(Some(Seen::of(error.cause(), error.to_string())));
        if backoff.tries() == 0 {
            tracing::warn!(timeout = ?settings.start_timeout, "The database is not ready; waiting \
                for it: {error}.");
        }
        thread::sleep(backoff.pause().min(settings.start_timeout.saturating_sub(waited)));
    }
}

fn with_waiting_time(error: PostgresError, waited: Duration) -> PostgresError {
    match error {
        PostgresError::Unreachable { address, source, .. } => {
            PostgresError::Unreachable { address, waited, source }
        }
        other => other,
    }
}

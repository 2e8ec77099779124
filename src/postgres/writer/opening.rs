//! How a writer begins: it takes the job over, unless what is recorded speaks against it.

use super::{Session, Writer};
use crate::postgres::error::PostgresError;
use crate::postgres::patience::awaited;
use crate::postgres::retention::{self, Gone, Retention};
use crate::postgres::settings::PostgresSettings;
use crate::postgres::statements::Statements;
use crate::postgres::{address, connection, recorded, schema};
use crate::sink::rows::EpochRows;
use crate::sink::{Genesis, Progress, Records, Trouble};
use crate::source::TopicUuids;
use crate::table::encode::CopyBuffer;
use std::sync::Arc;

/// What a writer begins with.
type Begun = (Session, Progress, Genesis, TopicUuids, Gone);

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
        let rows = EpochRows::new(Arc::clone(&settings.wording));
        let writer = Writer {
            settings,
            trouble,
            session: Some(session),
            rows,
            erased: Vec::new(),
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
                        Genesis::begin(progress.epoch)
                    })?;
                let ids = readable(
                    recorded::topic_ids(transaction, settings),
                    settings,
                    TopicUuids::default,
                )?;
                let gone = readable(retention::gone(transaction, settings), settings, || {
                    Gone::nothing_of(&settings.wording.tables())
                })?;
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

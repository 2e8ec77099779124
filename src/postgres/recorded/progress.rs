//! What is written down of the job beside its epochs, by the instance that has it.

use super::progress_of;
use crate::postgres::error::PostgresError;
use crate::postgres::settings::PostgresSettings;
use crate::sink::{Genesis, Link, Progress};
use crate::source::{Loss, TopicUuids, offsets_by_name};
use dataflows::source::TopicId;
use postgres::types::Json;
use postgres::{Client, GenericClient, Transaction};

/// Fences off whoever wrote for the job before, where there is a row of it.
///
/// The row's lock makes it wait for a commit that is under way, and none of an older instance can
/// follow.
pub fn fence(client: &mut impl GenericClient, job: &str) -> Result<(), PostgresError> {
    client
        .execute("UPDATE progress SET incarnation = incarnation + 1 WHERE job = $1", &[&job])
        .map_err(PostgresError::statement("take the job over"))?;
    Ok(())
}

/// Makes sure that this instance still has the job, and that nobody takes it over before the
/// transaction ends.
///
/// # Errors
/// [`PostgresError::Fenced`] and [`PostgresError::NoProgress`] where it has not, or that of the
/// statement.
pub fn confirm(
    transaction: &mut Transaction<'_>,
    job: &str,
    own: i64,
) -> Result<(), PostgresError> {
    let row = transaction
        .query_opt("SELECT incarnation, epoch FROM progress WHERE job = $1 FOR UPDATE", &[&job])
        .map_err(PostgresError::statement("tell who has the job"))?
        .ok_or_else(|| PostgresError::NoProgress(job.to_string()))?;
    match row.get(0) {
        current if current == own => Ok(()),
        current => Err(PostgresError::Fenced {
            job: job.to_string(),
            epoch: row.get::<_, i64>(1) as u64 + 1,
            own,
            current,
        }),
    }
}

/// Makes the row of a job that has none, and the identity of a history that has none; tells where
/// the job stands.
pub fn register(client: &mut impl GenericClient, job: &str) -> Result<Progress, PostgresError> {
    let row = client
        .query_one(
            "INSERT INTO progress (job, epoch, incarnation, identity) VALUES ($1, 0, 1, $2)
             ON CONFLICT (job) DO UPDATE SET identity = coalesce(progress.identity, \
             excluded.identity)
             RETURNING epoch, incarnation, published",
            &[&job, &Link::random().to_string()],
        )
        .map_err(PostgresError::statement("register this start of the job"))?;
    Ok(progress_of(&row))
}

/// Records where the job begins.
pub fn set_starts(
    client: &mut Client,
    settings: &PostgresSettings,
    own: i64,
    offsets: &[(TopicId, u32, u64)],
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("record where the job begins");
    let mut transaction = client.transaction().map_err(failed())?;
    confirm(&mut transaction, &settings.job, own)?;
    transaction
        .execute(
            "UPDATE progress SET starts = $2 WHERE job = $1",
            &[&settings.job, &Json(offsets_by_name(offsets, &settings.topics))],
        )
        .map_err(failed())?;
    transaction.commit().map_err(failed())
}

/// Records the ids of the topics that the job reads.
pub fn set_topic_ids(
    client: &mut Client,
    settings: &PostgresSettings,
    own: i64,
    ids: &TopicUuids,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("record which topics the job reads");
    let mut transaction = client.transaction().map_err(failed())?;
    confirm(&mut transaction, &settings.job, own)?;
    transaction
        .execute(
            "UPDATE progress SET topic_ids = $2 WHERE job = $1",
            &[&settings.job, &Json(ids.named(&settings.topics))],
        )
        .map_err(failed())?;
    transaction.commit().map_err(failed())
}

/// Records offsets that the job goes on behind without having read them.
pub fn lose(
    client: &mut Client,
    settings: &PostgresSettings,
    own: i64,
    losses: &[Loss],
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("record which offsets are given up");
    let mut transaction = client.transaction().map_err(failed())?;
    confirm(&mut transaction, &settings.job, own)?;
    for Loss { epoch, topic, partition, first, next } in losses {
        let name = &settings.topics[*topic];
        transaction
            .execute(
                "INSERT INTO losses (job, epoch, topic, partition, first, next) VALUES ($1, $2, \
                 $3, $4, $5, $6)",
                &[
                    &settings.job,
                    &(*epoch as i64),
                    &name,
                    &(*partition as i32),
                    &(*first as i64),
                    &(*next as i64),
                ],
            )
            .map_err(failed())?;
    }
    transaction.commit().map_err(failed())
}

/// Removes every result, and sets the job back to before its first epoch, to begin another history
/// with these offsets of these topics.
pub fn forget(
    client: &mut Client,
    settings: &PostgresSettings,
    own: i64,
    history: &Genesis,
    starts: &[(TopicId, u32, u64)],
    ids: &TopicUuids,
) -> Result<(), PostgresError> {
    let job = &settings.job;
    let failed = || PostgresError::statement("forget the job's results");
    let mut transaction = client.transaction().map_err(failed())?;
    confirm(&mut transaction, job, own)?;
    // As much as there is takes as long as it takes.
    let tables = settings.wording.tables();
    let all = tables.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
    transaction
        .batch_execute(&format!("SET LOCAL statement_timeout = 0; TRUNCATE {all}"))
        .map_err(failed())?;
    transaction.execute("DELETE FROM epochs WHERE job = $1", &[job]).map_err(failed())?;
    transaction.execute("DELETE FROM kept_records WHERE job = $1", &[job]).map_err(failed())?;
    transaction.execute("DELETE FROM losses WHERE job = $1", &[job]).map_err(failed())?;
    transaction.execute("DELETE FROM applied_settings WHERE job = $1", &[job]).map_err(failed())?;
    let (starts, ids) =
        (Json(offsets_by_name(starts, &settings.topics)), Json(ids.named(&settings.topics)));
    transaction
        .execute(
            "UPDATE progress SET epoch = 0, published = 0, starts = $2, topic_ids = $3, identity = \
             $4, chained_after = $5, attributed_after = 0 WHERE job = $1",
            &[job, &starts, &ids, &history.identity.to_string(), &(history.after as i64)],
        )
        .map_err(failed())?;
    transaction.commit().map_err(failed())
}

//! What is read back: where the job stands, its recorded epochs, the published thresholds.
//!
//! Columns that a schema of an older version does not have yet are asked for as fields of the whole
//! row, where such a one is read: they are NULL there.

use super::encode::Timestamp;
use super::error::PostgresError;
use super::settings::PostgresSettings;
use crate::hexadecimal::digest_from_hex;
use crate::sink::{History, Link, Progress, RecordedEpoch};
use crate::source::{self, Loss, Offsets, Positions, TopicUuids, offsets_by_name};
#[cfg(test)]
use dataflows::campaign::output::Day;
use dataflows::event::{CustomerId, Millis};
use dataflows::source::TopicId;
use postgres::types::Json;
use postgres::{Client, GenericClient, Row, Transaction};

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
/// [`PostgresError::Fenced`] and [`PostgresError::NoProgress`] where it has not, or that of the statement.
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

/// Where the job stands; `None` when it has no row.
pub fn progress(
    client: &mut impl GenericClient,
    job: &str,
) -> Result<Option<Progress>, PostgresError> {
    let row = client
        .query_opt("SELECT epoch, incarnation, published FROM progress WHERE job = $1", &[&job])
        .map_err(PostgresError::statement("tell where the job stands"))?;
    Ok(row.as_ref().map(progress_of))
}

fn progress_of(row: &Row) -> Progress {
    Progress {
        epoch: row.get::<_, i64>(0) as u64,
        incarnation: row.get(1),
        published: row.get::<_, i64>(2) as u64,
    }
}

/// Where the chain of the job's epochs begins. One that has no identity yet gets it when the job is
/// taken over.
pub fn history(client: &mut impl GenericClient, job: &str) -> Result<History, PostgresError> {
    let row = client
        .query_opt(
            "SELECT to_jsonb(p) ->> 'identity', (to_jsonb(p) ->> 'chained_after')::int8, \
            epoch FROM progress p WHERE job = $1",
            &[&job],
        )
        .map_err(PostgresError::statement("tell which history the job has"))?
        .ok_or_else(|| PostgresError::NoProgress(job.to_string()))?;
    // Before there were links, none of the epochs has one.
    let after = row.get::<_, Option<i64>>(1).unwrap_or_else(|| row.get(2)) as u64;
    let Some(identity) = row.get::<_, Option<&str>>(0) else { return Ok(History::begin(after)) };
    let why = || "the identity of its history is not 64 hexadecimal digits".to_string();
    let identity =
        Link::from_hex(identity).ok_or_else(|| PostgresError::Recorded { epoch: 0, why: why() })?;
    Ok(History { identity, after })
}

/// Where the job began: the first offset of every partition; `None` where that was not recorded.
pub fn starts(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<Option<Positions>, PostgresError> {
    let row = client
        .query_opt(
            "SELECT to_jsonb(p) ->> 'starts' FROM progress p WHERE job = $1",
            &[&settings.job],
        )
        .map_err(PostgresError::statement("tell where the job began"))?;
    let Some(text) = row.as_ref().and_then(|row| row.get::<_, Option<&str>>(0)) else {
        return Ok(None);
    };
    offsets_of(text, settings).map(Some).map_err(|why| PostgresError::Recorded { epoch: 0, why })
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

/// The ids of the topics that the job has read, as far as they were recorded.
pub fn topic_ids(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<TopicUuids, PostgresError> {
    let row = client
        .query_opt(
            "SELECT to_jsonb(p) ->> 'topic_ids' FROM progress p WHERE job = $1",
            &[&settings.job],
        )
        .map_err(PostgresError::statement("tell which topics the job has read"))?;
    topic_ids_of(row.as_ref().and_then(|row| row.get(0)), settings)
        .map_err(|why| PostgresError::Recorded { epoch: 0, why })
}

/// Ids of topics from the text in which they are kept.
pub fn topic_ids_of(text: Option<&str>, settings: &PostgresSettings) -> Result<TopicUuids, String> {
    let Some(text) = text else { return Ok(TopicUuids::UNKNOWN) };
    let named =
        serde_json::from_str(text).map_err(|error| format!("its ids of topics: {error}"))?;
    TopicUuids::of_named(&named, &settings.topics)
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

/// The offsets that the job has gone on behind without having read them.
pub fn losses(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<Vec<Loss>, PostgresError> {
    let rows = client
        .query(
            "SELECT epoch, topic, partition, first, next FROM losses WHERE job = $1 ORDER BY \
            epoch, topic, partition, first",
            &[&settings.job],
        )
        .map_err(PostgresError::statement("read which offsets were given up"))?;
    let read = |row: &Row| {
        let (epoch, name) = (row.get::<_, i64>(0) as u64, row.get(1));
        let why = || format!("it has given up offsets of topic `{name}`, which is not configured");
        let topic = settings
            .topics
            .named(name)
            .ok_or_else(|| PostgresError::Recorded { epoch, why: why() })?;
        let [partition, first, next] = [i64::from(row.get::<_, i32>(2)), row.get(3), row.get(4)];
        Ok(Loss {
            epoch,
            topic,
            partition: partition as u32,
            first: first as u64,
            next: next as u64,
        })
    };
    rows.iter().map(read).collect()
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
    history: &History,
    starts: &[(TopicId, u32, u64)],
    ids: &TopicUuids,
) -> Result<(), PostgresError> {
    let job = &settings.job;
    let failed = || PostgresError::statement("forget the job's results");
    let mut transaction = client.transaction().map_err(failed())?;
    confirm(&mut transaction, job, own)?;
    // As much as there is takes as long as it takes.
    let tables = settings.wording().tables();
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

/// The customers that the epochs after `after` have erased, each with its epoch and up to an
/// instant.
pub fn erasures(
    client: &mut impl GenericClient,
    after: u64,
) -> Result<Vec<(u64, CustomerId, Millis)>, PostgresError> {
    let rows = client
        .query(
            "SELECT epoch, customer_id, instant FROM erasures WHERE epoch > $1 ORDER BY epoch, \
            customer_id, instant",
            &[&(after as i64)],
        )
        .map_err(PostgresError::statement("read the erasures of epochs"))?;
    Ok(rows
        .iter()
        .map(|row| (row.get::<_, i64>(0) as u64, row.get(1), row.get::<_, Timestamp>(2).0))
        .collect())
}

/// Every customer that was ever erased, up to an instant.
pub fn erased(
    client: &mut impl GenericClient,
    job: &str,
) -> Result<Vec<(CustomerId, Millis)>, PostgresError> {
    let rows = client
        .query(
            "SELECT customer_id, instant FROM erased_customers WHERE job = $1 ORDER BY customer_id",
            &[&job],
        )
        .map_err(PostgresError::statement("read which customers were erased"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, Timestamp>(1).0)).collect())
}

/// The job's epochs after `after`, in order.
pub fn epochs(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
    after: u64,
) -> Result<Vec<RecordedEpoch>, PostgresError> {
    let rows = client
        .query(
            "SELECT epoch, watermark, offsets::text, digest, counts::text, to_jsonb(e) ->> \
             'topic_ids', to_jsonb(e) ->> 'chain',
                 to_jsonb(e) ->> 'identity', (SELECT to_jsonb(p) ->> 'identity' FROM progress p \
                 WHERE p.job = e.job)
             FROM epochs e WHERE job = $1 AND epoch > $2 ORDER BY epoch",
            &[&settings.job, &(after as i64)],
        )
        .map_err(PostgresError::statement("read the recorded epochs"))?;
    rows.iter().map(|row| epoch_of(row, settings)).collect()
}

fn epoch_of(row: &Row, settings: &PostgresSettings) -> Result<RecordedEpoch, PostgresError> {
    let epoch = row.get::<_, i64>(0) as u64;
    let unreadable = |why: String| PostgresError::Recorded { epoch, why };
    let (identity, own) = (row.get::<_, Option<&str>>(7), row.get::<_, Option<&str>>(8));
    if identity.is_some() && identity != own {
        return Err(unreadable(
            "it is of another history of the job than its progress".to_string(),
        ));
    }
    let offsets = offsets_of(row.get(2), settings).map_err(unreadable)?;
    let digest = digest_from_hex(row.get(3))
        .ok_or_else(|| unreadable("its digest is not 64 hexadecimal digits".to_string()))?;
    let records = records_of(row.get(4))
        .ok_or_else(|| unreadable("its counts have no number of records".to_string()))?;
    let topic_ids = topic_ids_of(row.get(5), settings).map_err(unreadable)?;
    let chain = chain_of(row.get(6)).map_err(unreadable)?;
    let watermark = row.get::<_, Option<Timestamp>>(1).map(|watermark| watermark.0);
    Ok(RecordedEpoch { epoch, watermark, offsets, digest, records, topic_ids, chain })
}

/// How many valid records an epoch had, by its counts.
pub fn records_of(counts: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(counts).ok()?.get("records")?.as_u64()
}

/// What was counted of an epoch under this name, by its counts.
pub fn count_of(counts: &str, name: &str) -> Option<i64> {
    serde_json::from_str::<serde_json::Value>(counts).ok()?.get(name)?.as_i64()
}

/// A link from the text in which it is kept.
pub fn chain_of(text: Option<&str>) -> Result<Option<Link>, String> {
    let read = |text: &str| {
        Link::from_hex(text).ok_or_else(|| "its chain is not 64 hexadecimal digits".to_string())
    };
    text.map(read).transpose()
}

/// Offsets from the text in which they are kept, sorted.
pub fn offsets_of(text: &str, settings: &PostgresSettings) -> Result<Positions, String> {
    let named: Offsets =
        serde_json::from_str(text).map_err(|error| format!("its offsets: {error}"))?;
    source::offsets_of(&named, &settings.topics)
}

/// The published thresholds, by day.
#[cfg(test)]
pub fn thresholds(client: &mut Client) -> Result<Vec<(Day, u64)>, PostgresError> {
    let rows = client
        .query("SELECT day - date '1970-01-01', high_value FROM thresholds ORDER BY day", &[])
        .map_err(PostgresError::statement("read the published thresholds"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1) as u64)).collect())
}

//! What is read back: where the job stands, its recorded epochs, the published thresholds.
//!
//! Columns that a schema of an older version does not have yet are asked for as fields of the whole
//! row, where such a one is read: they are NULL there.

mod progress;

pub use progress::{confirm, fence, forget, lose, register, set_starts, set_topic_ids};

use super::encode::Timestamp;
use super::error::PostgresError;
use super::settings::PostgresSettings;
use crate::hexadecimal::digest_from_hex;
use crate::sink::{Genesis, Link, Progress, RecordedEpoch};
use crate::source::{self, Loss, Offsets, Positions, TopicUuids};
use dataflows::event::tables::ERASURES;
use dataflows::event::{CustomerId, Millis};
#[cfg(test)]
use postgres::Client;
use postgres::{GenericClient, Row};

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
pub fn history(client: &mut impl GenericClient, job: &str) -> Result<Genesis, PostgresError> {
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
    let Some(identity) = row.get::<_, Option<&str>>(0) else { return Ok(Genesis::begin(after)) };
    let why = || "the identity of its history is not 64 hexadecimal digits".to_string();
    let identity =
        Link::from_hex(identity).ok_or_else(|| PostgresError::Recorded { epoch: 0, why: why() })?;
    Ok(Genesis { identity, after })
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

/// The customers that the epochs after `after` have erased, each with its epoch and up to an
/// instant.
pub fn erasures(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
    after: u64,
) -> Result<Vec<(u64, CustomerId, Millis)>, PostgresError> {
    if !settings.wording.tables().iter().any(|table| table.name == ERASURES) {
        return Ok(Vec::new());
    }
    let rows = client
        .query(
            &format!(
                "SELECT epoch, customer_id, instant FROM {ERASURES} WHERE epoch > $1 ORDER BY \
                 epoch, customer_id, instant"
            ),
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
pub fn thresholds(client: &mut Client) -> Result<Vec<(i32, u64)>, PostgresError> {
    let rows = client
        .query("SELECT day - date '1970-01-01', high_value FROM thresholds ORDER BY day", &[])
        .map_err(PostgresError::statement("read the published thresholds"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1) as u64)).collect())
}

//! The table of kept records: read back a few at a time, and shortened. They are written with their
//! epoch.

use super::connection;
use super::error::PostgresError;
use super::settings::PostgresSettings;
use crate::sink::SinkError;
use crate::sink::gathered::Essentials;
use crate::sink::kept::{KeptAt, KeptReader};
use crate::table::encode::CopyBuffer;
use dataflows::source::{Kept, TopicId};
use postgres::{Client, GenericClient, Row};

/// Takes an epoch's kept records in.
pub const COPY: &str = "COPY kept_records (job, epoch, topic, partition, first, next, records) \
    FROM STDIN BINARY";

/// Encodes an epoch's kept records, in the place of those of the one before.
pub fn encode(buffer: &mut CopyBuffer, results: Essentials<'_>, settings: &PostgresSettings) {
    buffer.clear();
    for kept in results.kept {
        buffer.row(7);
        buffer.text(settings.job.as_bytes());
        buffer.bigint(results.epoch as i64);
        buffer.text(settings.topic_name(kept.topic).as_bytes());
        buffer.integer(kept.partition as i32);
        buffer.bigint(kept.from as i64);
        buffer.bigint(kept.until as i64);
        buffer.bytes(&kept.records);
    }
}

/// Rows that are read at a time; each has about as many bytes as come from the broker at once.
const PAGE: i64 = 16;

/// Where everything that is kept of the epochs after `after` lies.
pub fn all_after(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
    after: u64,
) -> Result<Vec<KeptAt>, PostgresError> {
    let rows = client
        .query(
            "SELECT epoch, topic, partition, first, next FROM kept_records WHERE job = $1 AND \
            epoch > $2",
            &[&settings.job, &(after as i64)],
        )
        .map_err(PostgresError::statement("tell which records are kept"))?;
    Ok(rows.iter().filter_map(|row| at(row, settings)).collect())
}

/// Removes what is kept of the epochs up to `through`, as long as the instance that asks has the
/// job: the next one may have gone on from an older checkpoint.
pub fn remove_through(
    client: &mut Client,
    job: &str,
    own: i64,
    through: u64,
) -> Result<u64, PostgresError> {
    client
        .execute(
            "DELETE FROM kept_records WHERE job = $1 AND epoch <= $2 AND EXISTS (SELECT FROM \
             progress p WHERE p.job = $1 AND p.incarnation = $3)",
            &[&job, &(through as i64), &own],
        )
        .map_err(PostgresError::statement("remove kept records"))
}

/// Where a row's records lie; `None` for those of a topic that is not configured.
fn at(row: &Row, settings: &PostgresSettings) -> Option<KeptAt> {
    let name: &str = row.get(1);
    let topic = settings.topics.named(name)?;
    let number = |column| row.get::<_, i64>(column) as u64;
    Some(KeptAt {
        epoch: number(0),
        topic,
        partition: row.get::<_, i32>(2) as u32,
        from: number(3),
        until: number(4),
    })
}

/// Reads the table over a connection of its own.
pub struct KeptRows {
    settings: PostgresSettings,
    client: Option<Client>,
}

impl KeptRows {
    /// Connects when the first rows are asked for.
    pub fn new(settings: PostgresSettings) -> Self {
        KeptRows { settings, client: None }
    }

    fn page(&mut self, after: KeptAt, of: &[(TopicId, u32)]) -> Result<Vec<Row>, PostgresError> {
        // A connection on which something fails is not used again.
        let mut client = match self.client.take() {
            Some(client) => client,
            None => connection::connect(&self.settings)?,
        };
        let (topics, partitions): (Vec<&str>, Vec<i32>) = of
            .iter()
            .map(|&(topic, partition)| (self.settings.topic_name(topic), partition as i32))
            .unzip();
        let rows = client
            .query(
                "SELECT epoch, topic, partition, first, next, records FROM kept_records
                 WHERE job = $1 AND (epoch, topic, partition, first) > ($2, $3, $4, $5)
                    AND (topic, partition) IN (SELECT * FROM unnest($6::text[], $7::int4[]))
                 ORDER BY epoch, topic, partition, first LIMIT $8",
                &[
                    &self.settings.job,
                    &(after.epoch as i64),
                    &self.settings.topic_name(after.topic),
                    &(after.partition as i32),
                    &(after.from as i64),
                    &topics,
                    &partitions,
                    &PAGE,
                ],
            )
            .map_err(PostgresError::statement("read kept records"))?;
        self.client = Some(client);
        Ok(rows)
    }
}

impl KeptReader for KeptRows {
    fn next(
        &mut self,
        after: KeptAt,
        of: &[(TopicId, u32)],
    ) -> Result<Vec<(KeptAt, Kept)>, SinkError> {
        let rows = self.page(after, of)?;
        let kept = |row: &Row| {
            let at = at(row, &self.settings)?;
            let KeptAt { topic, partition, from, until, .. } = at;
            Some((at, Kept { topic, partition, from, until, records: row.get(5) }))
        };
        Ok(rows.iter().filter_map(kept).collect())
    }
}

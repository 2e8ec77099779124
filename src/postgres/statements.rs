//! The statements of an epoch's transaction, as text or prepared for a session.

use super::error::PostgresError;
use super::settings::PostgresSettings;
use super::tables::{self, Erasing, Pruning, Writing};
use postgres::{GenericClient, Statement};

/// One session's statements: those of every epoch prepared, the others as text.
pub struct Statements {
    /// Moves progress from the epoch before: job, epoch, incarnation.
    pub compare_and_set: Statement,
    /// Records an epoch: job, epoch, watermark, offsets, digest, counts, ids of the topics, link,
    /// records read, what is gone.
    pub epoch: Statement,
    /// Bring the rows of each table in, in the order of the tables.
    pub writing: Vec<Writing>,
    /// Take what is left of an erased customer out of the tables.
    pub erasing: Vec<Erasing>,
    /// Delete what is no longer kept.
    pub pruning: Vec<Pruning>,
}

const COMPARE_AND_SET: &str = "UPDATE progress SET epoch = $2::int8 WHERE job = $1 AND epoch = \
    $2::int8 - 1 AND incarnation = $3::int8";

const INSERT_EPOCH: &str = "INSERT INTO epochs (job, epoch, watermark, offsets, digest, counts, \
    topic_ids, chain, read, gone, identity)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (SELECT identity FROM progress WHERE job = \
    $1))";

impl Statements {
    /// Prepares a session: its staging tables and statements.
    ///
    /// # Errors
    /// That of a statement.
    pub fn prepare(
        client: &mut impl GenericClient,
        settings: &PostgresSettings,
    ) -> Result<Statements, PostgresError> {
        let failed = || PostgresError::statement("prepare the session");
        let all = settings.wording.tables();
        let stages: String = all.iter().map(|table| tables::stages(table)).collect();
        client.batch_execute(&stages).map_err(failed())?;
        Ok(Statements {
            compare_and_set: client.prepare(COMPARE_AND_SET).map_err(failed())?,
            epoch: client.prepare(INSERT_EPOCH).map_err(failed())?,
            writing: all.iter().map(|table| Writing::of(table)).collect(),
            erasing: all.iter().filter_map(|table| tables::erasing(table)).collect(),
            pruning: all.iter().filter_map(|table| tables::pruning(table)).collect(),
        })
    }
}

//! The table of the settings that epochs were computed with.

use super::error::PostgresError;
use super::owner;
use super::recorded;
use crate::sink::applied::{Applied, AppliedSettings};
use postgres::types::Json;
use postgres::{Client, GenericClient};

/// What is recorded of a job; nothing where the table is not there yet.
pub fn read(client: &mut impl GenericClient, job: &str) -> Result<AppliedSettings, PostgresError> {
    if !owner::is_there(client, "applied_settings")? {
        return Ok(AppliedSettings::default());
    }
    let rows = client
        .query(
            "SELECT since, settings::text FROM applied_settings WHERE job = $1 ORDER BY \
            since",
            &[&job],
        )
        .map_err(PostgresError::statement("tell with which settings epochs were computed"))?;
    let read = |row: &postgres::Row| {
        let since = row.get::<_, i64>(0) as u64;
        let settings =
            serde_json::from_str(row.get(1)).map_err(|error| PostgresError::Recorded {
                epoch: since,
                why: format!("its settings cannot be read: {error}"),
            })?;
        Ok(Applied { since, settings })
    };
    Ok(AppliedSettings(rows.iter().map(read).collect::<Result<_, PostgresError>>()?))
}

/// Records what holds from an epoch on that is not committed yet, in place of what was recorded for
/// it and later ones.
///
/// # Errors
/// [`PostgresError::Fenced`] where another instance has the job, or that of a statement.
pub fn write(
    client: &mut Client,
    job: &str,
    incarnation: i64,
    history: &AppliedSettings,
    since: u64,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("record the settings of the job");
    let mut transaction = client.transaction().map_err(failed())?;
    recorded::confirm(&mut transaction, job, incarnation)?;
    transaction
        .execute(
            "DELETE FROM applied_settings WHERE job = $1 AND since >= $2",
            &[&job, &(since as i64)],
        )
        .map_err(failed())?;
    for applied in history.0.iter().filter(|applied| applied.since >= since) {
        transaction
            .execute(
                "INSERT INTO applied_settings (job, since, settings) VALUES ($1, $2, $3)",
                &[&job, &(applied.since as i64), &Json(&applied.settings)],
            )
            .map_err(failed())?;
    }
    transaction.commit().map_err(failed())
}

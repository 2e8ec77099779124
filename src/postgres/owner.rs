//! Whose the schema is: its tables hold the rows of one job, and a job of another name is refused
//! before it has written anything.

use super::address;
use super::connection;
use super::error::PostgresError;
use super::recorded;
use super::settings::PostgresSettings;
use crate::sink::Progress;
use crate::source::TopicIds;
use postgres::GenericClient;

/// A job other than `$1` that has written here, by either table. Each looks at the ends of an
/// index, however long it is.
const OTHERS: [(&str, &str); 2] = [
    ("sluice.progress", "SELECT job FROM sluice.progress WHERE job <> $1 ORDER BY job LIMIT 1"),
    (
        "sluice.epochs",
        "(SELECT job FROM sluice.epochs WHERE job < $1 ORDER BY job LIMIT 1)
         UNION ALL (SELECT job FROM sluice.epochs WHERE job > $1 ORDER BY job LIMIT 1)",
    ),
];

/// Makes sure that no other job has the schema, without changing anything; one that is not there
/// yet is free.
///
/// # Errors
/// [`PostgresError::OtherJob`], or that of a statement.
pub fn check(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    for (table, query) in OTHERS {
        if !is_there(client, table)? {
            continue;
        }
        let other = client
            .query(query, &[&settings.job])
            .map_err(PostgresError::statement("tell whose schema it is"))?;
        if let Some(row) = other.first() {
            return Err(PostgresError::OtherJob {
                address: address::shown(&settings.url),
                owner: row.get(0),
                job: settings.job.clone(),
            });
        }
    }
    Ok(())
}

/// Where the job stands, and the ids of the topics that it has read, whoever runs it and without
/// changing anything; `None` where it has not begun.
///
/// # Errors
/// The database cannot be reached or read, or the schema is another job's.
pub fn inspect(settings: &PostgresSettings) -> Result<Option<(Progress, TopicIds)>, PostgresError> {
    let mut client = connection::connect_alone(settings)?;
    check(&mut client, settings)?;
    if !is_there(&mut client, "sluice.progress")? {
        return Ok(None);
    }
    let ids = topic_ids(&mut client, settings)?;
    Ok(recorded::progress(&mut client, &settings.job)?.map(|progress| (progress, ids)))
}

/// The ids of the topics that the job has read, without changing anything; none where an older
/// version of this program was the last to write.
///
/// # Errors
/// [`PostgresError::Recorded`], or that of a statement.
pub fn topic_ids(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<TopicIds, PostgresError> {
    if is_there(client, "sluice.progress")? {
        recorded::topic_ids(client, settings)
    } else {
        Ok(TopicIds::UNKNOWN)
    }
}

/// Whether there is a table of this name.
///
/// # Errors
/// That of a statement.
pub fn is_there(client: &mut impl GenericClient, table: &str) -> Result<bool, PostgresError> {
    let row = client
        .query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table])
        .map_err(PostgresError::statement("look for the schema"))?;
    Ok(row.get(0))
}

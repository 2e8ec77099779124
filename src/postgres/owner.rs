//! Whose the schema is: its tables hold the results of one job, and whatever is another's is
//! refused before anything is written.

use super::address;
use super::connection;
use super::error::PostgresError;
use super::recorded;
use super::settings::PostgresSettings;
use crate::sink::Progress;
use crate::source::TopicUuids;
use postgres::GenericClient;

/// The form of its rows: a program that writes them otherwise, beyond what a migration changes, has
/// a higher one.
const FORMAT: i32 = 1;

/// The jobs other than `$1` that have written here, where no row says whose the schema is. The
/// epochs are looked at from the ends of their index, however long it is.
const OTHERS: [(&str, &str); 2] = [
    ("progress", "SELECT job FROM progress WHERE job <> $1 ORDER BY job"),
    (
        "epochs",
        "(SELECT job FROM epochs WHERE job < $1 ORDER BY job LIMIT 1)
         UNION ALL (SELECT job FROM epochs WHERE job > $1 ORDER BY job DESC LIMIT 1)",
    ),
];

/// Makes sure that nobody else has the schema, without changing anything; one that is not there yet
/// is free.
///
/// # Errors
/// [`PostgresError::OtherJob`], [`PostgresError::SeveralJobs`], [`PostgresError::OtherResults`], or
/// that of a statement.
pub fn check(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let row = match is_there(client, "owner")? {
        true => client
            .query_opt("SELECT job, dataflow, format FROM owner", &[])
            .map_err(PostgresError::statement("tell whose schema it is"))?,
        false => None,
    };
    let Some(row) = row else { return check_rows(client, settings) };
    let (owner, dataflow, format): (String, String, i32) = (row.get(0), row.get(1), row.get(2));
    if owner != settings.job {
        return Err(other_job(settings, owner));
    }
    let own = settings.wording.dataflow();
    if (dataflow.as_str(), format) == (own, FORMAT) {
        return Ok(());
    }
    let named = |dataflow: &str, format| format!("dataflow `{dataflow}` in format {format}");
    Err(PostgresError::OtherResults {
        schema: settings.schema.to_string(),
        address: address::shown(&settings.url),
        found: named(&dataflow, format),
        wanted: named(own, FORMAT),
    })
}

/// By the rows in it: a version that did not write down whose they are let several jobs share a
/// schema.
fn check_rows(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("tell whose schema it is");
    let mut others: Vec<String> = Vec::new();
    for (table, query) in OTHERS {
        if is_there(client, table)? {
            let rows = client.query(query, &[&settings.job]).map_err(failed())?;
            others.extend(rows.iter().map(|row| row.get(0)));
        }
    }
    others.sort_unstable();
    others.dedup();
    let own = is_there(client, "progress")? && recorded::progress(client, &settings.job)?.is_some();
    match others.as_slice() {
        [] => Ok(()),
        [owner, ..] if !own => Err(other_job(settings, owner.clone())),
        _ => Err(PostgresError::SeveralJobs {
            schema: settings.schema.to_string(),
            address: address::shown(&settings.url),
            others,
            job: settings.job.clone(),
        }),
    }
}

fn other_job(settings: &PostgresSettings, owner: String) -> PostgresError {
    PostgresError::OtherJob {
        schema: settings.schema.to_string(),
        address: address::shown(&settings.url),
        owner,
        job: settings.job.clone(),
    }
}

/// Writes down whose the schema is, once nobody else has it.
///
/// # Errors
/// That of a statement.
pub fn claim(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    client
        .execute(
            "INSERT INTO owner (job, dataflow, format) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[&settings.job, &settings.wording.dataflow(), &FORMAT],
        )
        .map_err(PostgresError::statement("write down whose schema it is"))?;
    Ok(())
}

/// Where the job stands, and the ids of the topics that it has read, whoever runs it and without
/// changing anything; `None` where it has not begun.
///
/// # Errors
/// The database cannot be reached or read, or the schema is another job's.
pub fn inspect(
    settings: &PostgresSettings,
) -> Result<Option<(Progress, TopicUuids)>, PostgresError> {
    let mut client = connection::connect_alone(settings)?;
    check(&mut client, settings)?;
    if !is_there(&mut client, "progress")? {
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
) -> Result<TopicUuids, PostgresError> {
    if is_there(client, "progress")? {
        recorded::topic_ids(client, settings)
    } else {
        Ok(TopicUuids::UNKNOWN)
    }
}

/// Whether the session's schema has a table, view or index of this name.
///
/// # Errors
/// That of a statement.
pub fn is_there(client: &mut impl GenericClient, table: &str) -> Result<bool, PostgresError> {
    let row = client
        .query_one(
            "SELECT to_regclass(current_setting('search_path') || '.' || quote_ident($1)) IS NOT \
             NULL",
            &[&table],
        )
        .map_err(PostgresError::statement("look for the schema"))?;
    Ok(row.get(0))
}

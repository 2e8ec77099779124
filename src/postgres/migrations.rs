//! The versions of a job's schema: which one is there, and the way to this program's.
//!
//! They are embedded and recorded as refinery does it; they run within the transaction that takes
//! the job over, where refinery would commit before that.
//!
//! # Adding one
//! - From version 15 on a migration goes through the schemas of every dataflow, so it is of the
//!   engine's tables alone: those that a dataflow declares get tables and columns by their
//!   declarations, at any start (`declared.rs`).
//! - What has been released is never edited, `engine.sql` neither: schemas know it by its checksum.
//! - A new table of the engine stands in `tables::ENGINES`, and in a list of `places.rs`.
//! - That the engine's tables are the same however a schema came about is held by
//!   `tests/another.rs`.

use super::error::PostgresError;
use super::owner;
use super::settings::PostgresSettings;
use jiff::Timestamp;
use postgres::{GenericClient, Transaction};
use refinery::Migration;
use std::collections::BTreeMap;

/// The engine's tables alone, as this version of the schema has them.
const ENGINE: (&str, &str) = ("V14__engine", include_str!("engine.sql"));

mod embedded {
    refinery::embed_migrations!("src/postgres/migrations");
}

/// Where the versions that a schema went through are recorded, as refinery makes it.
const HISTORY: &str = "CREATE TABLE refinery_schema_history
    (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))";

/// The name of that table.
const NAME: &str = "refinery_schema_history";

/// The migrations that the schema still needs, oldest first; all of them where there is no schema
/// yet.
///
/// # Errors
/// [`PostgresError::Version`] for a schema of a newer program, [`PostgresError::Diverged`] for one
/// of another, or that of a statement.
pub fn pending(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<Vec<Migration>, PostgresError> {
    let schema = || settings.schema.to_string();
    let mut applied = applied(client)?;
    let known = known(settings);
    let newest = known.last().map_or(0, Migration::version);
    if let Some((&found, _)) = applied.last_key_value().filter(|(version, _)| **version > newest) {
        let (found, wanted) = (i64::from(found), i64::from(newest));
        return Err(PostgresError::Version { schema: schema(), found, wanted });
    }
    let mut pending = Vec::new();
    for migration in known {
        match applied.remove(&migration.version()) {
            None => pending.push(migration),
            Some(checksum) if checksum == migration.checksum().to_string() => {}
            Some(_) => {
                return Err(PostgresError::Diverged {
                    schema: schema(),
                    version: migration.version(),
                });
            }
        }
    }
    match applied.first_key_value() {
        Some((&version, _)) => Err(PostgresError::Diverged { schema: schema(), version }),
        None => Ok(pending),
    }
}

/// Brings the schema up to date.
///
/// # Errors
/// Those of [`pending`], and [`PostgresError::Migration`].
pub fn migrate(
    transaction: &mut Transaction<'_>,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let failed = |source| PostgresError::Migration { schema: settings.schema.to_string(), source };
    let pending = pending(transaction, settings)?;
    if pending.is_empty() {
        return Ok(());
    }
    // `IF NOT EXISTS` asks for the right to create schemas even where there is nothing to create.
    let found = transaction
        .query_one("SELECT to_regnamespace(current_setting('search_path')) IS NOT NULL", &[])
        .map_err(PostgresError::statement("look for the schema"))?;
    if !found.get::<_, bool>(0) {
        transaction
            .batch_execute(&format!("CREATE SCHEMA {}", settings.schema.quoted()))
            .map_err(PostgresError::statement("create the schema"))?;
    }
    if !owner::is_there(transaction, NAME)? {
        transaction.batch_execute(HISTORY).map_err(failed)?;
    }
    for migration in pending {
        transaction.batch_execute(migration.sql().unwrap_or_default()).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES \
                 ($1, $2, $3, $4)",
                &[
                    &migration.version(),
                    &migration.name(),
                    &Timestamp::now().to_string(),
                    &migration.checksum().to_string(),
                ],
            )
            .map_err(failed)?;
    }
    Ok(())
}

/// Makes sure that the schema is the one of this program, without changing anything.
///
/// # Errors
/// [`PostgresError::Version`], [`PostgresError::Diverged`], or that of a statement.
pub fn check_version(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    if pending(client, settings)?.is_empty() {
        return Ok(());
    }
    let found = applied(client)?.last_key_value().map_or(0, |(version, _)| i64::from(*version));
    Err(PostgresError::Version {
        schema: settings.schema.to_string(),
        found,
        wanted: known(settings).last().map_or(0, |newest| i64::from(newest.version())),
    })
}

/// This program's migrations, oldest first. The first ones made the campaign's tables with the
/// engine's: any other dataflow begins with the engine's alone, as these leave them, and has its
/// own by their declarations.
fn known(settings: &PostgresSettings) -> Vec<Migration> {
    of_dataflow(embedded::migrations::runner().get_migrations(), settings.wording.is_migrated())
}

/// Of these, those of a dataflow whose tables the first ones made, or not.
fn of_dataflow(all: &[Migration], is_migrated: bool) -> Vec<Migration> {
    let mut known = all.to_vec();
    known.sort_unstable_by_key(Migration::version);
    if !is_migrated {
        let (name, sql) = ENGINE;
        let engine = Migration::unapplied(name, sql).expect("a version and a name");
        known.retain(|migration| migration.version() > engine.version());
        known.insert(0, engine);
    }
    known
}

/// The versions that the schema went through, each with its checksum.
fn applied(client: &mut impl GenericClient) -> Result<BTreeMap<i32, String>, PostgresError> {
    if !owner::is_there(client, NAME)? {
        return Ok(BTreeMap::new());
    }
    let rows = client
        .query("SELECT version, checksum FROM refinery_schema_history", &[])
        .map_err(PostgresError::statement("tell the version of the schema"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::arrivals::Arrivals;
    use dataflows::campaign::tables::tables;
    use dataflows::keyed;

    #[test]
    fn what_comes_after_the_engines_version_is_of_every_dataflow() {
        let mut all = embedded::migrations::runner().get_migrations().clone();
        let newest = all.iter().map(Migration::version).max().expect("there are some");
        let next = Migration::unapplied(&format!("V{}__next", newest + 1), "SELECT 1");
        all.insert(0, next.expect("a version and a name"));
        let versions = |is_migrated| -> Vec<i32> {
            of_dataflow(&all, is_migrated).iter().map(Migration::version).collect()
        };
        let (campaign, other) = (versions(true), versions(false));
        assert!(campaign.is_sorted() && campaign.len() == all.len());
        let later: Vec<i32> = campaign.into_iter().filter(|version| *version >= 14).collect();
        assert_eq!((other.last(), &other), (Some(&(newest + 1)), &later));
    }

    #[test]
    fn what_is_of_every_dataflow_is_of_the_engines_tables_alone() {
        let declared = tables(&[], 2).into_iter().chain(keyed::tables::<Arrivals>());
        let declared: Vec<&str> = declared.map(|table| table.name).collect();
        for migration in embedded::migrations::runner().get_migrations() {
            let sql = migration.sql().unwrap_or_default();
            let statements = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
            let mut words = statements
                .flat_map(|line| line.split(|sign: char| !(sign.is_alphanumeric() || sign == '_')));
            let named =
                words.find(|word| declared.contains(word)).filter(|_| migration.version() > 14);
            assert_eq!(named, None, "{} is a table of a dataflow", migration.name());
        }
    }
}

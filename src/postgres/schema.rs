//! The schema of a job: taken over in one step, and what follows the configuration: the columns of
//! features, the view over them, and the names.

use super::address;
use super::declared;
use super::error::PostgresError;
use super::migrations;
use super::owner;
use super::recorded;
use super::settings::PostgresSettings;
use super::survey::Survey;
use crate::identifiers::LONGEST;
use crate::sink::rows::{Configured, Naming};
use crate::sink::{Progress, Records};
use crate::source::TopicUuids;
use dataflows::table::{Column, Table};
use postgres::types::ToSql;
use postgres::{Client, GenericClient, Transaction};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Instances that start at once with one schema bring it up to date one after the other, by holding
/// a number. That of `sluice`, `$2` ("sluice" in ASCII), is the one that every schema once had.
const LOCK: &str = "SELECT pg_advisory_xact_lock($2::int8 # hashtextextended($1, 0) # \
    hashtextextended('sluice', 0))";

/// That number.
const NUMBER: i64 = 0x73_6c75_6963_6500;

/// Takes the schema over for a job, unless it is another job's, or of topics that are not those of
/// `now`: nobody who had it before can write any more, and it is brought up to date with this
/// program and its configuration. What is recorded then, and can move no more, `settle` judges.
/// Then does `then`.
///
/// All of it is one transaction. Whatever fails, nothing has changed, and whoever had the job goes
/// on undisturbed; so too where `settle` refuses, of which the inner result tells.
///
/// # Errors
/// Those of [`check`], [`PostgresError::Migration`], that of `then`, or that of a statement.
pub fn take_over<S, E, T>(
    client: &mut Client,
    settings: &PostgresSettings,
    now: &TopicUuids,
    settle: impl FnOnce(&mut dyn Records) -> Result<S, E>,
    then: impl FnOnce(&mut Transaction<'_>, Progress) -> Result<T, PostgresError>,
) -> Result<Result<(S, T), E>, PostgresError> {
    let failed = || PostgresError::statement("take the job over");
    let mut transaction = client.transaction().map_err(failed())?;
    let waits = PostgresError::statement("wait for other instances that start");
    transaction.execute(LOCK, &[&settings.schema.to_string(), &NUMBER]).map_err(waits)?;
    check(&mut transaction, settings, now)?;
    // First of all: no epoch may be committed between a migration that computes something from the
    // tables and the fence.
    if owner::is_there(&mut transaction, "progress")? {
        recorded::fence(&mut transaction, &settings.job)?;
    }
    migrations::migrate(&mut transaction, settings)?;
    owner::claim(&mut transaction, settings)?;
    let progress = recorded::register(&mut transaction, &settings.job)?;
    let settled = match settle(&mut Survey::within(&mut transaction, settings, progress)) {
        Ok(settled) => settled,
        Err(refused) => return Ok(Err(refused)),
    };
    follow(&mut transaction, settings)?;
    let done = then(&mut transaction, progress)?;
    transaction.commit().map_err(failed())?;
    Ok(Ok((settled, done)))
}

/// What would keep the job of these settings from taking the schema over, found without changing
/// anything.
///
/// # Errors
/// [`PostgresError::FeatureName`], [`PostgresError::Encoding`], those of [`owner::check`],
/// [`PostgresError::Remade`], [`PostgresError::Version`], [`PostgresError::Diverged`],
/// [`PostgresError::Column`], or that of a statement.
pub fn check(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
    now: &TopicUuids,
) -> Result<(), PostgresError> {
    check_names(&settings.wording.tables())?;
    check_encoding(client, settings)?;
    owner::check(client, settings)?;
    if *now != TopicUuids::UNKNOWN {
        owner::topic_ids(client, settings)?.compare(now, &settings.topics)?;
    }
    migrations::pending(client, settings)?;
    declared::missing(client, settings).map(|_| ())
}

/// Whether tables that are there would be changed: by a migration, or for a feature that has no
/// column yet.
///
/// # Errors
/// Those of [`check`].
pub fn changes_tables(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<bool, PostgresError> {
    Ok(!migrations::pending(client, settings)?.is_empty()
        || !declared::missing(client, settings)?.is_empty())
}

/// Makes sure that what is configured can be a column.
fn check_names(tables: &[Arc<Table>]) -> Result<(), PostgresError> {
    for table in tables {
        let (configured, others): (Vec<&Column>, Vec<_>) =
            table.columns.iter().partition(|column| column.is_configured());
        let mut seen = BTreeSet::new();
        for Column { name, .. } in configured {
            let why = match &**name {
                "" => "it has no name",
                long if long.len() > LONGEST => "its name is longer than 63 bytes",
                zero if zero.contains('\0') => "its name has a NUL character in it",
                taken if others.iter().any(|other| other.name == taken) => {
                    "the table has a column of that name for something else"
                }
                twice if !seen.insert(twice) => "another one has the same name",
                _ => continue,
            };
            let (name, table) = (name.to_string(), table.name);
            return Err(PostgresError::FeatureName { name, table, why });
        }
    }
    Ok(())
}

/// Makes sure that the database can hold every text.
pub(super) fn check_encoding(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let row = client
        .query_one("SELECT current_setting('server_encoding')", &[])
        .map_err(PostgresError::statement("tell its encoding"))?;
    let encoding: String = row.get(0);
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(PostgresError::Encoding { address: address::shown(&settings.url), encoding })
    }
}

/// Makes columns, view and names those of the configuration.
fn follow(
    transaction: &mut Transaction<'_>,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    declared::follow(transaction, settings)?;
    if settings.changes { Ok(()) } else { name(transaction, settings) }
}

/// Makes view and names those of the configuration.
///
/// # Errors
/// That of a statement.
pub fn name(
    transaction: &mut Transaction<'_>,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("write the configured names");
    declared::make_views(transaction, &settings.wording.tables())?;
    for Naming { table, fill, values } in settings.wording.names() {
        transaction.batch_execute(&format!("DELETE FROM {table}")).map_err(failed())?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(value).collect();
        transaction.execute(fill, &values).map_err(failed())?;
    }
    Ok(())
}

fn value(named: &Configured) -> &(dyn ToSql + Sync) {
    match named {
        Configured::Number(number) => number,
        Configured::Texts(texts) => texts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::campaign::tables::tables;

    fn of_features(names: &[String]) -> Vec<Arc<Table>> {
        tables(names, 2).into_iter().map(Arc::new).collect()
    }

    #[test]
    fn a_feature_that_cannot_be_a_column_is_named() {
        let long = "x".repeat(64);
        for (names, culprit) in [
            (vec!["a", "a"], "a"),
            (vec!["epoch"], "epoch"),
            (vec!["b", ""], ""),
            (vec![long.as_str()], &long),
            (vec!["n\0"], "n\0"),
        ] {
            let names = names.into_iter().map(str::to_string).collect::<Vec<_>>();
            let tables = of_features(&names);
            let Err(PostgresError::FeatureName { name, .. }) = check_names(&tables) else {
                panic!("{names:?} passed")
            };
            assert_eq!(name, culprit);
        }
        let two = ["recency".to_string(), "sport & outdoor_pct".to_string()];
        assert!(check_names(&of_features(&two)).is_ok());
    }
}

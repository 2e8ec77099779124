//! What follows the declarations: tables and columns that are not there yet are made at a start,
//! and the views that move with the clock.

use super::error::PostgresError;
use super::owner;
use super::settings::PostgresSettings;
use super::tables::{self, add, add_own, create, sql_type};
use crate::identifiers::quote;
use dataflows::table::{Dated, Keep, Table};
use postgres::GenericClient;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What makes the tables and columns that are not there yet, a statement each.
///
/// # Errors
/// [`PostgresError::Column`] where a column is there with another type, or that of a statement.
pub fn missing(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<Vec<String>, PostgresError> {
    let mut statements = Vec::new();
    for table in settings.wording.tables() {
        let found: BTreeMap<String, String> = columns(client, table.name)?.into_iter().collect();
        if found.is_empty() {
            statements.push(create(&table));
            statements.extend(tables::indexes(&table));
            continue;
        }
        for column in table.written() {
            let wanted = sql_type(column.kind);
            match found.get(&*column.name) {
                Some(kind) if kind == wanted => {}
                Some(kind) => {
                    return Err(PostgresError::Column {
                        table: table.name,
                        column: column.name.to_string(),
                        found: kind.clone(),
                        wanted,
                    });
                }
                None => statements.push(add(&table, column)),
            }
        }
        let own = table.own.iter().filter(|own| !found.contains_key(own.name));
        statements.extend(own.map(|own| add_own(&table, own)));
    }
    Ok(statements)
}

/// Makes them.
///
/// # Errors
/// Likewise.
pub fn follow(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
) -> Result<(), PostgresError> {
    for statement in missing(client, settings)? {
        client
            .batch_execute(&statement)
            .map_err(PostgresError::statement("make a table or a column"))?;
    }
    settings.wording.tables().iter().try_for_each(|table| index_epochs(client, settings, table))
}

/// Lets old rows be found by their epoch, where they are to go by it and no index of the table has
/// it: only then is it worth what it costs.
fn index_epochs(
    client: &mut impl GenericClient,
    settings: &PostgresSettings,
    table: &Table,
) -> Result<(), PostgresError> {
    let Keep::Epochs { epoch, dated: Dated::Event(_), setting, .. } = table.keep else {
        return Ok(());
    };
    let index = format!("{}_by_epoch", table.name);
    if !settings.keep.is_set(setting) || owner::is_there(client, &index)? {
        return Ok(());
    }
    client
        .batch_execute(&format!("CREATE INDEX {index} ON {} ({epoch})", table.name))
        .map_err(PostgresError::statement("index rows by their epoch"))
}

/// Names and types of a table's columns, in their order.
fn columns(
    client: &mut impl GenericClient,
    table: &str,
) -> Result<Vec<(String, String)>, PostgresError> {
    let rows = client
        .query(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = to_regclass(current_setting('search_path') || '.' || $1)
                AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            &[&table],
        )
        .map_err(PostgresError::statement("list the columns of a table"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Makes the views of the tables of which something moves with the clock.
///
/// # Errors
/// That of a statement.
pub fn make_views(
    client: &mut impl GenericClient,
    tables: &[Arc<Table>],
) -> Result<(), PostgresError> {
    let moves = |table: &&Arc<Table>| table.columns.iter().any(|column| column.now.is_some());
    tables.iter().filter(moves).try_for_each(|table| make_view(client, table))
}

/// The name of the view of a table that has one.
pub fn view_of(table: &Table) -> String {
    format!("{}_now", table.name)
}

/// Replaces the view where its columns stay the same, so that rights on it stay; otherwise makes it
/// anew.
fn make_view(client: &mut impl GenericClient, table: &Table) -> Result<(), PostgresError> {
    let view = view_of(table);
    let found = columns(client, &view)?;
    if !found.iter().map(|(name, _)| name.as_str()).eq(table.names()) {
        client
            .batch_execute(&format!("DROP VIEW IF EXISTS {view}"))
            .map_err(PostgresError::statement(format!("drop the view {view}")))?;
    }
    client
        .batch_execute(&select_now(table))
        .map_err(PostgresError::statement(format!("create the view {view}")))
}

/// What moves with the clock, as of the newest watermark + lateness; the rest as it is in the
/// table.
fn select_now(table: &Table) -> String {
    let columns = table.written().map(|column| match column.now {
        Some(now) => format!("    {now} AS {}", quote(&column.name)),
        None => format!("    f.{}", quote(&column.name)),
    });
    format!(
        "CREATE OR REPLACE VIEW {view} AS
WITH clock AS MATERIALIZED (
    SELECT
        s.*,
        (
            SELECT e.watermark FROM epochs e WHERE e.job = s.job AND isfinite(e.watermark) ORDER \
            BY e.epoch DESC LIMIT 1
        ) + s.lateness AS instant
    FROM settings s
)
SELECT
{columns}
FROM {table} f
CROSS JOIN clock c
CROSS JOIN LATERAL (SELECT coalesce(c.instant, f.as_of) AS instant) n",
        view = view_of(table),
        columns = columns.collect::<Vec<_>>().join(",\n"),
        table = table.name,
    )
}

//! The statements by which rows leave a table, or lose something: erasing and pruning.

use super::assigned;
use crate::identifiers::{quote, quote_all};
use dataflows::table::{Blank, Erase, Filler, Keep, Table};

/// What an erasure does to the rows of a customer that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasing {
    /// Deletes rows: customer, instant.
    Delete(String),
    /// Blanks rows: customer, instant, epoch.
    Blank(String),
    /// Empties sums of before, once a model has forgotten somebody.
    Empty(String),
    /// Tells in the report how many rows were blanked: customer, instant, epoch, how many.
    Count(String),
}

/// Of a table; `None`: there is nothing to do.
pub fn erasing(table: &Table) -> Option<Erasing> {
    let name = table.name;
    match table.erase {
        Erase::Nobody { .. } | Erase::Rows { instant: None, .. } => None,
        Erase::Reports { customer, instant, .. } => {
            let count = table.own.iter().find(|own| own.by == Filler::Count)?.name;
            let (number, epoch) = (table.number()?, table.epoch()?);
            // Of those that are alike the first has found whatever was to be blanked.
            Some(Erasing::Count(format!(
                "UPDATE {name} SET {count} = $4 WHERE {number} = (SELECT min({number}) FROM {name} \
                 WHERE {customer} = $1 AND {instant} = $2 AND {epoch} = $3)"
            )))
        }
        Erase::Rows { customer, instant: Some(instant), .. } => Some(Erasing::Delete(format!(
            "DELETE FROM {name} WHERE {customer} = $1 AND {instant} <= $2"
        ))),
        Erase::Blanks { customer, instant, columns, .. } => {
            let blank = assigned(columns.iter().map(|(column, blank)| {
                let blank = match blank {
                    Blank::Text(text) => format!("'{}'", text.replace('\'', "''")),
                    Blank::NoBytes => "''".to_string(),
                    Blank::Null => "NULL".to_string(),
                    Blank::Epoch => "$3".to_string(),
                };
                (quote(column), blank)
            }));
            Some(Erasing::Blank(format!(
                "UPDATE {name} SET {blank} WHERE {customer} = $1 AND {instant} <= $2"
            )))
        }
        Erase::Sums { columns, group, version, .. } => {
            let empty = assigned(columns.iter().map(|column| (quote(column), "NULL".to_string())));
            let first = columns.first()?;
            Some(Erasing::Empty(format!(
                "UPDATE {name} m SET {empty} WHERE {first} IS NOT NULL AND {version} < (SELECT \
                 max({version}) FROM {name} newest WHERE newest.{group} = m.{group})"
            )))
        }
    }
}

/// What deletes rows that are no longer kept, a round at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// Versions: how many are kept.
    Versions(String),
    /// What came long ago: how many days it is kept, job.
    Days(String),
}

/// Of a table; `None`: its rows go otherwise, or never.
pub fn pruning(table: &Table) -> Option<Pruning> {
    let name = table.name;
    match table.keep {
        Keep::All | Keep::Epochs { .. } => None,
        Keep::Versions { version, group, pinned, .. } => Some(Pruning::Versions(format!(
            "DELETE FROM {name} m
            USING (
                SELECT {version}, {group}, {pinned}, lead({version}) OVER (PARTITION BY {group} \
                ORDER BY {version}) AS next FROM {name}
            ) v
            WHERE m.{version} = v.{version} AND m.{group} = v.{group} AND NOT v.{pinned}
                AND v.next <= (SELECT DISTINCT {version} FROM {name} ORDER BY {version} DESC \
                OFFSET $1::int8 - 1 LIMIT 1)
                AND NOT EXISTS (SELECT FROM {name} p WHERE p.{pinned} AND p.{version} >= \
                v.{version} AND p.{version} < v.next)"
        ))),
        Keep::Days { since, epochs, .. } => Some(Pruning::Days(format!(
            "DELETE FROM {name} WHERE {since} < now() - make_interval(days => $1::int4) AND \
             greatest({}) <= (SELECT published FROM progress WHERE job = $2)",
            quote_all(epochs.iter().copied()),
        ))),
    }
}

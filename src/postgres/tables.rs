//! The statements that keep a declared table: how it is made, filled, read, pruned and erased from.

mod filling;
mod leaving;

pub use filling::{MEASURE, Writing, is_direct, stages};
pub use leaving::{Erasing, Pruning, erasing, pruning};

use crate::identifiers::{quote, quote_all};
use dataflows::table::{Column, ColumnType, Erase, Filler, Keep, Own, Table};

/// The tables that a job has beside the declared ones, whatever dataflow it runs.
pub const ENGINES: [&str; 8] = [
    "owner",
    "progress",
    "epochs",
    "erased_customers",
    "kept_records",
    "losses",
    "applied_settings",
    "refinery_schema_history",
];

/// The type of a column.
pub fn sql_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "boolean",
        ColumnType::Smallint => "smallint",
        ColumnType::Integer => "integer",
        ColumnType::Bigint => "bigint",
        ColumnType::Day => "date",
        ColumnType::Float8 => "double precision",
        ColumnType::Decimal(_) => "numeric",
        ColumnType::Text => "text",
        ColumnType::Bytes => "bytea",
        ColumnType::Timestamp => "timestamp with time zone",
        ColumnType::Smallints => "smallint[]",
        ColumnType::Float8s => "double precision[]",
        ColumnType::Texts => "text[]",
    }
}

/// The query that reads a table as its rows are encoded. When something was written, ids that only
/// count, and what people may edit are left out.
pub fn select(table: &Table) -> String {
    let read = |column: &Column| {
        let name = quote(&column.name);
        match column.kind {
            _ if column.numbers => {
                let alike = table.key.iter().filter(|key| **key != column.name).copied();
                let order = table.number().unwrap_or_default();
                format!(
                    "row_number() OVER (PARTITION BY {} ORDER BY {})",
                    quote_all(alike),
                    quote(order)
                )
            }
            ColumnType::Day => format!("{name} - date '1970-01-01'"),
            ColumnType::Decimal(_) => format!("trim_scale({name})::text"),
            _ => name,
        }
    };
    let columns = table.columns.iter().map(read).collect::<Vec<_>>().join(", ");
    let condition = match table.erase {
        // Those of before it was recorded whose they are: it is not known what was to be blanked.
        Erase::Blanks { .. } => {
            " WHERE epoch > (SELECT coalesce(max(attributed_after), 0) FROM progress)"
        }
        // One that was asked for before epochs did them has none.
        Erase::Reports { .. } => " WHERE epoch IS NOT NULL",
        _ => "",
    };
    format!("SELECT {columns} FROM {}{condition}", table.name)
}

/// Makes a table.
pub fn create(table: &Table) -> String {
    let columns = table.written().map(|column| define(&column.name, column.kind, column.null));
    let own = table.own.iter().map(define_own);
    let key = table.written().filter(|column| table.is_key(&column.name));
    let key = quote_all(key.map(|column| &*column.name));
    let number = table.number().map(quote);
    let keys = match number {
        None => format!("PRIMARY KEY ({key})"),
        Some(number) if table.columns.iter().any(|column| column.numbers) => {
            format!("PRIMARY KEY ({number})")
        }
        Some(number) => format!("PRIMARY KEY ({number}), UNIQUE ({key})"),
    };
    let all = columns.chain(own).chain([keys]).collect::<Vec<_>>().join(", ");
    format!("CREATE TABLE IF NOT EXISTS {} ({all})", table.name)
}

/// What makes the indexes by which rows are found that are owed or to be blanked.
pub fn indexes(table: &Table) -> Vec<String> {
    let mut columns = Vec::new();
    match table.keep {
        Keep::Days { epochs, .. } => columns.extend(epochs),
        Keep::Epochs { epoch, published: true, .. } => columns.push(epoch),
        _ => {}
    }
    match table.erase {
        Erase::Blanks { customer, .. } => columns.push(customer),
        Erase::Reports { customer, .. } => {
            columns.extend(table.epoch().into_iter().chain([customer]))
        }
        _ => {}
    }
    let index = |column| format!("CREATE INDEX {0}_by_{column} ON {0} ({column})", table.name);
    columns.into_iter().map(index).collect()
}

/// Adds a column to a table that is there; rows of before have nothing in it.
pub fn add(table: &Table, column: &Column) -> String {
    let (name, kind) = (quote(&column.name), sql_type(column.kind));
    format!("ALTER TABLE {} ADD COLUMN {name} {kind}", table.name)
}

/// Likewise one that no row has.
pub fn add_own(table: &Table, own: &Own) -> String {
    format!("ALTER TABLE {} ADD COLUMN {}", table.name, define_own(own))
}

fn define(name: &str, kind: ColumnType, null: bool) -> String {
    format!("{} {}{}", quote(name), sql_type(kind), if null { "" } else { " NOT NULL" })
}

fn define_own(own: &Own) -> String {
    let defined = define(own.name, own.kind, own.null);
    match own.by {
        Filler::Number => format!("{defined} GENERATED ALWAYS AS IDENTITY"),
        Filler::Clock => format!("{defined} DEFAULT now()"),
        Filler::People => format!("{defined} DEFAULT false"),
        Filler::Measure => defined,
        Filler::Count => format!("{defined} DEFAULT 0"),
    }
}

fn assigned(columns: impl Iterator<Item = (String, String)>) -> String {
    columns.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

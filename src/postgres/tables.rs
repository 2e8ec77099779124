//! The statements that keep a declared table: how it is made, filled, read, pruned and erased from.

mod leaving;

pub use leaving::{Erasing, Pruning, erasing, pruning};

use crate::identifiers::{quote, quote_all};
use dataflows::table::{By, Column, Erase, Kind, Own, Table};

/// The tables that a job has beside the declared ones, whatever dataflow it runs.
pub const ENGINES: [&str; 11] = [
    "owner",
    "progress",
    "epochs",
    "erased_customers",
    "kept_records",
    "losses",
    "applied_settings",
    "settings",
    "arms",
    "context_names",
    "refinery_schema_history",
];

/// The type of a column.
pub fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Smallint => "smallint",
        Kind::Integer => "integer",
        Kind::Bigint => "bigint",
        Kind::Day => "date",
        Kind::Float8 => "double precision",
        Kind::Decimal(_) => "numeric",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Timestamp => "timestamp with time zone",
        Kind::Smallints => "smallint[]",
        Kind::Float8s => "double precision[]",
    }
}

/// The type of a column in which rows wait as they are encoded.
fn stage_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Day => "integer",
        Kind::Decimal(_) => "text",
        other => sql_type(other),
    }
}

/// The value of a column out of one in which it waits.
fn out_of_stage(column: &Column) -> String {
    let waiting = format!("s.{}", quote(&column.name));
    match column.kind {
        Kind::Day => format!("date '1970-01-01' + {waiting}"),
        Kind::Decimal(None) => format!("{waiting}::numeric"),
        Kind::Decimal(Some(decimals)) => format!("round({waiting}::numeric, {decimals})"),
        _ => waiting,
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
            Kind::Day => format!("{name} - date '1970-01-01'"),
            Kind::Decimal(_) => format!("trim_scale({name})::text"),
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

/// Adds a column to a table that is there; rows of before have nothing in it.
pub fn add(table: &Table, column: &Column) -> String {
    let (name, kind) = (quote(&column.name), sql_type(column.kind));
    format!("ALTER TABLE {} ADD COLUMN {name} {kind}", table.name)
}

/// Likewise one that no row has.
pub fn add_own(table: &Table, own: &Own) -> String {
    format!("ALTER TABLE {} ADD COLUMN {}", table.name, define_own(own))
}

fn define(name: &str, kind: Kind, null: bool) -> String {
    format!("{} {}{}", quote(name), sql_type(kind), if null { "" } else { " NOT NULL" })
}

fn define_own(own: &Own) -> String {
    let defined = define(own.name, own.kind, own.null);
    match own.by {
        By::Number => format!("{defined} GENERATED ALWAYS AS IDENTITY"),
        By::Clock => format!("{defined} DEFAULT now()"),
        By::People => format!("{defined} DEFAULT false"),
        By::Writer if own.null => defined,
        By::Writer => format!("{defined} DEFAULT 0"),
    }
}

/// Makes the tables in which rows of a table wait that must be matched with those in it: each
/// session has its own, empty at each transaction's start.
pub fn stages(table: &Table) -> String {
    let stage = |name: &str, columns: Vec<&Column>| {
        let columns = columns
            .into_iter()
            .map(|column| format!("{} {}", quote(&column.name), stage_type(column.kind)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        format!("CREATE TEMP TABLE {name}_{} ({columns}) ON COMMIT DELETE ROWS;\n", table.name)
    };
    let key = table.key_places().into_iter().map(|place| &table.columns[place]).collect();
    stage("staged", table.written().collect()) + &stage("gone", key)
}

/// The statements that bring an epoch's rows into a table.
#[derive(Clone, Debug)]
pub struct Writing {
    /// New rows, straight into it.
    pub copy: String,
    /// Rows that wait for what is done with them.
    pub stage: String,
    /// Rows that wait, in the place of those of their keys; nothing waits any more.
    pub upsert: String,
    /// Rows that wait, in the place of those that are there.
    pub update: String,
    /// Rows that wait, of those that are not there.
    pub insert: String,
    /// Rows that wait, of those that are not there; those that are the same are counted too.
    pub agree: String,
    /// A row that waits and is not the same as the one that is there, as JSON.
    pub disagrees: String,
    /// Keys of rows that are to go.
    pub stage_gone: String,
    /// Deletes them.
    pub delete: String,
}

impl Writing {
    /// For a table.
    pub fn of(table: &Table) -> Writing {
        let name = table.name;
        let columns = quote_all(table.names());
        let key = quote_all(table.key.iter().copied());
        let values = table.written().map(out_of_stage).collect::<Vec<_>>().join(", ");
        let insert = format!("INSERT INTO {name} ({columns}) SELECT {values} FROM staged_{name} s");
        let rest = || table.written().filter(|column| !table.is_key(&column.name));
        let excluded = assigned(rest().map(|column| {
            let name = quote(&column.name);
            (name.clone(), format!("excluded.{name}"))
        }));
        let waiting = assigned(
            rest()
                .filter(|column| !column.once)
                .map(|column| (quote(&column.name), out_of_stage(column))),
        );
        let told: Vec<&Column> = rest().filter(|column| column.name != "epoch").collect();
        let same = |of: &dyn Fn(&Column) -> String| {
            told.iter().map(|column| of(column)).collect::<Vec<_>>().join(", ")
        };
        let there = same(&|column| format!("{name}.{}", quote(&column.name)));
        let first = rest().next().map_or(String::new(), |column| quote(&column.name));
        Writing {
            copy: format!("COPY {name} ({columns}) FROM STDIN BINARY"),
            stage: format!("COPY staged_{name} ({columns}) FROM STDIN BINARY"),
            upsert: format!(
                "{insert} ON CONFLICT ({key}) DO UPDATE SET {excluded}; DELETE FROM staged_{name}"
            ),
            update: format!(
                "UPDATE {name} t SET {waiting} FROM staged_{name} s WHERE {}",
                matched(table)
            ),
            insert: format!("{insert} ON CONFLICT DO NOTHING"),
            agree: format!(
                "{insert} ON CONFLICT ({key}) DO UPDATE SET {first} = {name}.{first} WHERE \
                 ({there}) IS NOT DISTINCT FROM ({})",
                same(&|column| format!("excluded.{}", quote(&column.name))),
            ),
            disagrees: format!(
                "SELECT row_to_json(s)::text FROM staged_{name} s JOIN {name} ON {} WHERE \
                 ({there}) IS DISTINCT FROM ({}) LIMIT 1",
                matched(table).replace("t.", &format!("{name}.")),
                same(&|column| out_of_stage(column)),
            ),
            stage_gone: format!("COPY gone_{name} ({key}) FROM STDIN BINARY"),
            delete: format!("DELETE FROM {name} t USING gone_{name} s WHERE {}", matched(table)),
        }
    }
}

fn assigned(columns: impl Iterator<Item = (String, String)>) -> String {
    columns.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

/// That a row `t` has the key of one `s` that waits.
fn matched(table: &Table) -> String {
    let key = table.key_places().into_iter().map(|place| &table.columns[place]);
    let same = key.map(|column| format!("t.{} = {}", quote(&column.name), out_of_stage(column)));
    same.collect::<Vec<_>>().join(" AND ")
}

/// Whether rows go in as they are: nothing in them is encoded otherwise than a database has it.
pub fn is_direct(table: &Table) -> bool {
    table.columns.iter().all(|column| stage_type(column.kind) == sql_type(column.kind))
}

/// Whether something of its rows is only known where they are written: statements of their own do
/// it.
pub fn is_written_apart(table: &Table) -> bool {
    table.own.iter().any(|own| own.by == By::Writer)
}

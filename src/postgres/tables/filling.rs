//! The statements that bring an epoch's rows into a table, some by way of where they wait.

use super::{assigned, sql_type};
use crate::identifiers::{quote, quote_all};
use dataflows::table::{Column, ColumnType, Filler, Rule, Table};

/// What stands in a statement for what its writer has measured.
pub const MEASURE: &str = ":measure";

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
    stage("staged", table.columns.iter().collect()) + &stage("gone", key)
}

/// The statements that bring an epoch's rows into a table.
#[derive(Clone, Debug)]
pub struct Writing {
    /// New rows, straight into it.
    pub copy: String,
    /// Rows that wait for what is done with them.
    pub stage: String,
    /// Rows that wait, by what a row does to the one of its key that is there; nothing waits any
    /// more. What is measured stands in it as [`MEASURE`].
    pub bring: String,
    /// Rows that wait, in the place of those that are there.
    pub update: String,
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
        let insert = insert(table);
        let rest = || table.written().filter(|column| !table.is_key(&column.name));
        let waiting = assigned(
            rest()
                .filter(|column| !column.once)
                .map(|column| (quote(&column.name), out_of_stage(table, column))),
        );
        let told: Vec<&Column> = rest().filter(|column| column.name != "epoch").collect();
        let same = |of: &dyn Fn(&Column) -> String| {
            told.iter().map(|column| of(column)).collect::<Vec<_>>().join(", ")
        };
        let there = same(&|column| format!("{name}.{}", quote(&column.name)));
        let first = rest().next().map_or(String::new(), |column| quote(&column.name));
        Writing {
            copy: format!("COPY {name} ({columns}) FROM STDIN BINARY"),
            stage: format!("COPY staged_{name} FROM STDIN BINARY"),
            bring: format!("{insert}{}; DELETE FROM staged_{name}", conflict(table)),
            update: format!(
                "UPDATE {name} t SET {waiting} FROM staged_{name} s WHERE {}",
                matched(table)
            ),
            agree: format!(
                "{insert} ON CONFLICT ({key}) DO UPDATE SET {first} = {name}.{first} WHERE \
                 ({there}) IS NOT DISTINCT FROM ({})",
                same(&|column| format!("excluded.{}", quote(&column.name))),
            ),
            disagrees: format!(
                "SELECT row_to_json(s)::text FROM staged_{name} s JOIN {name} ON {} WHERE \
                 ({there}) IS DISTINCT FROM ({}) LIMIT 1",
                matched(table).replace("t.", &format!("{name}.")),
                same(&|column| out_of_stage(table, column)),
            ),
            stage_gone: format!("COPY gone_{name} ({key}) FROM STDIN BINARY"),
            delete: format!("DELETE FROM {name} t USING gone_{name} s WHERE {}", matched(table)),
        }
    }
}

/// Brings rows that wait in, with what is measured.
fn insert(table: &Table) -> String {
    let (name, columns) = (table.name, quote_all(table.names()));
    let values = table.written().map(|column| out_of_stage(table, column));
    let values = values.collect::<Vec<_>>().join(", ");
    let measures: String =
        owned(table, Filler::Measure).map(|own| format!(", {}", quote(own))).collect();
    let measured: String = owned(table, Filler::Measure).map(|_| format!(", {MEASURE}")).collect();
    format!(
        "INSERT INTO {name} ({columns}{measures}) SELECT {values}{measured} FROM staged_{name} s"
    )
}

/// What becomes of a row that is there, or the order of rows that are only added.
fn conflict(table: &Table) -> String {
    match table.rule {
        // Those that are alike are told apart as they come.
        Rule::Adds => {
            let numbers = table.columns.iter().find(|column| column.numbers);
            numbers.map_or(String::new(), |column| format!(" ORDER BY s.{}", quote(&column.name)))
        }
        Rule::Stays | Rule::Agrees => " ON CONFLICT DO NOTHING".to_string(),
        Rule::Changes { .. } | Rule::Replaces { .. } => {
            let rest = table.names().filter(|name| !table.is_key(name));
            let all = rest.chain(owned(table, Filler::Measure)).chain(owned(table, Filler::Clock));
            let excluded = assigned(all.map(|name| {
                let name = quote(name);
                (name.clone(), format!("excluded.{name}"))
            }));
            format!(
                " ON CONFLICT ({}) DO UPDATE SET {excluded}",
                quote_all(table.key.iter().copied())
            )
        }
    }
}

/// The columns that no row has, of those whom these fill.
fn owned(table: &Table, by: Filler) -> impl Iterator<Item = &str> {
    table.own.iter().filter(move |own| own.by == by).map(|own| own.name)
}

/// The type of a column in which rows wait as they are encoded.
fn stage_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Day => "integer",
        ColumnType::Decimal(_) => "text",
        other => sql_type(other),
    }
}

/// The value of a column out of one in which it waits.
fn out_of_stage(table: &Table, column: &Column) -> String {
    let name = quote(&column.name);
    let waiting = format!("s.{name}");
    match column.kind {
        _ if column.running => before(table, &name, &waiting),
        ColumnType::Day => format!("date '1970-01-01' + {waiting}"),
        ColumnType::Decimal(None) => format!("{waiting}::numeric"),
        ColumnType::Decimal(Some(decimals)) => format!("round({waiting}::numeric, {decimals})"),
        _ => waiting,
    }
}

/// What adds up over the epochs: what waits, beside what it has come to by the epoch before.
fn before(table: &Table, name: &str, waiting: &str) -> String {
    let (table, epoch) = (table.name, quote(table.epoch().unwrap_or_default()));
    format!(
        "{waiting} + coalesce((SELECT p.{name} FROM {table} p WHERE p.{epoch} = s.{epoch} - 1), 0)"
    )
}

/// That a row `t` has the key of one `s` that waits.
fn matched(table: &Table) -> String {
    let key = table.key_places().into_iter().map(|place| &table.columns[place]);
    let same =
        key.map(|column| format!("t.{} = {}", quote(&column.name), out_of_stage(table, column)));
    same.collect::<Vec<_>>().join(" AND ")
}

/// Whether rows go in as they are: nothing in them is encoded otherwise than a database has it.
pub fn is_direct(table: &Table) -> bool {
    let as_it_is = |column: &Column| {
        !column.numbers && !column.running && stage_type(column.kind) == sql_type(column.kind)
    };
    table.columns.iter().all(as_it_is)
}

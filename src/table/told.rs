//! Rows of a small table that come as values, in sum, sorted by key and encoded.

use super::changes::{Changes, net};
use super::encode::CopyBuffer;
use dataflows::table::{Cell, Change, Column, ColumnType, Rule, Table, TableRow};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;

/// Encodes an epoch's rows of a table into its changes. Of several of one key the last one stands,
/// and one with nothing in it of what it counts is none.
///
/// # Errors
/// Where a row has something that does not fit: the place of the value, or how many there are.
pub fn tell<R: Borrow<TableRow>>(changes: &mut Changes, mut rows: Vec<R>) -> Result<(), usize> {
    let table = Arc::clone(&changes.table);
    if let Some(unfit) = rows.iter().find_map(|row| row.borrow().unfit(&table)) {
        return Err(unfit);
    }
    // Those of one key stay in the order in which they came.
    let order = |a: &R, b: &R| by_key(&table, a.borrow(), b.borrow());
    rows.sort_by(order);
    for same in rows.chunk_by(|a, b| order(a, b).is_eq()) {
        let (first, last) = (same[0].borrow(), same[same.len() - 1].borrow());
        let change = match table.rule {
            Rule::Changes { .. } => net(first.change, last.change),
            _ if last.is_none(&table) => Some(Change::Delete),
            Rule::Replaces { .. } => Some(last.change),
            Rule::Adds | Rule::Stays | Rule::Agrees => {
                // What was there makes room: by itself no row would take its place.
                if first.change == Change::Delete && last.change != Change::Delete {
                    write(changes, &table, first, Change::Delete);
                }
                Some(last.change)
            }
        };
        let Some(change) = change else { continue };
        write(changes, &table, last, change);
    }
    Ok(())
}

/// Values that are no numbers are of no key.
fn by_key(table: &Table, a: &TableRow, b: &TableRow) -> Ordering {
    a.key(table).partial_cmp(&b.key(table)).unwrap_or(Ordering::Equal)
}

fn write(changes: &mut Changes, table: &Table, row: &TableRow, change: Change) {
    let all = || table.columns.iter().zip(&row.cells).collect();
    let key = || {
        let columns = table.key_places().into_iter().map(|place| &table.columns[place]);
        columns.zip(row.key(table)).collect()
    };
    let (buffer, values): (&mut CopyBuffer, Vec<(&Column, &Cell)>) = match (change, table.rule) {
        (Change::Delete, _) => (&mut changes.gone, key()),
        (Change::Update, _) | (_, Rule::Replaces { .. }) => (&mut changes.changed, all()),
        (Change::Insert, _) => (&mut changes.new, all()),
    };
    buffer.row(values.len());
    values.into_iter().for_each(|(column, cell)| encode_cell(buffer, column.kind, cell));
}

/// Encodes a value of a column of this type.
pub fn encode_cell(buffer: &mut CopyBuffer, kind: ColumnType, cell: &Cell) {
    match (cell, kind) {
        (Cell::Null, _) => buffer.null(),
        (Cell::Boolean(value), _) => buffer.boolean(*value),
        (Cell::Whole(number), ColumnType::Smallint) => buffer.smallint(*number as i16),
        (Cell::Whole(number), ColumnType::Integer | ColumnType::Day) => {
            buffer.integer(*number as i32)
        }
        (Cell::Whole(instant), ColumnType::Timestamp) => buffer.timestamp(*instant),
        (Cell::Whole(number), _) => buffer.bigint(*number),
        (Cell::Float8(number), _) => buffer.float8(*number),
        (Cell::Text(text), _) => buffer.text(text.as_bytes()),
        (Cell::Bytes(bytes), _) => buffer.bytes(bytes),
        (Cell::Smallints(numbers), _) => buffer.smallints(numbers),
        (Cell::Float8s(numbers), _) => buffer.float8s(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::json::{self, INSERT, UPDATE};
    use dataflows::table::{Erase, Keep, Untold};

    fn table(rule: Rule) -> Changes {
        Changes::none(Arc::new(Table {
            name: "counted",
            help: "How many came on a day.",
            columns: vec![
                Column::of("day", ColumnType::Day, "The day."),
                Column::of("customers", ColumnType::Bigint, "How many."),
                Column::of("mean", ColumnType::Float8, "How much.").or_null(),
            ],
            own: Vec::new(),
            key: &["day"],
            rule,
            keep: Keep::All,
            erase: Erase::Nobody { because: "it counts" },
            untold: Untold::NONE,
        }))
    }

    fn stands(day: i32, customers: u64) -> TableRow {
        let mean = Some(0.5).filter(|_| customers > 1);
        TableRow::stands([day.into(), customers.into(), mean.into()])
    }

    fn gone(day: i32) -> TableRow {
        TableRow::gone([day.into()])
    }

    fn now(day: i32, customers: u64) -> TableRow {
        TableRow { change: Change::Update, ..stands(day, customers) }
    }

    /// Lines of what rows come to.
    fn told(rule: Rule, rows: Vec<TableRow>) -> Vec<String> {
        let mut changes = table(rule);
        tell(&mut changes, rows).expect("they fit");
        let (mut out, table) = (Vec::new(), &changes.table);
        changes.gone.each_row().for_each(|key| json::gone(&mut out, table, key));
        for (buffer, change) in [(&changes.new, INSERT), (&changes.changed, UPDATE)] {
            buffer.each_row().for_each(|row| json::line(&mut out, table, change, row, false, &[]));
        }
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        let short = |line: &str| line.replace("\"table\":\"counted\",\"change\":", "");
        text.lines().map(short).collect()
    }

    #[test]
    fn of_rows_of_one_key_the_last_stands_as_its_table_has_it() {
        let both = || vec![stands(1, 4), gone(0), stands(0, 2), now(1, 1)];
        let gone_0 = r#"{"delete","day":"1970-01-01"}"#;
        let row = |change, of: &str| format!("{{{change:?},{of}}}");
        let (zero, one) = (
            r#""day":"1970-01-01","customers":2,"mean":0.5"#,
            r#""day":"1970-01-02","customers":1,"mean":null"#,
        );
        let replaces = Rule::Replaces { counts: Some("customers") };
        assert_eq!(told(replaces, both()), [row(UPDATE, zero), row(UPDATE, one)]);
        assert_eq!(told(replaces, vec![stands(0, 0)]), [gone_0]);
        let changes = Rule::Changes { again: false };
        assert_eq!(told(changes, both()), [row(INSERT, one), row(UPDATE, zero)]);
        assert_eq!(told(changes, vec![stands(0, 2), gone(0)]), [""; 0]);
        let agrees = vec![gone(0), stands(0, 2)];
        assert_eq!(told(Rule::Agrees, agrees), [gone_0.to_string(), row(INSERT, zero)]);
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let mut changes = table(Rule::Adds);
        assert_eq!(tell(&mut changes, vec![TableRow::stands([Cell::Null])]), Err(1));
        let twice = TableRow::stands([0.5.into(), 1u64.into(), Cell::Null]);
        assert_eq!(tell(&mut changes, vec![twice]), Err(0));
        assert!(changes.new.is_empty());
    }
}

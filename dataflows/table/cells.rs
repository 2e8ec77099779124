//! Rows of small tables: whoever fills one hands them out as values, column by column, and whoever
//! keeps it needs to know nothing of it but its declaration. Rows that come by the thousand have
//! structures of their own, which are smaller and sorted on the worker that has them.

use super::{Change, ColumnType, Rule, Table};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A value of a row.
#[derive(Clone, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Cell {
    /// There is none.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number, of whichever width the column has; in a column of days or instants, days or
    /// milliseconds since 1970.
    Whole(i64),
    /// A number of 64 bits.
    Float8(f64),
    /// A text, or an exact decimal.
    Text(Cow<'static, str>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Whole numbers of 16 bits.
    Smallints(Vec<i16>),
    /// Numbers of 64 bits.
    Float8s(Vec<f64>),
}

/// What happened to a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// Whether it is new, was there, or went; where rows of a table take each other's place it does
    /// not matter which of the first two.
    pub change: Change,
    /// A value a column; of a row that went only those of its key.
    pub cells: Vec<Cell>,
}

/// Rows of one table. Those of one key in an epoch come from one worker, and the last one stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRows {
    /// The name of the table.
    pub table: Cow<'static, str>,
    /// The rows.
    pub rows: Vec<TableRow>,
}

impl TableRow {
    /// One that stands now.
    pub fn stands(cells: impl Into<Vec<Cell>>) -> TableRow {
        TableRow { change: Change::Insert, cells: cells.into() }
    }

    /// One that went, of which this is the key.
    pub fn gone(key: impl Into<Vec<Cell>>) -> TableRow {
        TableRow { change: Change::Delete, cells: key.into() }
    }

    /// What keeps it from being a row of a table: the place of a value that does not fit, or how
    /// many values there are where there are too few or too many.
    pub fn unfit(&self, table: &Table) -> Option<usize> {
        let places = match self.change {
            Change::Delete => table.key_places(),
            Change::Insert | Change::Update => (0..table.columns.len()).collect(),
        };
        if places.len() != self.cells.len() {
            return Some(self.cells.len());
        }
        let fits = |(&place, cell): (&usize, &Cell)| {
            let column = &table.columns[place];
            cell.fits(column.kind) || (column.null && *cell == Cell::Null)
        };
        places.iter().zip(&self.cells).position(|of| !fits(of))
    }

    /// The values of its key.
    pub fn key<'a>(&'a self, table: &Table) -> Vec<&'a Cell> {
        match self.change {
            Change::Delete => self.cells.iter().collect(),
            Change::Insert | Change::Update => {
                table.key_places().into_iter().map(|place| &self.cells[place]).collect()
            }
        }
    }

    /// Whether there is nothing of what a row of the table counts, so that it is none.
    pub fn is_none(&self, table: &Table) -> bool {
        let Rule::Replaces { counts: Some(counts) } = table.rule else { return false };
        self.change != Change::Delete
            && table.place(counts).is_some_and(|place| self.cells[place] == Cell::Whole(0))
    }
}

impl Cell {
    /// Whether a column of this type can have it.
    fn fits(&self, kind: ColumnType) -> bool {
        match (self, kind) {
            (Cell::Whole(number), ColumnType::Smallint) => i16::try_from(*number).is_ok(),
            (Cell::Whole(number), ColumnType::Integer | ColumnType::Day) => {
                i32::try_from(*number).is_ok()
            }
            (Cell::Boolean(_), ColumnType::Boolean)
            | (Cell::Whole(_), ColumnType::Bigint | ColumnType::Timestamp)
            | (Cell::Float8(_), ColumnType::Float8)
            | (Cell::Text(_), ColumnType::Text | ColumnType::Decimal(_))
            | (Cell::Bytes(_), ColumnType::Bytes)
            | (Cell::Smallints(_), ColumnType::Smallints)
            | (Cell::Float8s(_), ColumnType::Float8s) => true,
            _ => false,
        }
    }
}

macro_rules! whole {
    ($($kind:ty),+) => {
        $(impl From<$kind> for Cell {
            fn from(number: $kind) -> Cell {
                Cell::Whole(i64::from(number))
            }
        })+
    };
}

whole!(i16, i32, Millis);

/// A key or a count: the same bits, as tables have them.
impl From<u64> for Cell {
    fn from(number: u64) -> Cell {
        Cell::Whole(number as i64)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Cell {
        Cell::Boolean(value)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Cell {
        Cell::Float8(number)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text.into())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, Erase, Keep, Untold};

    fn counted() -> Table {
        Table {
            name: "counted",
            help: "How many came on a day.",
            columns: vec![
                Column::of("day", ColumnType::Day, "The day."),
                Column::of("arm", ColumnType::Smallint, "The arm."),
                Column::of("customers", ColumnType::Bigint, "How many."),
                Column::of("name", ColumnType::Text, "Its name.").or_null(),
            ],
            own: Vec::new(),
            key: &["day", "arm"],
            rule: Rule::Replaces { counts: Some("customers") },
            keep: Keep::All,
            erase: Erase::Nobody { because: "it counts" },
            untold: Untold::NONE,
        }
    }

    #[test]
    fn what_does_not_fit_a_table_is_no_row_of_it() {
        let row = |arm: i64, customers, name: Option<String>| {
            TableRow::stands([19_783.into(), Cell::Whole(arm), customers, name.into()])
        };
        let table = counted();
        for (row, unfit) in [
            (row(1, 5u64.into(), Some("Mail".to_string())), None),
            (row(1, 5u64.into(), None), None),
            (row(40_000, 5u64.into(), None), Some(1)),
            (row(1, true.into(), None), Some(2)),
            (row(1, Cell::Null, None), Some(2)),
            (TableRow::stands([Cell::Whole(1)]), Some(1)),
            (TableRow::gone([Cell::Whole(1), Cell::Whole(2)]), None),
            (TableRow::gone([Cell::Whole(1), 0.5.into()]), Some(1)),
        ] {
            assert_eq!(row.unfit(&table), unfit, "{row:?}");
        }
        assert!(row(1, 0u64.into(), None).is_none(&table));
        let (some, gone) =
            (row(3, 2u64.into(), None), TableRow::gone([Cell::Whole(19_783), 3.into()]));
        assert!(!some.is_none(&table) && !gone.is_none(&table));
        assert_eq!(some.key(&table), gone.key(&table));
    }
}

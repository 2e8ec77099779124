//! Columns: names, types and units.

use super::When;
use std::borrow::Cow;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// A whole number of 16 bits.
    Smallint,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Bigint,
    /// Days since 1970-01-01, 32 bits.
    Day,
    /// A number of 64 bits, told apart bit for bit.
    Float8,
    /// An exact decimal as a text without zeros at its end; with so many decimals where people
    /// read it.
    Decimal(Option<u32>),
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// An instant, in microseconds since 2000-01-01; the ends of the range are those of time.
    Timestamp,
    /// Whole numbers of 16 bits.
    Smallints,
    /// Numbers of 64 bits.
    Float8s,
    /// Texts.
    Texts,
}

/// A column of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name; owned where it is configured.
    pub name: Cow<'static, str>,
    /// Its type.
    pub kind: ColumnType,
    /// Whether it may be NULL.
    pub null: bool,
    /// What it is, with its unit.
    pub help: &'static str,
    /// Only a new row has it; a change leaves it as it is.
    pub once: bool,
    /// It numbers rows that are alike in the rest of the key, from 1: it is compared, and written
    /// nowhere.
    pub numbers: bool,
    /// It adds up over the epochs: a row has what it comes to by then. There is at most one in all
    /// tables of a dataflow, in a table of which the epoch is the key.
    pub running: bool,
    /// It came after the table: rows of before have nothing in it.
    pub later: bool,
    /// What a view that moves with the clock has in its place, where it moves: an expression in SQL
    /// over the row `f`, the instant `n.instant` and the settings `c`.
    pub now: Option<&'static str>,
    /// In which rows it cannot be computed again where records are gone that were read; `None`: in
    /// none.
    pub untold: Option<&'static [When]>,
}

impl Column {
    /// One that always has a value.
    pub fn of(name: impl Into<Cow<'static, str>>, kind: ColumnType, help: &'static str) -> Column {
        let (null, once, numbers, running, later) = (false, false, false, false, false);
        let (name, now, untold) = (name.into(), None, None);
        Column { name, kind, null, help, once, numbers, running, later, now, untold }
    }

    /// Whether it is there because it is configured.
    pub fn is_configured(&self) -> bool {
        matches!(self.name, Cow::Owned(_))
    }

    /// It may be NULL.
    pub fn or_null(self) -> Column {
        Column { null: true, ..self }
    }

    /// Only a new row has it.
    pub fn once(self) -> Column {
        Column { once: true, ..self }
    }

    /// It numbers rows that are alike.
    pub fn numbering(self) -> Column {
        Column { numbers: true, ..self }
    }

    /// It adds up over the epochs.
    pub fn running(self) -> Column {
        Column { running: true, ..self }
    }

    /// It came after the table, and may be NULL: rows of before have nothing in it.
    pub fn later(self) -> Column {
        Column { null: true, later: true, ..self }
    }

    /// With this in its place in a view that moves with the clock.
    pub fn now(self, now: Option<&'static str>) -> Column {
        Column { now, ..self }
    }

    /// In rows of which all of these hold it cannot be computed again where records are gone.
    pub fn untold(self, when: &'static [When]) -> Column {
        Column { untold: Some(when), ..self }
    }
}

/// A column that no row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnType,
    /// Whether it may be NULL.
    pub null: bool,
    /// Who fills it.
    pub by: Filler,
}

/// Who fills a column that no row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filler {
    /// It numbers all rows as they come, and tells them apart.
    Number,
    /// The clock, when a row is written.
    Clock,
    /// People; false at first.
    People,
    /// Whoever writes the row measures it.
    Measure,
    /// Whoever erases counts there what the erasure has blanked; 0 at first.
    Count,
}

impl Own {
    /// The number of a row, as they come.
    pub fn number(name: &'static str) -> Own {
        Own { name, kind: ColumnType::Bigint, null: false, by: Filler::Number }
    }

    /// When a row was written, by the clock of the place that keeps it.
    pub fn clock(name: &'static str) -> Own {
        Own { name, kind: ColumnType::Timestamp, null: false, by: Filler::Clock }
    }

    /// What people say.
    pub fn flag(name: &'static str) -> Own {
        Own { name, kind: ColumnType::Boolean, null: false, by: Filler::People }
    }

    /// How many rows an erasure has blanked.
    pub fn count(name: &'static str) -> Own {
        Own { name, kind: ColumnType::Bigint, null: false, by: Filler::Count }
    }

    /// What is measured where the row is written, where it can be: records a second since the
    /// commit before.
    pub fn measure(name: &'static str) -> Own {
        Own { name, kind: ColumnType::Float8, null: true, by: Filler::Measure }
    }
}
